"""Cuts are found by PySceneDetect's numbers and rules: score by score, decision by decision."""

import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from clipmill.videos import detectors, pictures, rows
from clipmill.videos.reader import Reader
from clipmill.videos.view import Viewer
from hypothesis import given, settings
from hypothesis import strategies as st
from one_file import Scanned, ffmpeg

ADAPTIVE = {"threshold": 3.0, "min_content": 15.0, "window": 2, "min_scene_frames": 15}
PARTS = ["delta_hue", "delta_sat", "delta_lum", "content_val"]


def shortened(shared, path, *options):
    """Two seconds of real footage that hold cuts."""
    source = shared / "footage/cosmos_test_video_30s.mp4"
    ffmpeg("-ss", 11.2, "-i", source, "-t", 2, "-an", "-preset", "ultrafast", *options, path)
    return path


def fed(path):
    """Our detector, fed all frames of a file; the scenes it finds."""
    detector, viewer = detectors.Adaptive(ADAPTIVE), Viewer()
    with Reader(path) as reader:
        for frame in reader.frames():
            detector.feed(frame.index, viewer(frame.picture), float(reader.rate))
    return detector, detector.scenes(len(detector.content.scores))


def theirs(path):
    """PySceneDetect's numbers of each frame but the first, and its scenes."""
    from scenedetect import AdaptiveDetector, SceneManager, StatsManager, open_video

    stats = StatsManager()
    manager = SceneManager(stats)
    manager.add_detector(AdaptiveDetector())
    video = open_video(str(path))
    count = manager.detect_scenes(video)
    numbers = [stats.get_metrics(index, PARTS) for index in range(1, count)]
    found = [(begin.frame_num, end.frame_num) for begin, end in manager.get_scene_list(start_in_scene=True)]
    return np.array(numbers, float), found


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-vf scale=1280:720",
        "-vf scale=1920:1080 -colorspace bt709",
        "-vf scale=404:720",
        "-vf scale=1920:800",
        "-vf scale=1280:720 -pix_fmt yuvj420p",
        "-vf scale=1280:720 -pix_fmt yuv444p",
    ],
)
def test_scores_are_those_of_pyscenedetect_to_the_last_bit(shared, tmp_path, options):
    path = shortened(shared, tmp_path / "a.mp4", *options.split())
    detector, scenes = fed(path)
    numbers, known = theirs(path)
    mine = np.column_stack([np.reshape(detector.content.parts, (-1, 3)), detector.content.scores])
    assert (mine[0] == 0).all()
    np.testing.assert_array_equal(mine[1:], numbers)
    assert scenes == known
    assert len(scenes) > 1


def test_scores_of_a_turned_video_are_those_of_pyscenedetect(shared, tmp_path):
    flat = shortened(shared, tmp_path / "flat.mp4", "-vf", "scale=1280:720")
    ffmpeg("-display_rotation", 90, "-i", flat, "-c", "copy", tmp_path / "turned.mp4")
    detector, scenes = fed(tmp_path / "turned.mp4")
    numbers, known = theirs(tmp_path / "turned.mp4")
    np.testing.assert_array_equal(detector.content.scores[1:], numbers[:, 3])
    assert scenes == known


class Said:
    """Stands in for the content of frames: scores that are said."""

    def __init__(self, scores):
        self.said, self.scores = iter(scores), []

    def add(self, image):
        self.scores.append(next(self.said))


class Blank:
    compared = None


scores = st.lists(st.one_of(st.floats(0, 255), st.sampled_from([0.0, 15.0, 27.0, 45.0])), max_size=120)


@settings(deadline=None)
@given(scores, st.floats(1, 10), st.floats(0, 40), st.integers(1, 4), st.integers(1, 20))
def test_adaptive_decides_as_pyscenedetect_does(scores, threshold, content, window, shortest):
    from scenedetect import AdaptiveDetector, FrameTimecode

    class Theirs(AdaptiveDetector):
        def _calculate_frame_score(self, timecode, frame_img):
            return scores[timecode.frame_num]

    other = Theirs(threshold, shortest, window, content)
    mine = detectors.Adaptive(
        {"threshold": threshold, "min_content": content, "window": window, "min_scene_frames": shortest}
    )
    mine.content = Said(scores)
    for index in range(len(scores)):
        known = [cut.frame_num for cut in other.process_frame(FrameTimecode(index, 24.0), None)]
        assert mine.feed(index, Blank, 24.0) == known


@settings(deadline=None)
@given(scores, st.floats(0.1, 60), st.integers(1, 20))
def test_a_threshold_decides_as_pyscenedetect_does(scores, threshold, shortest):
    from scenedetect import ContentDetector, FrameTimecode

    class Theirs(ContentDetector):
        def _calculate_frame_score(self, timecode, frame_img):
            return scores[timecode.frame_num]

    other = Theirs(threshold, shortest)
    mine = detectors.ByThreshold({"threshold": threshold, "min_scene_frames": shortest})
    mine.content = Said(scores)
    for index in range(len(scores)):
        known = [cut.frame_num for cut in other.process_frame(FrameTimecode(index, 24.0), None)]
        assert mine.feed(index, Blank, 24.0) == known


@settings(deadline=None, max_examples=30)
@given(
    st.integers(130, 1000).map(lambda half: 2 * half),
    st.integers(130, 600).map(lambda half: 2 * half),
    st.sampled_from(sorted(rows.ALONE)),
    st.sampled_from([1, 2, 5, 9]),
    st.integers(0, 2**32),
)
def test_rows_alone_become_what_they_are_in_the_whole_picture(width, height, form, matrix, seed):
    picture = rows.noise(form, width, height, matrix, 1, seed)
    view = Viewer()(picture)
    whole = pictures.bgr(picture)
    np.testing.assert_array_equal(view.compared, rows.compared(whole))
    np.testing.assert_array_equal(view.pixels, rows.pixels(whole))


def test_rows_are_picked_from_usual_sizes():
    usual = [(1280, 720), (1920, 1080), (1080, 1920), (2560, 1440), (3840, 2160)]
    assert all(rows.same("yuv420p", *size, 1, 1) for size in usual)


def test_a_stored_picture_has_the_colours_of_its_pixels_within_two_levels(shared, tmp_path):
    path = shortened(shared, tmp_path / "a.mp4", "-vf", "scale=1280:720")
    viewer = Viewer()
    with Reader(path) as reader:
        frames = [frame.picture for frame in reader.frames()][::12]
    for picture in frames:
        mean = pictures.upright(picture, (512, 910)).astype(float)
        apart = (viewer(picture).stored((512, 910)) - mean)[:, :904].reshape(64, 8, 113, 8, 3).mean(axis=(1, 3))
        assert np.percentile(np.abs(apart), 99) <= 2.1
        assert np.abs(apart).mean() < 1


def test_a_picture_that_is_stored_as_it_is_keeps_its_bytes(shared):
    with Reader(shared / "footage/mpy_chaplin.mp4") as reader:
        picture = next(reader.frames()).picture
        size = picture.height, picture.width
        np.testing.assert_array_equal(Viewer()(picture).stored(size), pictures.bgr(picture, VideoReformatter()))


def test_the_longer_side_counts_as_in_pyscenedetect(shared, tmp_path):
    from scenedetect import AdaptiveDetector, detect

    path = shortened(shared, tmp_path / "a.mp4", "-vf", "scale=-2:1280,crop=720:1280")
    known = [(begin.frame_num, end.frame_num) for begin, end in detect(str(path), AdaptiveDetector())]
    assert Scanned(path, tmp_path, clips={"min_seconds": 0}).spans == known
    assert len(known) > 1
