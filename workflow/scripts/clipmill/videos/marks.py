"""The clips of a video in which a list marks spans: the spans as they are, or what is detected within each."""

from collections.abc import Sequence

import numpy as np

from clipmill.engine.rejects import Reject
from clipmill.videos import spans
from clipmill.videos.reader import SAME_TIME
from clipmill.videos.scenes import IMAGE, Piece, Scene, Span, as_it_is, split

BEYOND = "span beyond the end of the video"
EMPTY = "span without a frame"
OF_IMAGE = "a still image has no spans"
SAME = "the same frames as another row"
UNUSABLE = (BEYOND, EMPTY, OF_IMAGE, SAME)
"""Reasons for which a row of the list is a reject, and not a part of its video."""


def clips(marks: list[str], whole: list[Span], pieces: list[Piece], times: np.ndarray, limits: dict, damaged) -> list:
    """The spans of a video, sorted, each with the number of its mark.

    `marks`: as the list writes them, "" for the whole video, whose spans are `whole`; the others as for `split`.
    Spans of several marks may overlap, but no two have the same frames: the later one is unusable.
    """
    found, seen = [], set()
    for number, mark in enumerate(marks):
        for span in _of_mark(mark, whole, pieces, times, limits, damaged):
            place = span.first, span.end
            span = Span(0, *place, 0.0, 0.0, SAME) if place in seen and span.reason not in UNUSABLE else span
            seen |= {place} if span.reason not in UNUSABLE else set()
            found.append(span._replace(row=number))
    return sorted(found, key=lambda span: (span.reason not in UNUSABLE, span.first, span.end))


def _of_mark(mark: str, whole: list[Span], pieces, times: np.ndarray, limits: dict, damaged: Sequence[Scene]) -> list:
    if not mark:
        return whole
    if whole == [IMAGE]:
        return [Span(0, 0, 0, 0.0, 0.0, OF_IMAGE)]
    try:
        first, end = frames_of(spans.read(mark), times)
    except Reject as error:
        return [Span(0, 0, 0, 0.0, 0.0, error.reason)]
    if limits["spans"] == "as_is":
        return [as_it_is(first, end, times, damaged)]
    inside = [(max(first, begin), min(end, last), why) for begin, last, why in pieces if begin < end and last > first]
    return split(inside, times, limits, damaged, within=(first, end))


def frames_of(wanted: spans.Wanted, times: np.ndarray) -> Scene:
    """The frames of a span; `times`: seconds of each frame and of the end of the last one.

    An end that is later than the video's by no more than its last frame is its end. Raises Reject where there are none.
    """
    count = len(times) - 1
    if wanted.in_frames:
        first, end = int(wanted.start), count if wanted.end is None else int(wanted.end)
        if end > count or first >= count:
            raise Reject(BEYOND)
        return first, end
    stop = times[-1] if wanted.end is None else wanted.end
    if wanted.start >= times[-1] - SAME_TIME or stop > 2 * times[-1] - times[-2] + SAME_TIME:
        raise Reject(BEYOND)
    first, end = (int(edge) for edge in np.searchsorted(times[:-1], np.array([wanted.start, stop]) - SAME_TIME))
    if first >= end:
        raise Reject(EMPTY)
    return first, end
