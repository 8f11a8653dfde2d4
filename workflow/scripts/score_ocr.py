"""Score text on screen: `ocr`, the number of text boxes, and `ocr_area`, the share of the picture that they cover.

Of several frames, the largest value counts, in each column. Then there are `ocr_overlay` and `ocr_corner`, too: the
share that text covers which stays in its place over these moments, and such text in corners (see `overlays`).
"""

from collections.abc import Sequence

import numpy as np
from clipmill.clips import overlays
from clipmill.clips.ocr import DETECTORS, Size, covered
from clipmill.clips.scorer import Scorer
from clipmill.engine.job import main


class ScoreOcr(Scorer):
    """`ocr` and `ocr_area`; of several moments, `ocr_overlay` and `ocr_corner`."""

    columns = ("ocr", "ocr_area")
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        if len(settings["frames"]) > 1:
            self.columns = (*self.columns, "ocr_overlay", "ocr_corner")

    def load(self):
        self.detector = DETECTORS[self.settings["model"]](self.settings, self.device)

    def prepare(self, row):
        return self.detector.prepare(self.pictures(row))

    def conclude(self, row, rest, answers):
        if len(self.columns) == len(ScoreOcr.columns):
            boxes, area = map(max, zip(*self.detector.conclude(rest, answers), strict=True))
            return {"ocr": boxes, "ocr_area": float(area)}
        return over_time(*zip(*self.detector.found(rest, answers), strict=True))


def over_time(sizes: Sequence[Size], found: Sequence[list]) -> dict:
    """The columns of a clip by the (height, width) of its frames and the boxes in them; a still image has no text that
    stays."""
    area = max(covered(boxes, *size) for boxes, size in zip(found, sizes, strict=True))
    values = {"ocr": max(map(len, found)), "ocr_area": float(area), "ocr_overlay": None, "ocr_corner": None}
    if len(found) > 1:
        shares = [
            [shape.bounds / np.array([width, height] * 2) for shape in boxes]
            for boxes, (height, width) in zip(found, sizes, strict=True)
        ]
        values["ocr_overlay"], values["ocr_corner"] = overlays.shares(shares)
    return values


if __name__ == "__main__":
    main(ScoreOcr, __doc__)
