"""Name the camera's movement in a clip from the movement of its background.

Method: sparse optical flow and a robust similarity, the common base of video stabilisers.

1. Between neighbouring samples, corners (Shi and Tomasi 1994) spread evenly over the picture are followed by pyramidal
   Lucas-Kanade (Bouguet 2000); a corner that does not come back when it is followed backwards is dropped
   (Kalal et al. 2010).
2. RANSAC fits one similarity (shift, scale, turn) about the picture's centre. As corners are spread by area, the larger
   part of the picture wins: the background, not what moves before it. Where a good part of the picture stands exactly
   still and disagrees with the fit, the camera stands still: a moving camera leaves nothing at rest.
3. The steps are summed to a path of (shift x / width, shift y / height, log scale, turn). A low-pass splits it into the
   intended move and the jitter (Grundmann et al. 2011 make the same split).
4. A direction is named if the smooth path travels far enough that way, measured from a low to a later high of the path.
   So a camera that pans right and comes back is `pan_right` and `pan_left`: it did both. Shake is the jitter's size.

Limits: a camera that travels forward is named `zoom_in`, sideways `pan_*`, upwards `tilt_*`, as one similarity cannot
tell a travel from a turn or a zoom. A subject that fills most of the picture is taken for the background unless the rest
stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

LABELS = (
    "static",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "zoom_in",
    "zoom_out",
    "roll_left",
    "roll_right",
    "shake",
)
UNDETERMINED = "undetermined"

# A move counts from this travel on. Below 3 % a viewer sees a still picture, and a hand that holds still wanders as far.
MIN_PAN = 0.03  # share of the picture's width (pan) or height (tilt)
MIN_ZOOM = 0.03  # natural log of the scale: 3 % larger or smaller
MIN_ROLL = 3.0  # degrees
MIN_SPEED = 0.17  # of the travels above, a second: slower is drift (0.5 % of the width, 0.5 degrees)
# An oblique move is both pan and tilt from 20 degrees off the axis on (tan 20 = 0.36); a zoom about a point off the centre
# shifts the picture too, so a pan beside a zoom needs the same share of its displacement.
# Zoom and roll show beside a pan from a smaller share of its displacement on.
MIN_SHARE = 0.36, 0.36, 0.08, 0.2  # of the longest travel: pan, tilt, zoom, roll
JITTER_GUARD = 6.0  # times the median jitter: a shorter travel is a part of the shake
MEAN_RADIUS = 0.27  # mean distance of a picture's points from its centre, in diagonals
MIN_SHAKE = 0.4  # median jitter, % of the short side: 4 pixels at 1080p
# A repeated or dropped frame (pulldown) looks like jitter of speed x frame time: allow it half a frame at 24 a second.
SHAKE_ALLOWANCE = 0.02  # seconds
SMOOTH = 0.25  # seconds, sigma of the low-pass: halves 0.9 Hz; hands shake at 1-10 Hz (Morimoto and Chellappa 1996)
MIN_CONFIDENCE = 0.55  # median share of the corners that agree: a clear majority moves as one
MIN_MEASURED = 0.35  # share in one step: with fewer its speed is taken from its neighbours
MIN_DURATION = 0.25  # seconds: shorter clips show no movement


# Label, axis of the path (x, y, log scale, turn) and the sign in which the picture moves.
DIRECTIONS = (
    ("pan_left", 0, 1),
    ("pan_right", 0, -1),
    ("tilt_up", 1, 1),
    ("tilt_down", 1, -1),
    ("zoom_in", 2, 1),
    ("zoom_out", 2, -1),
    ("roll_left", 3, 1),
    ("roll_right", 3, -1),
)


class Step(NamedTuple):
    """Movement of the picture from one sample to the next."""

    x: float  # shift of the picture's centre, pixels to the right
    y: float  # pixels down
    zoom: float  # log scale, > 0: the picture grows
    roll: float  # radians, > 0: the picture turns clockwise
    share: float  # share of the corners that agree, 0-1; 0: not measured


LOST = Step(0.0, 0.0, 0.0, 0.0, 0.0)

GRID = 8, 6  # cells along the long and the short side
SPACING = 60  # corners are at least the short side / SPACING apart
QUALITY = 3e-4  # of the strongest corner in the picture
PER_CELL = 8  # corners a cell: 384 in all, enough for 0.02 pixels
MIN_CELLS = 8  # cells (of 48) with corners that agree; fewer are a title or a lamp on black
FLAT = 1.5  # standard deviation (grey levels) of a picture with nothing in it
CONTRAST = 50.0  # standard deviation to which pictures are stretched, so that dark shots and fades are followed
MAX_GAIN = 16.0  # more would follow the noise
WINDOW = 21, 21  # pixels
LEVELS = 4  # pyramid: follows moves of about 60 pixels, a pan of over 100 % a second at 10 samples a second
MIN_FOUND = 0.2  # share of the corners that come back
RETURN = 0.5  # pixels: largest miss of a corner followed there and back
STILL = 0.4  # pixels: a corner at rest; noise moves corners 0.05-0.3
STILL_SHARE = 0.25  # of the corners at rest: the camera stands still ...
STILL_RIVAL = 0.7  # ... if the best similarity explains fewer than this


def label(samples: Iterable[tuple[float, np.ndarray]], **settings: float) -> tuple[str, float]:
    """Camera movement of one clip and the confidence in it.

    samples: (seconds, picture) in time order, 8-12 a second; picture: uint8 HxW, upright, square pixels, short side
        200-360 (one size throughout; a picture of another size starts anew).
    settings: overrides of `min_pan`, `min_zoom`, `min_roll`, `min_speed`, `min_shake`, `min_confidence` (see the constants).

    Returns (label, confidence). label: one or more of LABELS joined by `+` in that order, or `undetermined`: too few
    samples, nothing to follow (black, fog, a title), or no movement that most of the picture shares. It names the
    camera's movement: `pan_right` moves the picture to the left, `tilt_up` down, `roll_right` turns it
    counter-clockwise. confidence: 0-1, the median share of corners that agree, times the share of steps measured.
    Raises TypeError for an unknown setting.
    """
    times, steps, size = _steps(samples)
    if not steps or times[-1] - times[0] < MIN_DURATION:
        return UNDETERMINED, 0.0
    return _name(np.array(times), steps, size, **settings)


def _steps(samples: Iterable[tuple[float, np.ndarray]]) -> tuple[list[float], list[Step], tuple[int, int]]:
    """Times of the samples, the steps between them (one fewer), and (height, width)."""
    times: list[float] = []
    steps: list[Step] = []
    last = None
    for seconds, picture in samples:
        if times and seconds <= times[-1]:
            continue
        now = _View(picture)
        if last is not None:
            steps.append(_step(last, now))
        times.append(float(seconds))
        last = now
    return times, steps, last.grey.shape if last else (0, 0)


class _View:
    """A picture without its finest noise, stretched to even contrast."""

    def __init__(self, picture: np.ndarray):
        import cv2

        picture = cv2.GaussianBlur(picture, (5, 5), 1.0)
        mean, deviation = (float(v[0, 0]) for v in cv2.meanStdDev(picture))
        gain = min(MAX_GAIN, CONTRAST / max(deviation, 1e-6))
        self.flat = deviation < FLAT
        self.grey = cv2.convertScaleAbs(picture, alpha=gain, beta=128 - gain * mean) if gain > 1 else picture


def _step(last: _View, now: _View) -> Step:
    """Similarity between two pictures (see the module's docstring, 1 and 2)."""
    import cv2

    if last.flat or now.flat or last.grey.shape != now.grey.shape:
        return LOST
    start = _corners(last.grey)
    if len(start) < 3 * MIN_CELLS:
        return LOST
    flow = {"winSize": WINDOW, "maxLevel": LEVELS, "minEigThreshold": 1e-4}
    end, there, _ = cv2.calcOpticalFlowPyrLK(last.grey, now.grey, start, None, **flow)
    back, again, _ = cv2.calcOpticalFlowPyrLK(now.grey, last.grey, end, None, **flow)
    found = (there & again).ravel().astype(bool) & (np.linalg.norm(back - start, axis=-1).ravel() < RETURN)
    height, width = last.grey.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    a, b = start[found, 0] - centre, end[found, 0] - centre
    if len(a) < max(3 * MIN_CELLS, MIN_FOUND * len(start)):
        return LOST
    moved = np.linalg.norm(b - a, axis=1)
    # Perspective bends the field of a fast pan by up to a third of its length over the picture.
    tolerance = 0.005 * min(height, width) + 0.1 * float(np.median(moved))
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffinePartial2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500, confidence=0.995, refineIters=10
    )
    if matrix is None:
        return LOST
    agree = inliers.ravel().astype(bool)
    fit = a @ matrix[:, :2].T + matrix[:, 2]
    still = (moved < STILL) & (np.linalg.norm(fit - b, axis=1) > tolerance)
    if still.sum() > STILL_SHARE * len(a) and agree.sum() < STILL_RIVAL * len(a):
        return Step(0.0, 0.0, 0.0, 0.0, float((agree | (moved < STILL)).mean()))
    if len(np.unique(_cell(a[agree] + centre, height, width))) < MIN_CELLS:
        return LOST
    (c, _, x), (s, _, y) = matrix
    return Step(x, y, float(np.log(np.hypot(c, s))), float(np.arctan2(s, c)), float(agree.mean()))


def _corners(grey: np.ndarray) -> np.ndarray:
    """Corners float32 (n, 1, 2), the strongest PER_CELL of each cell of the grid."""
    import cv2

    height, width = grey.shape
    strength = cv2.cornerMinEigenVal(grey, 7)
    apart = np.ones((2 * round(min(height, width) / SPACING) + 1,) * 2, np.uint8)
    peaks = (strength == cv2.dilate(strength, apart)) & (strength > QUALITY * strength.max())
    points = np.argwhere(peaks)[:, ::-1]
    points = points[np.argsort(-strength[peaks], kind="stable")]
    cell = _cell(points, height, width)
    order = np.argsort(cell, kind="stable")  # strongest first within a cell
    counts = np.bincount(cell)
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    return points[order[rank < PER_CELL]].astype(np.float32)[:, None]


def _cell(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Number of the grid's cell for points (n, 2) in pixels."""
    columns, rows = GRID if width >= height else GRID[::-1]
    column = np.clip(points[:, 0] * columns / width, 0, columns - 1).astype(int)
    row = np.clip(points[:, 1] * rows / height, 0, rows - 1).astype(int)
    return row * columns + column


class Leg(NamedTuple):
    """The longest way that a path goes in one direction."""

    travel: float
    samples: int  # between its ends


def _name(
    times: np.ndarray,
    steps: list[Step],
    size: tuple[int, int],
    min_pan: float = MIN_PAN,
    min_zoom: float = MIN_ZOOM,
    min_roll: float = MIN_ROLL,
    min_speed: float = MIN_SPEED,
    min_shake: float = MIN_SHAKE,
    min_confidence: float = MIN_CONFIDENCE,
) -> tuple[str, float]:
    """Label and confidence from the steps between `times`; size: (height, width) in pixels."""
    rows = np.array(steps)
    share = rows[:, 4]
    confidence = float(np.median(share))
    measured = share >= MIN_MEASURED
    if confidence < min_confidence:
        return UNDETERMINED, confidence

    # All in pixels at the mean distance from the centre, so that shift, scale and turn compare.
    height, width = size
    radius = MEAN_RADIUS * float(np.hypot(height, width))
    unit = np.array([1.0, 1.0, radius, radius])
    least = np.array([min_pan * width, min_pan * height, min_zoom * radius, np.radians(min_roll) * radius])
    path, spacing = _path(times, rows[:, :4] * unit, measured)
    smooth = _smooth(path, SMOOTH / spacing)
    jitter = float(np.median(np.linalg.norm(path - smooth, axis=1)))
    speed = float(np.median(np.linalg.norm(np.gradient(smooth, spacing, axis=0), axis=1)))

    lost = float(np.sqrt(1 + (~measured).sum()))  # in a shaking shot each lost step shifts the path by chance

    legs = {name: _leg(sign * smooth[:, axis]) for name, axis, sign in DIRECTIONS}
    longest = max(leg.travel for leg in legs.values())
    names = []
    for name, axis, _ in DIRECTIONS:
        leg = legs[name]
        enough = max(least[axis], JITTER_GUARD * jitter * lost, MIN_SHARE[axis] * longest)
        if leg.travel >= enough and leg.travel >= min_speed * least[axis] * leg.samples * spacing:
            names.append(name)
    if jitter >= min_shake / 100 * min(height, width) + SHAKE_ALLOWANCE * speed:
        names.append("shake")
    return "+".join(names or ["static"]), confidence


def _path(times: np.ndarray, moves: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, float]:
    """Moves (n - 1, 4) summed to a path (n, 4) at even times, and their spacing in seconds.

    A step that was not measured goes on at its neighbours' speed.
    """
    gaps = np.diff(times)
    middles = times[:-1] + gaps / 2
    even = np.linspace(times[0], times[-1], len(times))
    columns = []
    for column in moves.T:
        speed = np.interp(middles, middles[measured], (column / gaps)[measured])
        columns.append(np.interp(even, times, np.concatenate([[0.0], np.cumsum(speed * gaps)])))
    return np.stack(columns, axis=1), float(even[1] - even[0])


def _low_pass(path: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian low-pass of path (n, 4), sigma in samples; mirrored about its end points, so that a ramp stays a ramp."""
    reach = min(int(np.ceil(3 * sigma)), len(path) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    before, after = 2 * path[0] - path[reach:0:-1], 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, path, after])
    return np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], axis=1)


def _smooth(path, sigma):
    once = _low_pass(path, sigma)
    return once + _low_pass(path - once, sigma)


def _leg(path: np.ndarray) -> Leg:
    """Longest rise of a path (n,): from a low to a later high, with falls between that do not undo it."""
    rise = path - np.minimum.accumulate(path)
    end = int(rise.argmax())
    start = int(path[: end + 1].argmin())
    return Leg(float(rise[end]), end - start)
