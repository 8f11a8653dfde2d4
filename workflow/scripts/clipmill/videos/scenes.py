"""Scenes become clips: which spans of a video are clips, and which are rejects with their reason."""

import base64
import json
import zlib
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from clipmill.videos.reader import SAME_TIME

Scene = tuple[int, int]
"""First frame and end frame."""


class Span(NamedTuple):
    """A span of a video between two cuts; a clip, or a reject where `reason` is not empty."""

    scene: int
    first: int
    end: int
    start: float | str
    """Seconds from the video's first frame, rounded to 4 decimals; "" for a still image, as is `stop`."""
    stop: float | str
    reason: str = ""


IMAGE = Span(0, 0, 1, "", "")
"""The one span of a still image."""


def to_column(spans: list[Span]) -> str:
    """Spans as the text of the column `clips`."""
    return json.dumps(spans)


def from_column(text: str) -> list[Span]:
    """The spans that the column `clips` holds."""
    return [Span(*values) for values in json.loads(text)]


def split(scenes: list[Scene], times: np.ndarray, limits: dict) -> list[Span]:
    """The spans of a video's scenes, in time order, without gaps.

    `times`: seconds of each frame and of the end of the last one. A scene longer than `max_seconds` becomes the fewest
    clips of equal length that are not longer; nothing is thrown away. Scenes shorter than `min_seconds`, and the frames
    of gradual transitions between scenes, carry a reason.
    """
    spans, done = [], 0
    for number, (begin, end) in enumerate(scenes):
        if begin > done:
            spans.append(_span(number, done, begin, times, "gradual transition"))
        short = times[end] - times[begin] < limits["min_seconds"] - SAME_TIME
        reason = "shorter than clips.min_seconds" if short else ""
        for first, last in pairwise(even_edges(times, begin, end, limits["max_seconds"])):
            spans.append(_span(number, first, last, times, reason))
        done = end
    return spans


def _span(scene: int, first: int, end: int, times: np.ndarray, reason: str) -> Span:
    return Span(scene, first, end, round(float(times[first]), 4), round(float(times[end]), 4), reason)


def even_edges(times: np.ndarray, begin: int, end: int, most: float | None) -> list[int]:
    """`begin`, `end`, and between them the frames that divide the scene into the fewest parts of about equal length,
    none longer than `most` seconds (a single frame may be)."""
    length = times[end] - times[begin]
    for parts in range(max(1, int(length / most)) if most else 1, end - begin + 1):
        inner = np.searchsorted(times, times[begin] + length * np.arange(1, parts) / parts - SAME_TIME)
        edges = sorted({begin, *inner.tolist(), end})
        if not most or np.diff(times[edges]).max() <= most + SAME_TIME:
            return edges
    return list(range(begin, end + 1))


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
