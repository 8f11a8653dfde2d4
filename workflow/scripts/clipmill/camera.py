"""Name the camera's movement in a clip from the movement of its background.

Method: sparse optical flow and a robust similarity, the common base of video stabilisers.

1. Between neighbouring samples, corners (Shi and Tomasi 1994) spread evenly over the picture are followed by pyramidal
   Lucas-Kanade (Bouguet 2000); a corner that does not come back when it is followed backwards is dropped
   (Kalal et al. 2010).
2. RANSAC fits one similarity (shift, scale, turn) about the picture's centre. As corners are spread by area, the larger
   part of the picture wins: the background, not what moves before it. Where a good part of the picture stands still and
   disagrees with the fit, the camera stands still: a moving camera leaves nothing at rest.
3. The steps are summed to a path of shift, log scale and turn. A low-pass splits it into the intended movement and the
   jitter, as stabilisers do (Grundmann et al. 2011).
4. A direction is named if the smooth path travels far enough that way, from a low to the highest later point. So a
   camera that pans left and comes back is `pan_left+pan_right`: it did both. Shake is the size of the jitter.

Limits: a camera that travels forward is named `zoom_in`, sideways `pan_*`, upwards `tilt_*`, as one similarity cannot
tell a travel from a turn or a zoom. A subject that fills most of the picture is taken for the background unless the
rest stands still. The thresholds are ours, set on synthetic shots and on footage that was looked at.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Label, axis of the path (x, y, log scale, turn), and the sign with which the PICTURE moves along it.
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
LABELS = ("static", *(name for name, _, _ in DIRECTIONS), "shake")
UNDETERMINED = "undetermined"

# A movement counts from this travel on. Less is hardly seen, and a hand that holds still wanders as far.
MIN_PAN = 0.03  # share of the picture's width (pan) or height (tilt)
MIN_ZOOM = 0.03  # natural log of the scale: 3 % larger or smaller
MIN_ROLL = 3.0  # degrees
MIN_SPEED = 0.17  # of the travels above, a second: slower is drift (0.5 % of the width, 0.5 degrees)
# Of the longest travel, all as displacement in pixels: pan, tilt, zoom, roll. A movement is oblique from 20 degrees off
# the axis on (tan 20 = 0.36). A zoom or a roll beside a pan is seen from a smaller share on; the roll's keeps out that
# of parallax.
MIN_SHARE = 0.36, 0.36, 0.08, 0.2
MEAN_RADIUS = 0.27  # mean distance of a 16:9 picture's points from its centre, in diagonals
MIN_SHAKE = 0.4  # median jitter, % of the short side: 4 pixels at 1080p
SHAKE_ALLOWANCE = 0.02  # seconds x speed: a frame repeated by pulldown looks like jitter of half a frame time (at 24/s)
JITTER_GUARD = 6.0  # times the median jitter: a shorter travel is a part of the shake
SMOOTH = 0.25  # seconds, sigma of the low-pass: it halves 1 Hz; hands shake at 1-10 Hz
MIN_CONFIDENCE = 0.55  # median share of the corners that agree: a clear majority moves as one
MIN_MEASURED = 0.5  # share in one step: with no majority, its speed is taken from its neighbours
MIN_DURATION = 0.25  # seconds; shorter clips show no movement

# Corners and flow, for pictures with a short side of about 270 pixels.
GRID = 8, 6  # cells along the long and the short side
PER_CELL = 8  # corners a cell: 384 in all
MIN_CELLS = 8  # cells with corners that agree; fewer are a lamp or a small title on black
SPACING = 60  # corners are at least the short side / SPACING apart
QUALITY = 3e-4  # of the strongest corner in the picture; low, so that a plain background has corners too
FLAT = 1.5  # standard deviation (grey levels) of a picture with nothing in it
CONTRAST = 50.0  # standard deviation to which pictures are stretched, so that dark shots and fades are followed
MAX_GAIN = 16.0  # more would follow the noise
WINDOW = 21, 21  # pixels
LEVELS = 4  # of the pyramid: follows 30-60 pixels a step, at 10 samples a second a pan of 70-100 % a second
RETURN = 0.5  # pixels: largest miss of a corner followed there and back
MIN_FOUND = 0.2  # share of the corners that come back
STILL = 0.4  # pixels: a corner at rest; noise moves corners by 0.05-0.3
STILL_SHARE = 0.25  # of the corners are at rest against the similarity ...
STILL_RIVAL = 0.7  # ... which explains fewer than this: the camera stands still


class Move(NamedTuple):
    """Movement of the picture from one sample to the next."""

    x: float  # shift of the picture's centre, pixels to the right
    y: float  # pixels down
    zoom: float  # log scale, > 0: the picture grows
    roll: float  # radians, > 0: the picture turns clockwise
    share: float  # share of the corners that are explained, 0-1


class Leg(NamedTuple):
    """The longest way that a path goes in one direction."""

    travel: float  # pixels
    samples: int


LOST = Move(0.0, 0.0, 0.0, 0.0, 0.0)


def label(samples: Iterable[tuple[float, np.ndarray]], **settings: float) -> tuple[str, float]:
    """Camera movement of one clip, and the confidence in it.

    samples: (seconds, picture) in time order, 8-12 a second; picture: HxW uint8 grey, upright, square pixels, short
        side 200-360, of one size (a step to another size counts as not measured).
    settings: `min_pan`, `min_zoom`, `min_roll`, `min_speed`, `min_shake`, `min_confidence`, in the units of the
        constants of that name.

    Returns (label, confidence). label: one or more of LABELS joined by `+` in their order, or `undetermined`: too few
    samples, nothing to follow (black, fog), or no movement that most of the picture shares. It names the camera's
    movement: `pan_right` moves the picture to the left, `tilt_up` moves it down, `roll_right` turns it
    counter-clockwise. confidence: 0-1, the median share of corners that agree.
    Raises TypeError for an unknown setting.
    """
    times, moves, size = measure(samples)
    if not moves or times[-1] - times[0] < MIN_DURATION:
        return UNDETERMINED, 0.0
    return _name(np.array(times), np.array(moves), size, **settings)


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
    if len(corners) < 3 * MIN_CELLS:
        return LOST
    start, end = _follow(last, now, corners)
    if len(start) < max(3 * MIN_CELLS, MIN_FOUND * len(corners)):
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
    misses = np.linalg.norm((start - centre) @ matrix[:, :2].T + matrix[:, 2] + centre - end, axis=1) > tolerance
    if (still & misses).mean() > STILL_SHARE and agree.mean() < STILL_RIVAL:
        return Move(0.0, 0.0, 0.0, 0.0, float((agree | still).mean()))
    if len(np.unique(_cell(start[agree], height, width))) < MIN_CELLS:
        return LOST
    (cosine, _, x), (sine, _, y) = matrix
    return Move(x, y, float(np.log(np.hypot(cosine, sine))), float(np.arctan2(sine, cosine)), float(agree.mean()))


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
    """Where corners (n, 2) were and are, (m, 2) each: those of them that are found there and back again."""
    import cv2

    flow = {"winSize": WINDOW, "maxLevel": LEVELS}
    end, there, _ = cv2.calcOpticalFlowPyrLK(last, now, corners, None, **flow)
    back, again, _ = cv2.calcOpticalFlowPyrLK(now, last, end, None, **flow)
    found = (there & again).ravel().astype(bool) & (np.linalg.norm(back - corners, axis=1) < RETURN)
    return corners[found], end[found]


def _cell(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Number of the grid's cell for each of points (n, 2), in pixels."""
    columns, rows = GRID if width >= height else GRID[::-1]
    column = np.clip(points[:, 0] * columns / width, 0, columns - 1).astype(int)
    row = np.clip(points[:, 1] * rows / height, 0, rows - 1).astype(int)
    return row * columns + column


def _name(
    times: np.ndarray,
    moves: np.ndarray,
    size: tuple[int, int],
    min_pan: float = MIN_PAN,
    min_zoom: float = MIN_ZOOM,
    min_roll: float = MIN_ROLL,
    min_speed: float = MIN_SPEED,
    min_shake: float = MIN_SHAKE,
    min_confidence: float = MIN_CONFIDENCE,
) -> tuple[str, float]:
    """Label and confidence from the moves (n - 1, 5) between times (n,); size: (height, width) in pixels."""
    confidence = float(np.median(moves[:, 4]))
    if confidence < min_confidence:
        return UNDETERMINED, confidence
    measured = moves[:, 4] >= MIN_MEASURED

    # All in pixels, scale and turn at the mean distance from the centre, so that they compare.
    height, width = size
    radius = MEAN_RADIUS * float(np.hypot(height, width))
    path, spacing = _path(times, moves[:, :4] * [1.0, 1.0, radius, radius], measured)
    smooth = _smooth(path, SMOOTH / spacing)
    jitter = float(np.median(np.linalg.norm(path - smooth, axis=1)))
    speed = float(np.median(np.linalg.norm(np.gradient(smooth, spacing, axis=0), axis=1)))

    least = min_pan * width, min_pan * height, min_zoom * radius, np.radians(min_roll) * radius
    # Every lost step of a shaking shot shifts the path by chance.
    guard = JITTER_GUARD * jitter * float(np.sqrt(1 + np.count_nonzero(~measured)))
    legs = [_leg(sign * smooth[:, axis]) for _, axis, sign in DIRECTIONS]
    longest = max(leg.travel for leg in legs)
    names = [
        name
        for (name, axis, _), leg in zip(DIRECTIONS, legs, strict=True)
        if leg.travel >= max(least[axis], guard, MIN_SHARE[axis] * longest)
        and leg.travel >= min_speed * least[axis] * leg.samples * spacing
    ]
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


def _smooth(path: np.ndarray, sigma: float) -> np.ndarray:
    """Low-pass of a path (n, 4): a Gaussian (sigma in samples), and again on its residual.

    Twicing (Tukey 1977) keeps the bend of a pan that starts and ends gently, which would else pass for jitter.
    """
    once = _gaussian(path, sigma)
    return once + _gaussian(path - once, sigma)


def _gaussian(path: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian low-pass of a path (n, 4), turned about its end points, so that a steady movement stays as it is."""
    reach = min(int(np.ceil(3 * sigma)), len(path) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    before, after = 2 * path[0] - path[reach:0:-1], 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, path, after])
    return np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], axis=1)


def _leg(path: np.ndarray) -> Leg:
    """The longest rise of a path (n,)."""
    rise = path - np.minimum.accumulate(path)
    end = int(rise.argmax())
    return Leg(float(rise[end]), end - int(path[: end + 1].argmin()))
