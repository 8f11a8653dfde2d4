"""Follows a clip's background: the move of most of the picture from one sample to the next.

The first two steps of `camera`, which describes the method and cites its sources.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Corners and flow, for pictures with a short side of about 270 pixels.
GRID = 16, 12  # cells along the long and the short side
PER_CELL = 2  # corners per cell: 384 in total
MIN_CELLS = 16  # cells with corners that agree; fewer are a lamp or a small title on black
MIN_CORNERS = 24  # fewer corners tell nothing
SPACING = 60  # corners are at least the short side / SPACING apart
QUALITY = 3e-4  # of the strongest corner in the picture; low, so that a plain background has corners too
FLAT = 1.5  # standard deviation (grey levels) of a picture with nothing in it
CONTRAST = 50.0  # standard deviation to which pictures are stretched, so that dark shots and fades are followed
MAX_GAIN = 16.0  # more would follow the noise
WINDOW = 21, 21  # pixels
LEVELS = 4  # of the pyramid: follows 30-60 pixels per step; at 10 samples per second, a pan of 70-100 % per second
RETURN = 0.5  # pixels: largest error of a corner followed there and back
MIN_FOUND = 0.2  # share of the corners that come back
STILL = 0.4  # pixels: a corner at rest; noise moves corners by 0.05-0.3
STILL_SHARE = 0.25  # of the corners are at rest against the similarity ...
STILL_RIVAL = 0.7  # ... which explains fewer than this: the camera stands still
REST = 0.3  # of the shift that the similarity asks for: a corner of a plain background, that noise moves
SIDE_CELLS = 4  # cells with corners that a side has at least: fewer are a logo on a plain sky
RIM_SIDES, RIM_SHARE = 2, 0.4  # sides, and share of the rim's cells, at rest against the similarity: so does it here


class Move(NamedTuple):
    """Movement of the picture from one sample to the next."""

    x: float  # shift of the picture's centre, pixels to the right
    y: float  # pixels down
    zoom: float  # log scale, > 0: the picture grows
    roll: float  # radians, > 0: the picture turns clockwise
    share: float  # share of the corners that are explained, 0-1


LOST = Move(0.0, 0.0, 0.0, 0.0, 0.0)


def measure(samples: Iterable[tuple[float, np.ndarray]]) -> tuple[list[float], list[Move], tuple[int, int]]:
    """Times of the samples in seconds, the moves between them (one fewer), and the last picture's (height, width)."""
    times: list[float] = []
    moves: list[Move] = []
    last = None
    for seconds, picture in samples:
        if times and seconds <= times[-1]:
            continue
        now = _prepared(picture)
        if last is not None:
            moves.append(_move(last, now))
        times.append(float(seconds))
        last = now
    return times, moves, last.shape if last is not None else (0, 0)


def _prepared(picture: np.ndarray) -> np.ndarray:
    """The picture without its finest noise, stretched to even contrast; all grey where there is nothing in it."""
    import cv2

    picture = cv2.GaussianBlur(picture, (5, 5), 1.0)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(picture))
    gain = min(MAX_GAIN, CONTRAST / deviation) if deviation >= FLAT else 0.0
    return cv2.LUT(picture, np.clip(128 + gain * (np.arange(256) - mean), 0, 255).astype(np.uint8))


def _move(last: np.ndarray, now: np.ndarray) -> Move:
    """The move between two prepared pictures (1 and 2 of the module's docstring)."""
    import cv2

    if last.shape != now.shape:
        return LOST
    corners = _corners(last)
    if len(corners) < MIN_CORNERS:
        return LOST
    start, end = _follow(last, now, corners)
    if len(start) < max(MIN_CORNERS, MIN_FOUND * len(corners)):
        return LOST

    height, width = last.shape
    centre = np.float32([(width - 1) / 2, (height - 1) / 2])
    shift = np.linalg.norm(end - start, axis=1)
    # Perspective bends the field of a fast pan: by a tenth of its length over most of the picture.
    tolerance = 0.005 * min(height, width) + 0.1 * float(np.median(shift))
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffinePartial2D(
        start - centre, end - centre, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500, confidence=0.995
    )
    if matrix is None:
        return LOST
    agree, still = inliers.ravel().astype(bool), shift < STILL
    predicted = (start - centre) @ matrix[:, :2].T + matrix[:, 2] + centre
    misses = np.linalg.norm(predicted - end, axis=1) > tolerance
    rests = (still & misses).mean() > STILL_SHARE and agree.mean() < STILL_RIVAL
    asked, cells = np.linalg.norm(predicted - start, axis=1), _cell(start, height, width)
    rim = _rim(cells, (asked > 2 * STILL) & (shift < np.maximum(STILL, REST * asked)), width >= height)
    if rests or rim:
        return Move(0.0, 0.0, 0.0, 0.0, max(rim, float((agree | still).mean())))
    if len(np.unique(cells[agree])) < MIN_CELLS:
        return LOST
    share = max(_rim(cells, agree, width >= height), float(agree.mean()))
    (cosine, _, x), (sine, _, y) = matrix
    return Move(x, y, float(np.log(np.hypot(cosine, sine))), float(np.arctan2(sine, cosine)), share)


def _rim(cells: np.ndarray, holds: np.ndarray, wide: bool) -> float:
    """Share of the picture's rim of which something `holds`, where that is much of it and on two sides; otherwise 0.

    `cells`: the cell of each corner; `holds`: of each corner. It holds of a side where it does of most of its cells;
    the cells in the picture's corners count for no side. Text that stands still is on one side.
    """
    columns, lines = GRID if wide else GRID[::-1]
    count = np.bincount(cells, minlength=columns * lines).reshape(lines, columns)
    held = np.bincount(cells, holds, columns * lines).reshape(lines, columns) > count / 2
    seen = count > 0
    sides = [np.s_[0, 1:-1], np.s_[-1, 1:-1], np.s_[1:-1, 0], np.s_[1:-1, -1]]
    still = sum(seen[side].sum() >= SIDE_CELLS and held[side].sum() > seen[side].sum() / 2 for side in sides)
    rim = np.ones_like(seen)
    rim[1:-1, 1:-1] = False
    share = float(held[rim].sum() / max(1, seen[rim].sum()))
    return share if still >= RIM_SIDES and share >= RIM_SHARE else 0.0


def _corners(picture: np.ndarray) -> np.ndarray:
    """Corners (n, 2) as float32 pixels (x, y): the PER_CELL strongest of each cell of the grid."""
    import cv2

    height, width = picture.shape
    strength = cv2.cornerMinEigenVal(picture, 7)
    apart = np.ones((2 * round(min(height, width) / SPACING) + 1,) * 2, np.uint8)
    peaks = (strength == cv2.dilate(strength, apart)) & (strength > QUALITY * strength.max())
    points = np.argwhere(peaks)[:, ::-1]
    cell = _cell(points, height, width)
    order = np.lexsort((-strength[peaks], cell))
    counts = np.bincount(cell)
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    return points[order[rank < PER_CELL]].astype(np.float32)


def _follow(last: np.ndarray, now: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where corners (n, 2) were and are, (m, 2) each; only those that are also found on the way back."""
    import cv2

    flow = {"winSize": WINDOW, "maxLevel": LEVELS}
    end, there, _ = cv2.calcOpticalFlowPyrLK(last, now, corners, None, **flow)
    back, again, _ = cv2.calcOpticalFlowPyrLK(now, last, end, None, **flow)
    found = (there & again).ravel().astype(bool) & (np.linalg.norm(back - corners, axis=1) < RETURN)
    return corners[found], end[found]


def _cell(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The number of the grid cell of each point; `points`: (n, 2), in pixels."""
    columns, rows = GRID if width >= height else GRID[::-1]
    column = np.clip(points[:, 0] * columns / width, 0, columns - 1).astype(int)
    row = np.clip(points[:, 1] * rows / height, 0, rows - 1).astype(int)
    return row * columns + column
