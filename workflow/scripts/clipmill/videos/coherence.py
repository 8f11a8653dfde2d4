"""Whether scenes are whole: gradual transitions that a detector of cuts does not see, and cuts that divide one shot.

Every frame is seen as a thumbnail of a few colours in the one pass of a scan, and what is found is remembered. `pieces`
does about it what `clips` asks for, as Panda-70M (Chen et al., CVPR 2024) stitches and drops by embeddings of frames.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np

from clipmill.videos.reader import SAME_TIME
from clipmill.videos.scenes import GRADUAL, Piece, Scene

COLUMNS, LINES = 8, 6
SIZE = COLUMNS * LINES * 3
LENGTHS = (4, 6, 9, 13, 18, 25, 36, 50, 70)
"""Frames of a gradual transition that is looked for."""
SAMPLES = 12
"""Frames of a longer one that are looked at."""
APART = 14.0
"""Levels of 255 by which both sides of a transition differ at least, on the mean."""
UNLIKE, MOST = 0.75, 0.7
"""Correlation of both sides above which they are one picture whose light has changed; it is that of so much of the
picture, the part that changed least, so that a title that is faded in does not count."""
OFF_LINE = 0.16
"""Share of the difference by which the frames between may miss a mixture of both sides."""
UNEVEN = 0.15
"""How far the share of the new picture may be from growing evenly."""
STILL = 0.42
"""Share of the difference by which each side may change within half as long a time again: a slow change of light, or a
long move of the camera, goes on."""
PLAIN = 6.0
"""Standard deviation of a thumbnail, in levels, to which a picture fades: it need neither stand still nor be unlike."""
BEFORE, AFTER = 8, 24
"""Frames before a cut, and after it, of which one looks like one of the other side where both are one shot: a flash
lasts a few."""
SAME_LIGHT, FLAT = 25.0, 3.0
"""Levels by which the means of such two frames may differ; standard deviation under which there is nothing to see."""
ONE_SHOT = 0.98
"""Correlation from which they are one shot."""
INSIDE, DARK, TRIMMED = "transition inside", "black", "clips.trim_seconds"
"""Reasons of what is no clip."""


class Thumbnails:
    """The thumbnails of a video's frames, in order."""

    def __init__(self):
        self.held = array("B")

    def add(self, image: np.ndarray, frames: int = 1) -> None:
        """Take the next frame, HxWx3 uint8 (few single pixels are enough), or so many, one below the other."""
        self.held.frombytes(cv2.resize(image, (COLUMNS, frames * LINES), interpolation=cv2.INTER_AREA).tobytes())

    def array(self) -> np.ndarray:
        """(frames, SIZE) uint8."""
        return np.frombuffer(self.held, np.uint8).reshape(-1, SIZE)


def transitions(seen: np.ndarray, scenes: Sequence[Scene]) -> list[Scene]:
    """The gradual transitions within scenes, as spans of frames that are a mixture; `seen`: (frames, SIZE) uint8.

    In a dissolve or a fade each frame lies on the line from the last frame of one picture to the first of the other,
    evenly further. A camera that moves leaves that line: what it shows changes here first, and there later.
    """
    return sorted(span for begin, end in scenes for span in _within(seen[begin:end].astype(np.float32), begin))


def _within(seen: np.ndarray, begin: int) -> Iterator[Scene]:
    taken: list[Scene] = []
    for length in reversed(LENGTHS):
        misfit = _misfit(seen, length) if len(seen) > length + 1 else np.empty(0)
        for at in sorted(np.flatnonzero(misfit < 1).tolist(), key=misfit.__getitem__):
            first, end = at + 1, at + length
            if all(end <= low or first >= high for low, high in taken):
                taken.append((first, end))
    return ((begin + first, begin + end) for first, end in taken)


def _misfit(seen: np.ndarray, length: int) -> np.ndarray:
    """How badly the frames between each frame and the one `length` later are an even mixture of both; below 1: they
    are. Infinite where both are too alike, or where a side goes on changing."""
    count = len(seen) - length
    one, other = seen[:count], seen[length:]
    size, reach, at = np.abs(other - one).mean(axis=1), max(2, length // 2), np.arange(count)
    before = np.abs(one - seen[np.maximum(at - reach, 0)]).mean(axis=1)
    after = np.abs(other - seen[np.minimum(at + length + reach, len(seen) - 1)]).mean(axis=1)
    begins, ends = one.std(axis=1) < PLAIN, other.std(axis=1) < PLAIN
    still = ((before < STILL * size) | begins) & ((after < STILL * size) | ends)
    at = np.flatnonzero(still & (size > APART))
    one, other, fades = one[at], other[at], (begins | ends)[at]
    way = other - one
    alike = (_alike(one, other, _least_changed(np.abs(way))) > UNLIKE) & ~fades
    worst = np.where(alike, np.inf, 0).astype(np.float32)
    square = np.maximum((way * way).sum(axis=1), 1e-6)
    for step in sorted(set(np.linspace(1, length - 1, SAMPLES).round().astype(int).tolist())):
        moved = seen[at + step] - one
        share = (moved * way).sum(axis=1) / square
        off_line = np.sqrt(np.maximum((moved * moved).sum(axis=1) / square - share * share, 0))
        worst = np.maximum(worst, np.maximum(off_line / OFF_LINE, np.abs(share - step / length) / UNEVEN))
    misfit = np.full(count, np.inf, np.float32)
    misfit[at] = worst
    return misfit


def _least_changed(gaps: np.ndarray) -> np.ndarray:
    """Which values (n, SIZE) are among those that changed least, by how much they changed."""
    return gaps <= np.partition(gaps, int(MOST * SIZE), axis=1)[:, int(MOST * SIZE), None]


def _alike(one: np.ndarray, other: np.ndarray, where: np.ndarray | bool = True) -> np.ndarray:
    """The correlation (n,) of thumbnails (n, SIZE) where `where` is true; two in which there is nothing to see are
    alike."""
    centred, facing = (
        np.where(where, part - part.mean(axis=-1, keepdims=True, where=where), 0) for part in (one, other)
    )
    least = FLAT**2 * SIZE
    norms = np.sqrt((centred**2).sum(axis=-1) * (facing**2).sum(axis=-1))
    return ((centred * facing).sum(axis=-1) + least) / (norms + least)


def joints(seen: np.ndarray, scenes: Sequence[Scene]) -> list[float]:
    """How alike the pictures on both sides of each scene's end are, at most 1, where the next scene begins there: the
    most of any frame just before it and any soon after it. -1 where no scene begins there."""
    found = []
    for (begin, end), (following, last) in pairwise([*scenes, (-1, -1)]):
        one = seen[max(begin, end - BEFORE) : end, None].astype(np.float32)
        other = seen[None, end : min(last, end + AFTER)].astype(np.float32)
        if following != end:
            found.append(-1.0)
            continue
        means = one.mean(axis=2), other.mean(axis=2)
        alike = np.where(np.abs(means[0] - means[1]) < SAME_LIGHT, _alike(one, other), -1)
        found.append(round(float(alike.max()), 4))
    return found


def pieces(
    scenes: Sequence[Scene],
    joints: Sequence[float],
    mixed: Sequence[Scene],
    dark: np.ndarray,
    times: np.ndarray,
    limits: dict,
) -> list[Piece]:
    """The pieces of scenes, in order, that `limits` (`stitch`, `transitions`, `trim_dark`, `trim_seconds`) ask for.

    `joints` and `mixed`: what `joints` and `transitions` found; `dark`: whether each frame is black; `times`: seconds
    of each frame and of the end of the last one.
    """
    found: list[Piece] = []
    for begin, end in _stitched(scenes, joints) if limits["stitch"] else scenes:
        inside = [(first, last) for first, last in mixed if begin <= first and last <= end]
        parts = _divided(begin, end, inside if limits["transitions"] != "keep" else [])
        if limits["trim_dark"]:
            parts = [piece for part in parts for piece in _shortened(part, _light(part, dark), DARK)]
        if limits["transitions"] == "drop" and sum(not reason for *_, reason in parts) > 1:
            parts = [(first, last, reason or INSIDE) for first, last, reason in parts]
        if seconds := limits["trim_seconds"]:
            parts = [piece for part in parts for piece in _shortened(part, _inner(part, times, seconds), TRIMMED)]
        found += parts
    return found


def _stitched(scenes: Sequence[Scene], joints: Sequence[float]) -> Iterator[Scene]:
    begin = None
    for (first, end), alike in zip(scenes, joints, strict=True):
        begin = first if begin is None else begin
        if alike < ONE_SHOT:
            yield begin, end
            begin = None


def _divided(begin: int, end: int, mixed: Sequence[Scene]) -> list[Piece]:
    edges = [(begin, begin), *mixed, (end, end)]
    found = []
    for (_, first), (last, following) in pairwise(edges):
        found += [(first, last, "")] if first < last else []
        found += [(last, following, GRADUAL)] if last < following else []
    return found


def _light(piece: Piece, dark: np.ndarray) -> Scene:
    """A piece without its black ends."""
    light = piece[0] + np.flatnonzero(~dark[piece[0] : piece[1]])
    return (int(light[0]), int(light[-1]) + 1) if len(light) else (piece[0], piece[0])


def _inner(piece: Piece, times: np.ndarray, seconds: float) -> Scene:
    """A piece without so many seconds at both ends."""
    first, end = np.searchsorted(times, [times[piece[0]] + seconds - SAME_TIME, times[piece[1]] - seconds + SAME_TIME])
    return (int(first), int(end) - 1) if first < end - 1 else (piece[0], piece[0])


def _shortened(piece: Piece, inner: Scene, reason: str) -> list[Piece]:
    """A piece as what stays of it, and what is cut off at its ends; one that is no clip as it is."""
    begin, end, why = piece
    if why:
        return [piece]
    first, last = inner
    parts = [(begin, first, reason), (first, last, ""), (last, end, reason)]
    return [part for part in parts if part[0] < part[1]]
