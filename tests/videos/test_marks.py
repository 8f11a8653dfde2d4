"""Spans that a list marks are exactly these frames; what a video does not have is told."""

import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos import marks, spans
from clipmill.videos.scenes import IMAGE, split

TIMES = np.arange(101) / 25
PIECES = [(0, 30, ""), (30, 70, ""), (70, 100, "")]
AS_IS = {"min_seconds": 0.2, "max_seconds": None, "spans": "as_is"}
DETECT = AS_IS | {"spans": "detect"}


def found(*given: str, limits=AS_IS, damaged=()) -> list[tuple]:
    """(row, first, end, reason) of each span."""
    whole = split(PIECES, TIMES, limits, damaged)
    return [
        (span.row, span.first, span.end, span.reason)
        for span in marks.clips(list(given), whole, PIECES, TIMES, limits, damaged)
    ]


@pytest.mark.parametrize(("row", "text"), [
    ({"start": "1.50", "end": "0:00:03"}, "s1.5-3"), ({"start": "", "end": "1:02:03.25"}, "s0-3723.25"),
    ({"start": "2", "end": " "}, "s2-"), ({"start": "", "end": ""}, ""),
    ({"start_frame": "5", "end_frame": "9.0"}, "f5-9"),
    ({"start_frame": "5", "end_frame": "", "start": "1", "end": "2"}, "f5-"), ({"end": "2"}, "s0-2"),
    ({"start": "0.0000001", "end": "1"}, "s0-1"),
])  # fmt: skip
def test_a_row_says_its_span(row, text):
    assert spans.text(row, spans.columns(row.keys())) == text


@pytest.mark.parametrize(("start", "end"), [("-1", "2"), ("2", "2"), ("3", "2"), ("x", ""), ("nan", "2"), ("0", "inf")])
def test_what_is_no_span_is_refused(start, end):
    with pytest.raises(Reject, match="no span"):
        spans.text({"start": start, "end": end}, spans.SECONDS)
    with pytest.raises(Reject, match="no span"):
        spans.text({"start_frame": "1.5", "end_frame": "3"}, spans.FRAMES)


def test_spans_are_clips_as_they_are_and_may_overlap():
    assert found("s0-0.1", "f10-90", "s1.99-2.01", "s3-") == [
        (0, 0, 3, ""), (1, 10, 90, ""), (2, 50, 51, ""), (3, 75, 100, ""),
    ]  # fmt: skip


def test_an_end_within_the_last_frame_is_the_end_and_later_ones_are_told():
    assert found("s1-4.04", "f0-100")[1] == (0, 25, 100, "")
    beyond = "span beyond the end of the video"
    assert found("s1-4.05", "s4-5", "f0-101", "f100-", "s1.01-1.02") == [
        (0, 0, 0, beyond), (1, 0, 0, beyond), (2, 0, 0, beyond), (3, 0, 0, beyond),
        (4, 0, 0, "span without a frame"),
    ]  # fmt: skip


def test_detection_within_a_span_keeps_all_of_its_frames():
    assert found("f10-50", "", limits=DETECT) == [
        (1, 0, 30, ""), (0, 10, 30, ""), (0, 30, 50, ""), (1, 30, 70, ""), (1, 70, 100, ""),
    ]  # fmt: skip
    gradual = [(0, 30, ""), (40, 100, "")]
    spans_found = marks.clips(["f20-60", "f31-39"], [], gradual, TIMES, DETECT, [])
    assert [(span.row, span.first, span.end, span.reason) for span in spans_found] == [
        (0, 20, 30, ""), (0, 30, 40, "gradual transition"), (1, 31, 39, "gradual transition"), (0, 40, 60, ""),
    ]  # fmt: skip


def test_the_same_frames_are_one_clip():
    assert found("s0-1", "f0-25", limits=AS_IS) == [(1, 0, 25, marks.SAME), (0, 0, 25, "")]
    assert found("f0-30", "", limits=DETECT)[0] == (1, 0, 30, marks.SAME)


def test_damaged_pictures_in_a_span_are_told():
    assert found("f0-20", "f10-40", damaged=[(25, 30)]) == [(0, 0, 20, ""), (1, 10, 40, "damaged pictures")]


def test_an_image_has_no_spans():
    made = marks.clips(["s0-1", ""], [IMAGE], [], np.zeros(2), AS_IS, [])
    assert [(span.row, span.reason) for span in made] == [(0, marks.OF_IMAGE), (1, "")]
