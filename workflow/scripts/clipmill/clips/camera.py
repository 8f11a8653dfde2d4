"""Name the camera's movement in a clip from the movement of its background.

Method: sparse optical flow and a robust similarity, the common base of video stabilisers.

1. Between neighbouring samples, corners (Shi and Tomasi 1994) spread evenly over the picture are followed by pyramidal
   Lucas-Kanade (Bouguet 2000); a corner that does not come back when it is followed backwards is dropped
   (Kalal et al. 2010).
2. RANSAC fits one similarity (shift, scale, turn) about the picture's centre. As corners are spread by area, the larger
   part of the picture wins: the background, not what moves in front of it. Where a good part of the picture, or most
   of its rim, stands still and disagrees with the fit, the camera stands still: a moving camera leaves nothing at rest.
3. The steps are summed to a path of shift, log scale and turn. A low-pass splits it into the intended movement and the
   jitter, as stabilisers do (Grundmann et al. 2011).
4. A direction is named if the smooth path travels far enough that way, from a low to the highest later point. So a
   camera that pans left and comes back is `pan_left+pan_right`: it did both. Shake is the size of the jitter.

Limits: a camera that travels forward is named `zoom_in`, sideways `pan_*`, upwards `tilt_*`, as one similarity cannot
distinguish travel from a turn or a zoom. A subject that fills most of the picture is taken for the background unless
the rest, or two sides of the rim, stand still. The thresholds are ours, set on synthetic shots and on footage that we
viewed.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from clipmill.clips.background import measure

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

# A movement counts from this travel on. Less is hardly visible, and a hand that holds still drifts as far.
MIN_PAN = 0.03  # share of the picture's width (pan) or height (tilt)
MIN_ZOOM = 0.03  # natural log of the scale: 3 % larger or smaller
MIN_ROLL = 3.0  # degrees
MIN_SPEED = 0.17  # of the travels above, per second: slower is drift (0.5 % of the width, 0.5 degrees)
# Of the longest travel, all as displacement in pixels: pan, tilt, zoom, roll. A movement is oblique from 20 degrees off
# the axis on (tan 20 = 0.36). A zoom or a roll alongside a pan is visible from a smaller share on; the roll's share is
# large enough to exclude the roll that parallax causes.
MIN_SHARE = 0.36, 0.36, 0.08, 0.2
MEAN_RADIUS = 0.27  # mean distance of a 16:9 picture's points from its centre, in diagonals
MIN_SHAKE = 0.4  # median jitter, % of the short side: 4 pixels at 1080p
SHAKE_ALLOWANCE = 0.02  # seconds x speed: a frame repeated by pulldown looks like jitter of half a frame time (at 24/s)
JITTER_GUARD = 6.0  # times the median jitter: a shorter travel is a part of the shake
SMOOTH = 0.25  # seconds, sigma of the low-pass: it halves 1 Hz; hands shake at 1-10 Hz
MIN_CONFIDENCE = 0.55  # median share of the corners that agree: a clear majority moves as one
MIN_MEASURED = 0.5  # share in one step: with no majority, its speed is taken from its neighbours
MIN_DURATION = 0.25  # seconds; shorter clips show no movement


class Leg(NamedTuple):
    """The furthest that a path goes in one direction."""

    travel: float  # pixels
    samples: int


class Named(NamedTuple):
    """A clip's camera movement: `label`, `confidence` (0-1), and `shake` (% of the short side)."""

    label: str
    confidence: float
    shake: float | None


def label(samples: Iterable[tuple[float, np.ndarray]], **settings: float) -> Named:
    """Camera movement of one clip, the confidence in it, and the shake.

    samples: (seconds, picture) in time order, 8-12 per second; picture: HxW uint8 grey, upright, square pixels, short
        side 200-360, of one size (a step to another size counts as not measured).
    settings: `min_pan`, `min_zoom`, `min_roll`, `min_speed`, `min_shake`, `min_confidence`, in the units of the
        constants of that name.

    Returns (label, confidence, shake). label: one or more of LABELS joined by `+` in their order, or `undetermined`:
    too few samples, nothing to follow (black, fog), or no movement that most of the picture shares. It names the
    camera's movement: `pan_right` moves the picture to the left, `tilt_up` moves it down, `roll_right` turns it
    counter-clockwise. confidence: 0-1, the median share of corners that agree. shake: the median jitter, % of the short
    side; None where the label is `undetermined`.
    Raises TypeError for an unknown setting.
    """
    times, moves, size = measure(samples)
    if not moves or times[-1] - times[0] < MIN_DURATION:
        return Named(UNDETERMINED, 0.0, None)
    return _name(np.array(times), np.array(moves), size, **settings)


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
) -> Named:
    """What `label` returns, from the moves (n - 1, 5) between times (n,); size: (height, width) in pixels."""
    confidence = float(np.median(moves[:, 4]))
    if confidence < min_confidence:
        return Named(UNDETERMINED, confidence, None)
    measured = moves[:, 4] >= MIN_MEASURED

    # All in pixels, scale and turn at the mean distance from the centre, so that they are comparable.
    height, width = size
    radius = MEAN_RADIUS * float(np.hypot(height, width))
    path, spacing = _path(times, moves[:, :4] * [1.0, 1.0, radius, radius], measured)
    smooth = _smooth(path, SMOOTH / spacing)
    jitter = float(np.median(np.linalg.norm(path - smooth, axis=1)))
    speed = float(np.median(np.linalg.norm(np.gradient(smooth, spacing, axis=0), axis=1)))

    least = min_pan * width, min_pan * height, min_zoom * radius, np.radians(min_roll) * radius
    # Every lost step of a shaking shot shifts the path at random.
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
    return Named("+".join(names or ["static"]), confidence, 100 * jitter / min(height, width))


def _path(times: np.ndarray, moves: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, float]:
    """Moves (n - 1, 4) summed to a path (n, 4) at even times, and their spacing in seconds.

    A step that was not measured continues at its neighbours' speed.
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

    Twicing (Tukey 1977) keeps the bend of a pan that starts and ends gently, which would otherwise pass for jitter.
    """
    once = _gaussian(path, sigma)
    return once + _gaussian(path - once, sigma)


def _gaussian(path: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian low-pass of a path (n, 4), mirrored through its end points, so that a steady movement stays as it is."""
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
