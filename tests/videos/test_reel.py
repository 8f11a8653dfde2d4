"""The sample reel is what its truth says, by other means than those that made it; numbered frames keep their number.

Takes about 35 s of CPU time, nearly all of it to make the reel and to decode it once.
"""

import filecmp
import itertools
import json
from fractions import Fraction

import av
import cv2
import numbered_video
import numpy as np
import pytest
from reel import Camera, Gradual, Shot, Video, encode, make


@pytest.fixture(scope="session")
def sample(reel):
    """(folder of the sample reel, its truth)"""
    return reel, json.loads((reel / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def decoded(sample):
    """{relpath of a good video: (start of each frame in seconds, grey frames of 288 x 160, upright ones turned)}."""
    folder, truth = sample
    result = {}
    for relpath, entry in good(truth).items():
        portrait = entry["height"] > entry["width"]
        width, height = (160, 288) if portrait else (288, 160)
        times, grey = result[relpath] = [], []
        with av.open(str(folder / "videos" / relpath)) as container:
            for frame in container.decode(video=0):
                image = frame.to_ndarray(width=width, height=height, format="gray", interpolation="AREA")
                times.append(float(frame.time))
                grey.append(image.T.copy() if portrait else image)
    return result


def good(truth, kind="video"):
    return {relpath: entry for relpath, entry in truth.items() if entry["kind"] == kind and not entry["reject"]}


def test_the_truth_names_every_file_and_no_other(sample):
    folder, truth = sample
    files = {
        path.relative_to(folder / "videos").as_posix() for path in (folder / "videos").rglob("*") if path.is_file()
    }
    assert files == set(truth)
    assert "été à la plage № 1.mp4" in files


def test_sizes_rates_lengths_and_sound_are_as_stated(sample, decoded):
    folder, truth = sample
    for relpath, entry in good(truth).items():
        with av.open(str(folder / "videos" / relpath)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (entry["width"], entry["height"]), relpath
            rate = Fraction(entry["fps"])
            if entry["times"] is None:
                assert stream.average_rate == rate, relpath
            else:
                assert float(stream.average_rate) == pytest.approx(float(rate), rel=0.01), relpath
            assert bool(container.streams.audio) == bool(entry["audio"]), relpath
        times = decoded[relpath][0]
        assert len(times) == entry["num_frames"], relpath
        expected = entry["times"] or [float(i / rate) for i in range(len(times))]
        assert times == pytest.approx(expected, abs=0.001), relpath  # Matroska counts in milliseconds


def test_one_frame_rate_varies(sample):
    varying = [entry["times"] for entry in good(sample[1]).values() if entry["times"]]
    assert len(varying) == 1
    assert len(set(np.diff(varying[0]).round(3))) > 1


def test_the_tone_has_the_stated_pitch_in_each_second(sample):
    folder, truth = sample
    ((relpath, pitches),) = [(relpath, entry["audio"]) for relpath, entry in good(truth).items() if entry["audio"]]
    with av.open(str(folder / "videos" / relpath)) as container:
        rate = container.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    for second, pitch in enumerate(pitches):
        part = sound[int((second + 0.25) * rate) : int((second + 0.75) * rate)]
        assert np.argmax(abs(np.fft.rfft(part))) * rate / len(part) == pytest.approx(pitch, abs=3), second


def test_neighbouring_frames_differ_most_at_the_hard_cuts(sample, decoded):
    for relpath, entry in good(sample[1]).items():
        small = [cv2.blur(image, (5, 5))[::5, ::5].astype(int) for image in decoded[relpath][1]]
        change = np.array([0.0] + [abs(b - a).mean() for a, b in itertools.pairwise(small)])
        cuts = entry["cuts"]
        rest = np.delete(change, cuts)
        assert change[cuts].min(initial=np.inf) > max(20, 1.5 * rest.max()), (relpath, change[cuts], rest.max())


def test_shots_and_gradual_transitions_tile_each_video(sample):
    kinds = set()
    for relpath, entry in good(sample[1]).items():
        spans = sorted((s["start_frame"], s["end_frame"]) for s in entry["shots"] + entry["gradual"])
        ends = [end for _, end in spans]
        assert [start for start, _ in spans] == [0, *ends[:-1]], relpath
        assert ends[-1] == entry["num_frames"], relpath
        borders = {b for span in entry["gradual"] for b in (span["start_frame"], span["end_frame"])}
        assert set(entry["cuts"]) == set(ends[:-1]) - borders, relpath
        kinds |= {span["kind"] for span in entry["gradual"]}
    assert kinds == {"dissolve", "fade"}


def test_a_fade_goes_through_black_and_a_dissolve_through_a_mixture(sample, decoded):
    for relpath, entry in good(sample[1]).items():
        grey = decoded[relpath][1]
        for span in entry["gradual"]:
            start, end = span["start_frame"], span["end_frame"]
            before, middle, after = (grey[i].astype(float) for i in (start - 1, (start + end) // 2, end))
            if span["kind"] == "fade":
                assert middle.mean() < 0.15 * min(before.mean(), after.mean())
            else:
                mixture = (before + after) / 2
                assert np.corrcoef(middle.ravel(), mixture.ravel())[0, 1] > 0.6


def shot_motion(times, grey, shot):
    """DIS flow over half a second in the middle of a shot, in px at 576 x 320.

    Returns (mean length, mean right, mean down, growth from the centre, clockwise turn in radians).
    """
    first = (shot["start_frame"] + shot["end_frame"]) // 2
    second = min(int(np.argmin(abs(np.array(times) - times[first] - 0.5))), shot["end_frame"] - 1)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[first], grey[second], None)
    flow *= 2 * 0.5 / (times[second] - times[first])
    y, x = np.mgrid[-159:160:2, -287:288:2]
    right, down = flow[..., 0], flow[..., 1]
    size = (x**2 + y**2).sum()
    growth, turn = (x * right + y * down).sum() / size, (x * down - y * right).sum() / size
    return np.linalg.norm(flow, axis=2).mean(), right.mean(), down.mean(), growth, turn


def camera_seen(right, down, growth, turn):
    """The camera's move that explains the picture's motion, each move alone; two moves never fit a label."""
    names = []
    for value, least, positive, negative in (
        (right, 5, "pan_left", "pan_right"),
        (down, 5, "tilt_up", "tilt_down"),
        (growth, 0.02, "zoom_in", "zoom_out"),
        (turn, 0.02, "roll_left", "roll_right"),
    ):
        if abs(value) > least:
            names.append(positive if value > 0 else negative)
    return "+".join(names) or "static"


def test_flow_and_camera_are_what_optical_flow_measures(sample, decoded):
    cameras = set()
    for relpath, entry in good(sample[1]).items():
        for shot in entry["shots"]:
            where = relpath, shot["start_frame"]
            length, right, down, growth, turn = shot_motion(*decoded[relpath], shot)
            if entry["height"] > entry["width"]:
                right, down, turn = down, right, -turn
            assert camera_seen(right, down, growth, turn) == shot["camera"], where
            cameras.add(shot["camera"])
            if shot["flow"] is None:
                assert 0.05 < length < 3, where  # something small moves, the camera does not
            else:
                assert length == pytest.approx(shot["flow"], rel=0.1, abs=0.05), where
                assert shot["flow"] == 0 or 3 < shot["flow"] < 60, where
    moves = {"pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out", "roll_left", "roll_right"}
    assert cameras == moves | {"static"}


def test_words_stand_in_their_boxes_and_some_overlap(sample):
    folder, truth = sample
    overlaps = 0
    for relpath, entry in good(truth).items():
        for shot in (shot for shot in entry["shots"] if shot["words"]):
            with av.open(str(folder / "videos" / relpath)) as container:
                frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
                image = next(frame for i, frame in enumerate(frames) if i == shot["start_frame"] + 10)
            white = image.min(axis=2) > 215
            covered, total = np.zeros(white.shape, bool), 0
            for left, top, right, bottom in (word["box"] for word in shot["words"]):
                inside = white[top:bottom, left:right]
                assert inside[:, :6].any(), "the left edge is tight"
                assert inside[:, -6:].any(), "the right edge is tight"
                assert inside[:6].any(), "the top edge is tight"
                assert inside[-6:].any(), "the bottom edge is tight"
                covered[top:bottom, left:right] = True
                total += (bottom - top) * (right - left)
            assert white[~covered].mean() < 0.001
            assert shot["text_area"] == pytest.approx(covered.mean(), abs=1e-4)
            assert shot["text_boxes"] == len(shot["words"])
            overlaps += total > covered.sum()
    assert overlaps


def test_images_have_the_stated_size(sample):
    folder, truth = sample
    images = good(truth, "image")
    assert {relpath.rsplit(".")[-1] for relpath in images} == {"png", "jpg"}
    for relpath, entry in images.items():
        image = cv2.imdecode(np.fromfile(folder / "videos" / relpath, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (entry["height"], entry["width"], 3)


def test_bad_files_are_bad_in_the_stated_way(sample):
    folder, truth = sample
    bad = {entry["reject"]["word"]: folder / "videos" / relpath for relpath, entry in truth.items() if entry["reject"]}
    assert set(bad) == {"truncated", "empty", "duplicate"}
    assert bad["empty"].stat().st_size == 0
    assert bad["truncated"].stat().st_size > 0
    with pytest.raises(av.FFmpegError):
        av.open(str(bad["truncated"]))
    assert filecmp.cmp(bad["duplicate"], folder / "videos" / "cuts.mp4", shallow=False)


def test_the_same_video_has_the_same_bytes(tmp_path):
    shots = Shot("coffee", 12, 800, "zoom_in", 0.1), Gradual("dissolve", 6), Shot("grass", 6, 800)
    video = Video(Fraction(24000, 1001), shots, (320, 180), audio=True)
    for name in ("a.mp4", "b.mp4"):
        encode(video, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_reel_that_exists_is_not_written_again(sample):
    folder, truth = sample
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make(folder) == truth
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_reel_that_lost_its_truth_or_a_video_is_made_again(tmp_path, monkeypatch):
    shots = Shot("coffee", 6, 800), Shot("grass", 6, 800)
    names = "cuts.mp4", "moves/pans and tilts.mp4"
    monkeypatch.setattr("reel.VIDEOS", {name: Video(Fraction(25), shots, (320, 180)) for name in names})
    truth = make(tmp_path)
    for lost in ("truth.json", "videos/cuts.mp4"):
        before = (tmp_path / lost).read_bytes()
        (tmp_path / lost).unlink()
        assert make(tmp_path) == truth
        assert (tmp_path / lost).read_bytes() == before


def test_a_camera_that_leaves_its_photograph_is_an_error():
    camera = Camera(Shot("coffee", 100, 800, "pan_right", 0.2), (640, 360), 4.0)
    with pytest.raises(ValueError, match="leaves the photograph"):
        camera.picture(0)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 25, Fraction(30000, 1001)])
def test_numbered_frames_survive_at_any_rate(tmp_path, rate):
    path = tmp_path / "numbered.mp4"
    numbered_video.write(path, 60, rate, cuts=(20, 41), audio=True)
    assert numbered_video.numbers(path) == list(range(60))
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate
        assert container.streams.audio
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx([i / rate for i in range(60)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_numbered_frames_survive_at_a_variable_rate(tmp_path, suffix):
    times = list(np.cumsum([0] + [1 + i % 3 for i in range(59)]) / 60)
    path = tmp_path / f"numbered{suffix}"
    numbered_video.write(path, 60, 30, timestamps=times)
    assert numbered_video.numbers(path) == list(range(60))
    with av.open(str(path)) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times, abs=0.001)


def test_numbers_survive_scaling():
    for size in ((320, 180), (180, 320)):
        for number in range(0, 65536, 1021):
            image = numbered_video.picture(number, size, number)
            for scale in (0.35, 0.5, 1, 1.7):
                assert (
                    numbered_video.read(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
                    == number
                )
