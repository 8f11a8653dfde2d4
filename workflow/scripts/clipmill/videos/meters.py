"""What can be measured on one picture: borders, blur, noise, combs, blocks.

Each measure is small code after a published method, which its docstring names.
"""

from typing import NamedTuple

import cv2
import numpy as np

DARK, DARKEST = 16, 48
"""Mean and brightest level (of 255) of a line that may be a black border: bars of tapes are not quite black."""
EDGE = 8
"""Levels by which the picture gets brighter within eight lines at the edge of a border: dark scenes get dark slowly."""
EIGHTH = 8
"""Every so many lines and columns are looked at where all would tell the same."""
MASK = np.float32([1, -2, 1])
"""Immerkaer's mask is the product of this and itself."""
WINDOW, TILE = 192, 16
"""Pixels of the middle in which noise is measured; pixels of a tile in which noise and combs are."""
QUIET = 0.1
"""Share of the tiles, the quietest ones, that tell noise from texture."""
COMBED_BY, COMB_LEVELS = 1.5, 3.0
"""A tile is combed where neighbouring lines differ by so many times, and by so many levels, more than every other."""


class Borders(NamedTuple):
    """Black lines at the sides of a picture, as shares of its width (left, right) and height (top, bottom)."""

    left: float
    top: float
    right: float
    bottom: float
    edges: tuple[bool, bool, bool, bool] = (False,) * 4
    """Whether each ends in a sharp edge."""

    def turned(self, pose) -> "Borders":
        """The borders of the same picture turned upright, by its `pictures.Pose`."""
        sides = [*zip(self[:4], self.edges, strict=True)]
        order = [1, 0, 3, 2] if pose.transposed else [0, 1, 2, 3]
        if pose.mirrored:
            order[0], order[2] = order[2], order[0]
        if pose.flipped:
            order[1], order[3] = order[3], order[1]
        return Borders(*(sides[side][0] for side in order), tuple(sides[side][1] for side in order))


class Seen(NamedTuple):
    """What the meters look at of a picture of full size, grey: enough of it, at an eighth of the cost."""

    tall: np.ndarray
    """Every eighth column."""
    wide: np.ndarray
    """Every eighth line."""
    middle: np.ndarray
    """The middle, at most WINDOW x WINDOW."""

    @classmethod
    def of(cls, image: np.ndarray) -> "Seen":
        """The parts of a picture, HxWx3 BGR uint8."""
        height, width = image.shape[:2]
        top, left = max(0, (height - WINDOW) // 2), max(0, (width - WINDOW) // 2)
        tall = cv2.resize(image, (-(-width // EIGHTH), height), interpolation=cv2.INTER_NEAREST)
        parts = tall, image[::EIGHTH], image[top : top + WINDOW, left : left + WINDOW]
        return cls(*(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2GRAY) for part in parts))


def borders(seen: Seen) -> Borders | None:
    """The black borders of a picture; None where all of it is black, which tells nothing.

    Lines from each side inwards whose mean and maximum are dark, as ffmpeg's cropdetect looks for them, with the
    maximum besides the mean, so that a night sky with stars is no border.
    """
    height, width = len(seen.tall), seen.wide.shape[1]
    rows = _dark(seen.tall, 1)
    top, below = _run(*rows), _run(rows[0][::-1], rows[1][::-1])
    if top[0] == height:
        return None
    first, end = -(-top[0] // EIGHTH), -(-(height - below[0]) // EIGHTH)
    columns = _dark(seen.wide[first:end] if first < end else seen.wide, 0)
    left, right = _run(*columns), _run(columns[0][::-1], columns[1][::-1])
    if left[0] == width:
        return None
    sides = left[0] / width, top[0] / height, right[0] / width, below[0] / height
    return Borders(*sides, (left[1], top[1], right[1], below[1]))


def _dark(lines: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each line along `axis` is dark, and its mean."""
    mean = cv2.reduce(lines, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    return (mean < DARK) & (lines.max(axis) < DARKEST), mean


def _run(dark: np.ndarray, mean: np.ndarray) -> tuple[int, bool]:
    """(number of dark lines at the start, whether a sharp edge ends them)."""
    if dark.all():
        return len(dark), False
    count = int(dark.argmin())
    before, behind = mean[max(0, count - 4)], mean[min(count + 3, len(mean) - 1)]
    return count, bool(count and behind - before >= EDGE)


def blur(grey: np.ndarray) -> float:
    """0 (sharp) to 1 (blurred): how little a further blur takes from the differences of neighbouring pixels.

    Crete, Dolmiere, Ladret, Nicolas: The blur effect, Proc. SPIE 6492, 2007, with its window of 9. 1 for a flat
    picture.
    """
    shares = []
    for axis, window in ((1, (9, 1)), (0, (1, 9))):
        lines = np.ascontiguousarray(grey[::4] if axis else grey[:, ::4])
        sharp, soft = _differences(lines, axis), _differences(cv2.blur(lines, window), axis)
        total = cv2.sumElems(sharp)[0]
        shares.append(1 - cv2.sumElems(cv2.subtract(sharp, soft))[0] / total if total else 1.0)
    return max(shares)


def _differences(grey: np.ndarray, axis: int) -> np.ndarray:
    """The absolute differences of neighbours along an axis; one zero where there are none."""
    if grey.shape[axis] < 2:
        return np.zeros((1, 1), np.uint8)
    return cv2.absdiff(grey[1:], grey[:-1]) if axis == 0 else cv2.absdiff(grey[:, 1:], grey[:, :-1])


def noise(seen: Seen) -> float:
    """Standard deviation of the noise in grey levels, in the quietest tenth of the tiles of the picture's middle.

    Immerkaer: Fast noise variance estimation, CVIU 64, 1996; by tiles, so that texture counts less. Tiles that are
    clipped to black or white say nothing.
    """
    middle = seen.middle
    tiles = max(1, middle.shape[1] // TILE), max(1, middle.shape[0] // TILE)
    found = cv2.absdiff(cv2.sepFilter2D(middle, cv2.CV_16S, MASK, MASK), 0)
    size = (tiles[0] * TILE, tiles[1] * TILE) if min(middle.shape) >= TILE else middle.shape[::-1]
    lengths = cv2.resize(found[: size[1], : size[0]].astype(np.float32), tiles, interpolation=cv2.INTER_AREA)
    light = cv2.resize(middle[: size[1], : size[0]], tiles, interpolation=cv2.INTER_AREA)
    valid = np.sort(lengths[(light > 4) & (light < 251)])
    return float(np.sqrt(np.pi / 2) / 6 * valid[int(QUIET * len(valid))]) if len(valid) else 0.0


def combs(seen: Seen) -> float:
    """Share (0-1) of the picture in which lines of two moments alternate: interlaced video that moved.

    There neighbouring lines, of two fields, differ more than those of one field, as in the comb detectors of Decomb
    and of ffmpeg's idet.
    """
    lines = seen.tall
    if len(lines) < 2 * TILE:
        return 0.0
    near, far = cv2.absdiff(lines[1:-1], lines[:-2]), cv2.absdiff(lines[2:], lines[:-2])
    size = max(1, lines.shape[1] // 4), max(1, lines.shape[0] // TILE)
    near, far = (cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) for part in (near, far))
    return float(np.mean(near > COMBED_BY * far + COMB_LEVELS))


def blocks(seen: Seen) -> float:
    """How much more neighbouring pixels differ across the edges of 8 x 8 blocks than inside them; 1: no blocks.

    The blockiness of Wang, Sheikh, Bovik: No-reference perceptual quality assessment of JPEG compressed images, ICIP
    2002, as a ratio. The larger one of both directions. A picture that was scaled after it was coded hides its blocks.
    """
    return max(_blocks(_differences(seen.wide, 1)), _blocks(_differences(seen.tall, 0).T))


def _blocks(differences: np.ndarray) -> float:
    columns = cv2.reduce(np.ascontiguousarray(differences), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    columns = columns[: len(columns) // 8 * 8].reshape(-1, 8)
    if not len(columns):
        return 1.0
    return float((columns[:, 7].mean() + 0.1) / (columns[:, :7].mean() + 0.1))
