"""`detector: hybrid`: hard cuts are adaptive's, gradual transitions lie between scenes, and a network looks only where
a transition may be."""

import json
from itertools import pairwise

import av
import numpy as np
import pytest
from clipmill.plan.config import check
from clipmill.videos import detectors, hybrid
from clipmill.videos.detectors import DETECTORS
from clipmill.videos.view import Viewer
from edits import camera, edited, flashed, lit, mixed
from gradual import truth
from one_file import SCHEMA, Scanned, ffmpeg, span

SIZE = 54, 96
SETTINGS = check({}, SCHEMA)["detectors"]


def fed(frames: np.ndarray, name: str = "hybrid"):
    """The detector, fed a film, and its scenes."""
    detector, viewer = DETECTORS[name](SETTINGS[name]), Viewer()
    for index, image in enumerate(np.clip(frames, 0, 255).astype(np.uint8)):
        detector.feed(index, viewer(av.VideoFrame.from_ndarray(image, "bgr24")), 25.0)
    return detector, detector.scenes(len(frames))


def shot(seed: int, frames: int = 75, across: float = 0.3, **moves) -> np.ndarray:
    return camera(seed, frames, across, size=SIZE, **moves)


@pytest.fixture
def asked(monkeypatch) -> list:
    """The windows that the network is asked about, which answers as ever."""
    windows, network = [], detectors._transnetv2

    def watched(device):
        return lambda some: (windows.extend(some), network(device)(some))[1]

    monkeypatch.setattr(detectors, "_transnetv2", watched)
    return windows


def test_hard_cuts_are_those_of_adaptive_and_no_network_is_loaded_for_them(asked):
    frames, made = edited([shot(n, 40 + n) for n in range(5)], [("cut", 0)] * 4)
    _, found = fed(frames)
    assert found == fed(frames, "adaptive")[1]
    assert [begin for begin, _ in found[1:]] == [cut.first for cut in made]
    assert asked == []


def test_a_plain_dissolve_and_fades_are_found_to_the_frame_without_the_network(asked):
    film, made = edited([shot(n, 90, 0) for n in range(4)], [("dissolve", 24), ("black", 20), ("white", 30)])
    _, found = fed(film)
    gaps = [(end, begin) for (_, end), (begin, _) in pairwise(found)]
    assert len(gaps) == 3
    for (first, end), wanted in zip(gaps, made, strict=True):
        assert abs(first - wanted.first) <= 5
        assert abs(end - wanted.end) <= 5
    assert asked == []


def test_the_network_finds_a_dissolve_that_is_no_plain_mixture(asked):
    film = mixed(shot(2, 60, 1.2), shot(1002, 60, 0, down=1.2), 12)
    _, found = fed(film)
    assert len(found) == 2, found
    assert 48 <= found[0][1] <= found[1][0] <= 60
    assert len(asked) == 1
    assert len(asked[0]) <= 60


@pytest.mark.parametrize(
    "moves", [{"across": 0}, {"across": 2.5}, {"across": 0, "zoom": 0.006}], ids=["still", "pan", "zoom"]
)
def test_a_camera_that_moves_marks_nothing(asked, moves):
    assert fed(shot(3, 120, **moves))[1] == [(0, 120)]
    assert asked == []


def test_light_that_goes_on_changing_until_the_end_is_no_transition():
    assert fed(lit(shot(4, 90), 0.4))[1] == [(0, 90)]


def test_a_flash_is_no_transition():
    assert fed(flashed(shot(4, 120, 0.5), 60))[1] == fed(flashed(shot(4, 120, 0.5), 60), "adaptive")[1]


def test_a_fade_at_an_end_belongs_to_no_scene():
    """And what is too short for a scene beside it is a part of it."""
    black = np.zeros((18, *SIZE, 3), np.float32)
    film = mixed(mixed(black, shot(5, 80, 0), 12), black, 12)
    ((begin, end),) = fed(film)[1]
    assert abs(begin - 18) <= 4
    assert abs(end - (len(film) - 18)) <= 4


def test_parts_of_a_long_film_are_looked_at_as_they_come(monkeypatch):
    """Whatever the parts, the same is found, and frames are forgotten."""
    film, _ = edited(
        [shot(n, 90, 0) for n in range(8)], [("dissolve", 30), ("black", 20), ("cut", 0)] * 2 + [("white", 40)]
    )
    _, whole = fed(film)
    monkeypatch.setattr(hybrid, "PART", 40)
    detector, parts = fed(film)
    assert parts == whole
    assert len(whole) == 8
    assert len(detector.gradual.frames) <= 40 + 2 * hybrid.LATE


def test_windows_hold_the_spans_with_their_context_and_few_lengths_occur():
    spans = [(0, 4), (100, 118), (121, 134), (400, 450)]
    windows = hybrid.joined(spans)
    assert len(windows) == 3
    around = hybrid.READ + hybrid.CONTEXT
    for first, end in spans:
        assert any(low <= first - around and end + around <= high for low, high in windows)
    assert all((end - first) % hybrid.STEP == 0 for first, end in windows)
    assert all(end - first < hybrid.WINDOW + hybrid.STEP for first, end in windows)


def test_the_scan_of_a_video_leaves_its_transitions_out_and_loses_no_frame(reel, tmp_path):
    truths = json.loads((reel / "truth.json").read_text(encoding="utf-8"))["transitions.mkv"]
    source = Scanned(reel / "videos" / "transitions.mkv", tmp_path, detector="hybrid")
    assert len(source.clips) == len(truths["shots"])
    for (begin, end), wanted in zip(source.spans, truths["shots"], strict=True):
        assert abs(begin - wanted["start_frame"]) <= 4
        assert abs(end - wanted["end_frame"]) <= 4
        assert sum(begin <= frame < end for frame in source.stored()) >= 3
    assert {row["reason"] for row in source.rejects} == {"gradual transition"}
    edges = sorted(map(span, [*source.clips, *source.rejects]))
    assert [edges[0][0], *(end for _, end in edges)] == [*(begin for begin, _ in edges), truths["num_frames"]]


def test_a_fade_out_at_the_end_of_a_video_is_a_reject(reel, tmp_path):
    ffmpeg(
        "-i", reel / "videos" / "still camera.mp4", "-t", 3, "-vf", "fade=out:50:20,scale=320:180", tmp_path / "a.mp4"
    )
    source = Scanned(tmp_path / "a.mp4", tmp_path, detector="hybrid")
    ((begin, end),) = source.spans
    assert begin == 0
    assert 48 <= end <= 60
    (reject,) = source.rejects
    assert (span(reject), reject["reason"]) == ((end, 75), "gradual transition")


@pytest.mark.slow
def test_no_detector_finds_more_in_edits_of_which_all_is_known(request):
    """Prints the table; other edits than those by which the limits were chosen."""
    folder = request.config.rootpath.parent / "shared/footage"
    results = truth(folder if folder.is_dir() else None, seed=7)
    for film, by_name in results.items():
        adaptive, network, both = (by_name[name] for name in ("adaptive", "transnetv2", "hybrid"))
        assert sum(both.found.values()) >= sum(network.found.values()), film
        assert both.found.get("cut", 0) >= adaptive.found.get("cut", 0), film
        assert both.false <= max(adaptive.false, network.false), film
