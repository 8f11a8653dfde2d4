"""Whatever the times of a video's frames are, its spans tile it, and times and spans survive their columns."""

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
from clipmill.engine import tables
from clipmill.engine.rejects import is_reject
from clipmill.videos import quality
from clipmill.videos.reader import SAME_TIME
from clipmill.videos.scenes import LONG_FRAME, from_column, packed, seconds_of, split, to_column
from gather_videos import clips_of
from hypothesis import given
from hypothesis import strategies as st

LENGTHS = st.sampled_from([0.001, 0.02, 0.04, 0.04, 0.04, 0.5, 3.0, 11.0, 700.0])
RATES = st.fractions(Fraction(1, 10), 240, max_denominator=1001)


@st.composite
def videos(draw) -> dict:
    """The arguments of `split`: whole scenes in order, with gaps between some; times; limits; damaged stretches."""
    lengths = draw(st.lists(LENGTHS, min_size=1, max_size=60))
    count = len(lengths)
    edges = sorted({0, count, *draw(st.lists(st.integers(0, count), max_size=5))})
    scenes = [scene for scene in pairwise(edges) if draw(st.booleans()) or scene[1] == count]
    marks = sorted(set(draw(st.lists(st.integers(0, count), max_size=6))))
    most = draw(st.sampled_from([None, 0.1, 2.0, 10.0]))
    limits = {"min_seconds": draw(st.sampled_from([0, 0.05, 0.1])), "max_seconds": most}
    times = np.concatenate([[0], np.cumsum(lengths)])
    damaged = list(zip(marks[::2], marks[1::2], strict=False))
    return {"pieces": [(*scene, "") for scene in scenes], "times": times, "limits": limits, "damaged": damaged}


@given(videos())
def test_spans_tile_the_video(video):
    spans = split(**video)
    assert (spans[0].first, spans[-1].end) == (0, len(video["times"]) - 1)
    assert all(before.end == after.first for before, after in pairwise(spans))
    assert all(span.first < span.end for span in spans)


@given(videos())
def test_no_clip_is_longer_than_the_limit(video):
    most = video["limits"]["max_seconds"] or LONG_FRAME
    times = video["times"]
    for span in split(**video):
        if not span.reason and (video["limits"]["max_seconds"] or span.end - span.first == 1):
            assert times[span.end] - times[span.first] <= most + 2 * SAME_TIME


@given(videos())
def test_no_clip_is_a_rest_between_long_frames(video):
    times, most = video["times"], video["limits"]["max_seconds"] or LONG_FRAME
    long = np.diff(times) > most + SAME_TIME
    for span in split(**video):
        before = span.first == 0 or long[span.first - 1]
        after = span.end == len(long) or long[span.end]
        if not span.reason and before and after:
            assert times[span.end] - times[span.first] >= video["limits"]["min_seconds"] - 2 * SAME_TIME


@given(videos())
def test_no_clip_shows_a_damaged_frame(video):
    for span in split(**video):
        for first, last in video["damaged"]:
            assert span.reason or span.end <= first or span.first >= last


@given(videos())
def test_spans_survive_their_column(video):
    spans = split(**video)
    assert from_column(to_column(spans)) == spans


@given(videos())
def test_each_span_is_one_row_with_an_id_of_its_own_in_order(video):
    spans = split(**video)
    grades = json.dumps([[""] * len(quality.COLUMNS)] * len(spans))
    rows = list(clips_of({"id": "0a", "clips": to_column(spans), "quality": grades}))
    assert (
        [bool(row.get("reason")) for row in rows] == [bool(span.reason) for span in spans] == list(map(is_reject, rows))
    )
    names = [row["id"] for row in rows]
    assert names == sorted(set(names))


@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=50, unique=True), RATES)
def test_times_survive_their_column(pts, tick):
    pts = sorted(pts)
    expected = [float((value - pts[0]) * tick) for value in pts]
    np.testing.assert_allclose(seconds_of({"times": packed(pts), "tick": str(tick)}), expected, rtol=1e-12, atol=1e-12)


@given(RATES, st.integers(0, 10**6))
def test_a_frame_is_found_again_by_the_seconds_in_a_table(rate, index):
    seconds = float(tables.number(float(index / rate)))
    assert round(seconds * rate) == index
    assert abs(seconds - index / rate) < SAME_TIME
