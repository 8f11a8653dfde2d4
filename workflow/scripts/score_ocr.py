"""Score text on screen: `ocr`, the number of text boxes, and `ocr_area`, the share of the picture that they cover.

Of several frames, the largest value counts, in each column.
"""

from clipmill.clips.ocr import DETECTORS
from clipmill.clips.scorer import Scorer
from clipmill.engine.job import main


class ScoreOcr(Scorer):
    """`ocr` and `ocr_area` by EasyOCR's detector."""

    columns = ("ocr", "ocr_area")
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def load(self):
        self.detector = DETECTORS[self.settings["model"]](self.settings, self.device)

    def prepare(self, row):
        return self.detector.prepare(self.pictures(row))

    def conclude(self, row, rest, answers):
        boxes, area = map(max, zip(*self.detector.conclude(rest, answers), strict=True))
        return {"ocr": boxes, "ocr_area": float(area)}


if __name__ == "__main__":
    main(ScoreOcr, __doc__)
