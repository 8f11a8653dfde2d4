"""Score text on screen: `ocr`, the number of text boxes, and `ocr_area`, the share of the picture that they cover.

Of several frames the one with the largest value counts, for each column.
"""

from clipmill import frames
from clipmill.step import Step, main


class ScoreOcr(Step):
    """`ocr` and `ocr_area` by EasyOCR's detector."""

    columns = ("ocr", "ocr_area")
    reads = ("start_frame", "end_frame", "num_frames")
    narrow = True

    def load(self):
        from clipmill.ocr import EasyOcr

        self.detector = EasyOcr(self.settings, self.device)

    def prepare(self, row):
        pictures = frames.read(self.store, row, [0.5] if row["num_frames"] == "1" else self.settings["frames"])
        return [self.detector.prepare(picture) for picture in pictures]

    def compute(self, rows, prepared):
        found = iter(self.detector.read([picture for pictures in prepared for picture in pictures]))
        results = []
        for pictures in prepared:
            counts, areas = zip(*(next(found) for _ in pictures), strict=True)
            results.append({"ocr": max(counts), "ocr_area": float(max(areas))})
        return results


if __name__ == "__main__":
    main(ScoreOcr, __doc__)
