"""Spans that a list marks in its videos: columns `start_frame` and `end_frame`, otherwise `start` and `end` (seconds).

A span is written as `f10-50` (frames, the end not included) or `s1.5-20.25` (seconds); `s1.5-` goes to the end of the
video, and an empty text is the whole video.
"""

import math
import re
from typing import NamedTuple

from clipmill.engine.rejects import Reject

FRAMES, SECONDS = ("start_frame", "end_frame"), ("start", "end")
CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)")
"""Hours (may be left out), minutes and seconds."""


class Wanted(NamedTuple):
    """A span before it is known which frames it holds: `end` is None where it goes to the end of the video."""

    in_frames: bool
    start: float
    end: float | None


def columns(names) -> tuple[str, ...]:
    """Those of a row's columns that say its span."""
    for kind in (FRAMES, SECONDS):
        if not names.isdisjoint(kind):
            return kind
    return ()


def text(row: dict, kind: tuple[str, ...]) -> str:
    """The span of a row of a list, by its columns of this kind. Raises Reject where it is none."""
    first, last = ((row.get(name) or "").strip() for name in kind)
    if not first and not last:
        return ""
    start, end = _number(first or "0", kind), _number(last, kind) if last else None
    if start < 0 or (end is not None and end <= start):
        raise Reject("no span", f"{kind[0]} {first or 0}, {kind[1]} {last}")
    unit = "f" if kind is FRAMES else "s"
    return f"{unit}{_short(start)}-{'' if end is None else _short(end)}"


def _short(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _number(text: str, kind: tuple[str, ...]) -> float:
    """A number of frames or seconds; seconds may be a time such as 0:01:02.5."""
    clock = CLOCK.fullmatch(text) if kind is SECONDS else None
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (kind is FRAMES and value != int(value)):
        raise Reject("no span", f"{text} is no {'number of a frame' if kind is FRAMES else 'time'}")
    return value


def read(span: str) -> Wanted:
    """A span from its text, which is not empty."""
    start, _, end = span[1:].partition("-")
    return Wanted(span[0] == "f", float(start), float(end) if end else None)
