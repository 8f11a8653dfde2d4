"""The content score of PySceneDetect (its ContentDetector): how much a frame's hue, saturation and brightness differ
from those of the frame before.

The same numbers as PySceneDetect's, to the last bit, with buffers that are kept and without its import.
"""

from array import array

import cv2
import numpy as np

WIDTH = 256
"""The longer side, in pixels, of what is compared (PySceneDetect's DEFAULT_MIN_WIDTH)."""


def compared_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of what is compared of pictures of this size, upright: PySceneDetect's automatic downscale."""
    factor = max(width, height) / WIDTH
    return (max(1, round(width / factor)), max(1, round(height / factor))) if factor > 1 else (width, height)


class Content:
    """The scores of a video's frames, taken in order.

    `scores`: of each frame, 0-255, the mean of its three `parts` (hue, saturation and brightness, one after the other,
    three numbers per frame): the mean absolute differences from the frame before. Those of the first frame are 0.
    """

    def __init__(self):
        self.scores, self.parts = array("d"), array("d")
        self.last: np.ndarray | None = None
        self.spare = self.apart = None

    def add(self, image: np.ndarray) -> float:
        """The score of the next frame, of `compared_size`, upright, HxWx3 BGR uint8."""
        seen = cv2.cvtColor(image, cv2.COLOR_BGR2HSV, dst=self.spare)
        parts = (0.0, 0.0, 0.0)
        if self.last is not None:
            self.apart = cv2.absdiff(seen, self.last, dst=self.apart)
            pixels = float(seen.shape[0] * seen.shape[1])
            parts = tuple(total / pixels for total in cv2.sumElems(self.apart)[:3])
        self.last, self.spare = seen, self.last
        self.parts.extend(parts)
        self.scores.append((parts[0] + parts[1] + parts[2]) / 3.0)
        return self.scores[-1]
