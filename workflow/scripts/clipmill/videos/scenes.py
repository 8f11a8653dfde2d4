"""Scenes become clips: which spans of a video are clips, and which are rejects with their reason."""

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from clipmill.videos.reader import SAME_TIME

Scene = tuple[int, int]
"""First frame and end frame."""
Piece = tuple[int, int, str]
"""First frame and end frame of a part of a scene, and why it is no clip; empty where it may become some."""


class Span(NamedTuple):
    """A span of a video between two cuts; a clip, or a reject where `reason` is not empty."""

    scene: int
    first: int
    end: int
    start: float | str
    """Seconds from the video's first frame, rounded to 4 decimals; "" for a still image, as is `stop`."""
    stop: float | str
    reason: str = ""
    row: int = 0
    """Which of the rows of the list that name this video it comes from, from 0."""


TOO_SHORT = "shorter than clips.min_seconds"
GRADUAL = "gradual transition"
LONG_FRAME = 600.0
"""Seconds for which one frame may be shown where `max_seconds` sets no limit."""

IMAGE = Span(0, 0, 1, "", "")
"""The one span of a still image."""


def to_column(spans: list[Span]) -> str:
    """Spans as the text of the column `clips`."""
    return json.dumps(spans)


def from_column(text: str) -> list[Span]:
    """The spans that the column `clips` holds."""
    return [Span(*values) for values in json.loads(text)]


def split(
    pieces: list[Piece],
    times: np.ndarray,
    limits: dict,
    damaged: Sequence[Scene] = (),
    promised: float | None = None,
    within: Scene | None = None,
) -> list[Span]:
    """The spans of the pieces of a video's scenes, in time order, without gaps.

    `times`: seconds of each frame and of the end of the last one. A piece longer than `max_seconds` becomes the fewest
    clips of equal length that are not longer; nothing is thrown away. Pieces shorter than `min_seconds`, the frames of
    gradual transitions between scenes, damaged frames (`damaged`, spans in order), a frame that alone is too long, and
    what is too short between such frames carry a reason. So does what is missing of a file that is cut short: an empty
    span from the last frame to `promised`, the seconds that the file should have. `within`: the part of the video that
    the pieces are taken from, otherwise all of it.
    """
    spans, number, (done, edge) = [], 0, within or (0, 0)
    for number, (begin, end, why) in enumerate(pieces):
        if begin > done:
            spans.append(_span(number, done, begin, times, GRADUAL))
        parts = [(begin, end, why)] if why else _parts(begin, end, times, limits, damaged)
        spans += [_span(number, first, last, times, reason) for first, last, reason in parts]
        done = end
    if done < edge:
        spans.append(_span(number, done, edge, times, GRADUAL))
    return truncated(spans, promised)


def truncated(spans: list[Span], promised: float | None) -> list[Span]:
    """The spans of a file, and where it is cut short, what is missing of it (see `split`)."""
    if promised is None:
        return spans
    last = spans[-1]
    if last.reason == TOO_SHORT:
        spans[-1] = last._replace(reason="truncated")
    return [*spans, Span(last.scene, last.end, last.end, last.stop, round(promised, 4), "truncated")]


def as_it_is(first: int, end: int, times: np.ndarray, damaged: Sequence[Scene]) -> Span:
    """These frames as one clip, however long; a reject where some of them are damaged."""
    broken = any(begin < end and last > first for begin, last in damaged)
    return _span(0, first, end, times, "damaged pictures" if broken else "")


def _parts(begin: int, end: int, times: np.ndarray, limits: dict, damaged: Sequence[Scene]) -> Iterator[tuple]:
    """(first frame, end frame, reason) of each part of a scene: damaged stretches, and between them clips."""
    inside = [(max(begin, first), min(end, last)) for first, last in damaged if first < end and last > begin]
    for first, last, broken in _between(begin, end, inside):
        if broken:
            yield first, last, "damaged pictures"
            continue
        rest = "damaged pictures beside it" if (first, last) != (begin, end) else TOO_SHORT
        most = limits["max_seconds"]
        for low, high in pairwise(apart(times, first, last, most)):
            short = times[high] - times[low] < limits["min_seconds"] - SAME_TIME
            long = high - low == 1 and times[high] - times[low] > (most or LONG_FRAME) + SAME_TIME
            reason = "one frame longer than a clip" if long else rest if short else ""
            yield from ((*part, reason) for part in pairwise(even_edges(times, low, high, most)))


def _between(begin: int, end: int, stretches: list[Scene]) -> Iterator[tuple[int, int, bool]]:
    """A span divided by the stretches in it: (first, end, whether it is one of them)."""
    for first, last in stretches:
        if first > begin:
            yield begin, first, False
        yield first, last, True
        begin = last
    if begin < end:
        yield begin, end, False


def _span(scene: int, first: int, end: int, times: np.ndarray, reason: str) -> Span:
    return Span(scene, first, end, round(float(times[first]), 4), round(float(times[end]), 4), reason)


def even_edges(times: np.ndarray, begin: int, end: int, most: float | None) -> list[int]:
    """`begin`, `end`, and between them the frames that divide a span into parts of at most `most` seconds.

    A frame that is longer (a pause of the camera, a gap in the times) is a part of its own; what lies between such
    frames becomes the fewest parts of about equal length.
    """
    edges = apart(times, begin, end, most)
    if not most:
        return edges
    whole = [edge for first, last in pairwise(edges) for edge in _evenly(times, first, last, most)[:-1]]
    return [*whole, end]


def apart(times: np.ndarray, begin: int, end: int, most: float | None) -> list[int]:
    """`begin`, `end`, and between them the edges of each frame that is longer than `most` seconds."""
    long = begin + np.flatnonzero(np.diff(times[begin : end + 1]) > (most or LONG_FRAME) + SAME_TIME)
    return sorted({begin, end, *long.tolist(), *(long + 1).tolist()})


def _evenly(times: np.ndarray, begin: int, end: int, most: float) -> list[int]:
    """The edges of the fewest parts of about equal length. None is longer than `most` unless it is one frame."""
    length = times[end] - times[begin]
    fewest = max(1, int(length / most))
    for parts in range(fewest, min(2 * fewest + 2, end - begin) + 1):
        inner = np.searchsorted(times, times[begin] + length * np.arange(1, parts) / parts - SAME_TIME)
        edges = sorted({begin, *inner.tolist(), end})
        if np.diff(times[edges]).max() <= most + SAME_TIME:
            return edges
    edges = [begin]  # frames nearly as long as a part leave no even division: as many as fit, one part after the other
    while edges[-1] < end:
        fits = int(np.searchsorted(times, times[edges[-1]] + most + SAME_TIME, side="right")) - 1
        edges.append(min(end, max(edges[-1] + 1, fits)))
    return edges


def packed(pts: list[int]) -> str:
    """Presentation times as text: second differences, deflated; a constant rate takes a few bytes."""
    second = np.diff(np.diff(np.array(pts, np.int64), prepend=0), prepend=0)
    return base64.b64encode(zlib.compress(second.astype("<i8").tobytes())).decode()


def seconds_of(values: dict) -> np.ndarray:
    """The seconds of each frame from the first one, and of the end of the last one, from `times` and `tick`."""
    second = np.frombuffer(zlib.decompress(base64.b64decode(values["times"])), "<i8")
    pts = np.cumsum(np.cumsum(second))
    tick = Fraction(values["tick"])
    return (pts - pts[0]) * (tick.numerator / tick.denominator)
