"""Every clip holds exactly its own frames, at their own times, with its own sound; what cannot be cut is a fault."""

import wave
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos.clip_file import read_back
from clipmill.videos.reader import Reader
from cut_clips import worth_a_seek
from numbered_video import numbers, write
from one_file import Scanned, ffmpeg, rgb, times
from PIL import Image

COUNT, SIZE = 110, (160, 90)
SPANS = [(0, 17), (17, 18), (18, 40), (60, 61), (75, 110)]
"""Clips of a test video: neighbours, gaps, single frames, and the last frame."""
ENCODED = {
    "long gop.mp4": "-c:v libx264 -g 1000 -bf 3 -x264-params b-pyramid=normal",
    "open gop.mp4": "-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=30:scenecut=0",
    "open gop.ts": "-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=30:scenecut=0",
    "hevc.mkv": "-c:v libx265 -preset ultrafast -x265-params keyint=30:open-gop=1:log-level=none",
    "mpeg2.mpg": "-c:v mpeg2video -q:v 3 -g 15 -bf 2",
    "b frames without times.avi": "-c:v libx264 -bf 3 -g 25",
    "vp9.webm": "-c:v libvpx-vp9 -crf 20 -b:v 0 -cpu-used 8 -g 40 -c:a libopus",
    "picture.gif": "-an",
    "start offset.mp4": "-c:v libx264 -output_ts_offset 5.5",
    "start offset.mkv": "-c:v libx264 -output_ts_offset 5.5",
}
"""Sources that are hard to seek in."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """110 numbered frames at 25 per second, with a tone; hardly compressed."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    write(path, COUNT, 25, SIZE, crf=8, audio=True)
    return path


def check(source, truth, spans):
    """Cut the spans all at once and one by one; every clip has the numbers of its span and the times of its source."""
    clips = [source.clip(first, end) for first, end in spans]
    together = [numbers(row["file"]) for row in source.cut(clips)]
    assert together == [truth[first:end] for first, end in spans]
    for clip, (first, end) in zip(clips, spans, strict=True):
        (row,) = source.cut([clip])
        assert numbers(row["file"]) == truth[first:end]
        assert row["cut_num_frames"] == end - first
        expected = source.seconds[first:end] - source.seconds[first]
        assert times(row["file"]) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 25, Fraction(30000, 1001), "variable"], ids=str)
def test_frames_of_a_clip_are_those_of_its_span_at_any_rate(tmp_path, rate, name):
    uneven = np.cumsum(np.random.default_rng(3).uniform(0.004, 0.09, COUNT)).round(3).tolist()
    variable = rate == "variable"
    write(tmp_path / name, COUNT, 25 if variable else rate, SIZE, timestamps=uneven if variable else None)
    source = Scanned(tmp_path / name, tmp_path)
    expected = np.array(uneven) - uneven[0] if variable else np.arange(COUNT) / float(rate)
    assert source.seconds[:-1] == pytest.approx(expected, abs=0.001)
    check(source, list(range(COUNT)), SPANS)


@pytest.mark.parametrize("name", ENCODED)
def test_frames_are_right_where_seeking_is_hard(plain, tmp_path, name):
    ffmpeg("-i", plain, *ENCODED[name].split(), tmp_path / name)
    truth = numbers(tmp_path / name)
    assert truth == list(range(COUNT))
    check(Scanned(tmp_path / name, tmp_path), truth, [(48, 49), (60, 61), (75, 110)])


def test_frames_hidden_by_an_edit_list_are_no_frames(plain, tmp_path):
    ffmpeg("-i", plain, "-c:v", "libx264", "-g", 250, "-bf", 3, tmp_path / "whole.mp4")
    ffmpeg("-ss", 1.1, "-i", tmp_path / "whole.mp4", "-c", "copy", tmp_path / "edited.mp4")
    source = Scanned(tmp_path / "edited.mp4", tmp_path)
    assert int(source.video["num_frames"]) == COUNT - 28
    check(source, list(range(28, COUNT)), [(0, 40), (60, 61), (70, 82)])


def test_a_recording_may_begin_between_key_frames(plain, tmp_path):
    ffmpeg("-i", plain, "-c:v", "libx264", "-g", 40, "-bf", 3, tmp_path / "whole.ts")
    content = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "late.ts").write_bytes(content[len(content) // 3 // 188 * 188 :])
    truth = numbers(tmp_path / "late.ts")
    assert 40 < len(truth) < 100
    check(Scanned(tmp_path / "late.ts", tmp_path), truth, [(0, 10), (30, 31), (35, len(truth))])


def test_a_repeated_time_shifts_no_later_frame(tmp_path):
    stamps = [(number if number < 20 else number - 1) / 25 for number in range(100)]
    stamps[20] += 1 / 90000
    write(tmp_path / "a.mp4", 100, 25, SIZE, timestamps=stamps)
    ffmpeg("-i", tmp_path / "a.mp4", "-c:v", "libx264", "-g", 10, "-fps_mode", "passthrough", tmp_path / "a.mkv")
    assert len(set(times(tmp_path / "a.mkv"))) == 99
    check(Scanned(tmp_path / "a.mkv", tmp_path), list(range(100)), [(0, 19), (30, 50), (50, 60), (60, 100)])


def test_clips_found_by_a_detector_are_cut_where_it_said(tmp_path):
    write(tmp_path / "a.mp4", COUNT, Fraction(30000, 1001), cuts=(33, 64, 90))
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    assert source.spans == [(0, 33), (33, 64), (64, 90), (90, 110)]
    assert [numbers(row["file"]) for row in source.cut()] == [list(range(*span)) for span in source.spans]


def test_near_clips_of_a_video_share_a_pass_and_far_ones_do_not(tmp_path):
    write(tmp_path / "a.mp4", 30, 1, SIZE)
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    clips = [source.clip(first, first + 1) for first in (0, 2, 5, 20, 22)]
    runs = source.cutter().batches(clips)
    assert [[int(clip["start_frame"]) for clip in run] for run in runs] == [[0, 2, 5], [20, 22]]
    assert [numbers(row["file"]) for row in source.cut(clips)] == [[0], [2], [5], [20], [22]]


@pytest.mark.parametrize(("name", "options", "worth"), [
    ("a.mp4", "-g 25 -bf 3", True),
    ("a.mkv", "-g 25 -bf 3", True),
    ("open.mp4", "-bf 3 -x264-params open-gop=1:keyint=25:scenecut=0", True),
    ("long.mp4", "-g 1000 -sc_threshold 0", False),
    ("a.avi", "-g 25 -bf 3", False),
])  # fmt: skip
def test_footage_between_clips_is_skipped_where_a_key_frame_is_behind_it(plain, tmp_path, name, options, worth):
    ffmpeg("-i", plain, "-c:v", "libx264", *options.split(), tmp_path / name)
    source = Scanned(tmp_path / name, tmp_path)
    check(source, list(range(COUNT)), [(0, 10), (62, 63), (101, 110)])
    with Reader(tmp_path / name) as reader:
        list(reader.span(1.5, 1.6, 37))  # a container may learn of its key frames by a seek
        assert worth_a_seek(reader, 0.4, 62 / 25) == worth
        assert not worth_a_seek(reader, 2.2, 62 / 25), "it is too near"


@pytest.mark.parametrize("rate", [10, 50, 23.976])
def test_another_rate_shows_the_frame_at_hand_at_each_tick(tmp_path, rate):
    stamps = [0.04 * number + 0.017 * (number % 3) for number in range(100)]
    write(tmp_path / "a.mp4", 100, 25, SIZE, timestamps=stamps)
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    (row,) = source.cut([source.clip(30, 80)], fps=rate)
    length = source.seconds[80] - source.seconds[30]
    ticks = np.arange(np.ceil((length - 5e-4) * rate)) / rate
    at_hand = np.searchsorted(source.seconds[:-1] - source.seconds[30], ticks + 5e-4, side="right") - 1
    assert numbers(row["file"]) == at_hand.tolist()
    assert times(row["file"]) == pytest.approx(ticks, abs=0.001)
    assert (row["cut_num_frames"], row["cut_fps"]) == (len(ticks), pytest.approx(rate))


@pytest.mark.parametrize(("size", "shorter", "expected"), [
    ((320, 180), 90, (160, 90)),
    ((320, 180), 720, (320, 180)),
    ((180, 320), 90, (90, 160)),
    ((426, 240), 120, (212, 120)),
])  # fmt: skip
def test_the_shorter_side_shrinks_to_what_was_asked_and_never_grows(tmp_path, size, shorter, expected):
    write(tmp_path / "a.mp4", 20, 25, size=size)
    (row,) = Scanned(tmp_path / "a.mp4", tmp_path).cut(shorter_size=shorter)
    with av.open(str(row["file"])) as clip:
        assert (clip.streams.video[0].width, clip.streams.video[0].height) == expected
    assert (row["cut_width"], row["cut_height"]) == expected
    assert numbers(row["file"]) == list(range(20))


def test_an_odd_size_becomes_even(plain, tmp_path):
    ffmpeg("-i", plain, "-an", "-frames:v", 20, "-vf", "scale=321:181", "-c:v", "ffv1", tmp_path / "odd.mkv")
    source = Scanned(tmp_path / "odd.mkv", tmp_path)
    assert (source.video["width"], source.video["height"]) == ("321", "181")
    (row,) = source.cut()
    assert (row["cut_width"], row["cut_height"]) == (320, 180)
    assert numbers(row["file"]) == list(range(20))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_source_gives_upright_clips(plain, tmp_path, degrees):
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation:v:0", degrees, "-i", plain, "-c", "copy", turned)
    source = Scanned(turned, tmp_path)
    (row,) = source.cut([source.clip(70, 80)], crf=5)
    shown = rgb(turned, 70)
    assert (row["cut_height"], row["cut_width"]) == shown.shape[:2]
    assert np.abs(rgb(row["file"]) - shown).mean() < 1


def test_pixels_that_are_not_square_become_square(plain, tmp_path):
    ffmpeg("-i", plain, "-frames:v", 20, "-vf", "setsar=4/3", "-c:v", "libx264", tmp_path / "wide.mp4")
    source = Scanned(tmp_path / "wide.mp4", tmp_path)
    (row,) = source.cut()
    assert (row["cut_width"], row["cut_height"]) == (212, 90)
    with av.open(str(row["file"])) as clip:
        assert clip.streams.video[0].sample_aspect_ratio in (None, 0, 1)


@pytest.mark.parametrize("options", [
    "-vf scale=out_color_matrix=bt709 -colorspace bt709 -color_primaries bt709 -color_trc bt709",
    "-vf scale=out_range=full,format=yuvj420p -color_range pc",
    "-pix_fmt yuv420p10le",
    "-pix_fmt yuv420p",
], ids=["bt709", "full range", "10 bit", "plain"])  # fmt: skip
def test_colours_stay(plain, tmp_path, options):
    source = tmp_path / "a.mp4"
    ffmpeg("-i", plain, "-frames:v", 15, *options.split(), "-c:v", "libx264", "-crf", 5, source)
    (row,) = Scanned(source, tmp_path).cut(crf=5)
    assert np.abs(rgb(row["file"]) - rgb(source)).mean() < 1
    shown = [cv2.VideoCapture(str(path)).read()[1].astype(int) for path in (row["file"], source)]
    assert np.abs(shown[0] - shown[1]).mean() < 1.5


def clicks(path, seconds, rate, every=0.5):
    """Write a WAV of short clicks, one at each multiple of `every` seconds, in both channels."""
    samples = np.zeros(round(seconds * rate))
    burst = np.sin(np.arange(rate // 200) * 2 * np.pi * 1000 / rate) * 0.8
    for start in np.arange(every, seconds - 0.1, every):
        samples[round(start * rate) : round(start * rate) + len(burst)] = burst
    both = np.repeat((samples * 32767).astype("<i2")[:, None], 2, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
        file.writeframes(both.tobytes())


def heard(path) -> tuple[list[float], float]:
    """(the seconds at which clicks begin in a file, by its own clock; the seconds at which its sound ends)."""
    onsets, end, last = [], 0.0, -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray()).max(axis=0) > 0.2
            for index in np.flatnonzero(loud):
                moment = frame.time + index / frame.sample_rate
                if moment - last > 0.1:
                    onsets.append(moment)
                last = moment
            end = frame.time + frame.samples / frame.sample_rate
    return onsets, end


@pytest.mark.parametrize(("name", "options", "rate"), [
    ("a.mp4", "-c:a aac -b:a 192k", 44100),
    ("a.mkv", "-c:a libopus", 48000),
    ("a.mpg", "-c:v mpeg2video -q:v 4 -c:a mp2", 48000),
    ("a.avi", "-c:v mpeg4 -q:v 4 -c:a pcm_s16le", 37800),
    ("a.ts", "-c:a aac -output_ts_offset 3", 48000),
])  # fmt: skip
def test_sound_is_trimmed_to_the_span_and_stays_aligned(plain, tmp_path, name, options, rate):
    clicks(tmp_path / "clicks.wav", COUNT / 25, rate)
    ffmpeg("-i", plain, "-i", tmp_path / "clicks.wav", "-map", "0:v", "-map", "1:a", *options.split(), tmp_path / name)
    source = Scanned(tmp_path / name, tmp_path)
    for first, end in [(0, 30), (32, 61), (70, 110)]:
        (row,) = source.cut([source.clip(first, end)])
        start, stop = source.seconds[first], source.seconds[end]
        expected = [seconds - start for seconds in np.arange(0.5, 4.3, 0.5) if start + 0.03 < seconds < stop - 0.03]
        found, ended = heard(row["file"])
        found = [seconds for seconds in found if 0.03 < seconds < stop - start - 0.03]
        assert found == pytest.approx(expected, abs=0.03)
        assert ended == pytest.approx(stop - start, abs=0.05)


def test_sound_that_begins_late_stays_late(plain, tmp_path):
    clicks(tmp_path / "clicks.wav", 4, 48000)
    late = ("-itsoffset", 1.2, "-i", tmp_path / "clicks.wav")
    ffmpeg("-i", plain, *late, "-map", "0:v", "-map", "1:a", "-c:a", "aac", tmp_path / "late.mkv")
    source = Scanned(tmp_path / "late.mkv", tmp_path)
    (row,) = source.cut([source.clip(20, 100)])
    found, ended = heard(row["file"])
    assert found == pytest.approx([seconds + 1.2 - 0.8 for seconds in np.arange(0.5, 2.7, 0.5)], abs=0.03)
    assert ended == pytest.approx(3.2, abs=0.05)


def test_a_damaged_packet_of_sound_costs_no_clip(plain, tmp_path):
    ffmpeg("-i", plain, "-c:v", "copy", "-c:a", "mp2", tmp_path / "a.ts")
    content = bytearray((tmp_path / "a.ts").read_bytes())
    sound = [first for first in range(0, len(content), 188) if (content[first + 1] & 31, content[first + 2]) == (1, 1)]
    for first in sound[10:40]:
        content[first + 30 : first + 188] = bytes(158)
    (tmp_path / "b.ts").write_bytes(content)
    rows = Scanned(tmp_path / "b.ts", tmp_path).cut()
    assert [number for row in rows for number in numbers(row["file"])] == list(range(COUNT))


def test_sound_is_left_out_where_it_is_not_wanted_or_not_there(plain, tmp_path):
    write(tmp_path / "mute.mp4", 20, 25)
    for path, audio, streams in [(plain, True, 1), (plain, False, 0), (tmp_path / "mute.mp4", True, 0)]:
        source = Scanned(path, tmp_path)
        (row,) = source.cut([source.clip(0, 20)], audio=audio)
        with av.open(str(row["file"])) as clip:
            assert len(clip.streams.audio) == streams


def test_the_same_clip_has_the_same_bytes(plain, tmp_path):
    written = []
    for name, spans in [("alone", [(30, 60)]), ("among others", [(0, 30), (30, 60), (60, 70)])]:
        source = Scanned(plain, tmp_path / name)
        rows = source.cut([source.clip(*span) for span in spans])
        written.append(next(row["file"] for row in rows if row["path"].endswith("-00000030.mp4")).read_bytes())
    assert written[0] == written[1]


def test_what_was_encoded_before_changes_no_byte(tmp_path):
    """x264's code for AVX-512 reads what lay in memory: seen on such a processor, with much detail that moves."""
    shapes = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2,hue=h=40"]
    detail = ["-f", "lavfi", "-i", "mandelbrot=size=320x180:rate=25,hue=h=70,trim=duration=2"]
    joined = ["-filter_complex", "[0:v][1:v]concat=n=2:v=1", "-c:v", "libx264", "-preset", "ultrafast"]
    ffmpeg(*shapes, *detail, *joined, "-pix_fmt", "yuv420p", tmp_path / "busy.mp4")
    written = []
    for name, spans in [("alone", [(50, 100)]), ("after another", [(0, 50), (50, 100)])]:
        source = Scanned(tmp_path / "busy.mp4", tmp_path / name)
        rows = source.cut([source.clip(*span) for span in spans], preset="veryfast", crf=18)
        written.append(rows[-1]["file"].read_bytes())
    assert written[0] == written[1]


def test_a_clip_is_cut_again_where_its_file_is_gone_or_changed(plain, tmp_path):
    source = Scanned(plain, tmp_path)
    (row,) = source.cut([source.clip(0, 10)])
    remembered = {name: str(value) for name, value in row.items()}
    cutter = source.cutter()
    assert cutter.valid(source.clips[0], remembered)
    row["file"].write_bytes(row["file"].read_bytes()[:-1])
    assert not cutter.valid(source.clips[0], remembered)
    row["file"].unlink()
    assert not cutter.valid(source.clips[0], remembered)


def test_a_source_that_breaks_off_faults_only_the_clips_it_no_longer_holds(plain, tmp_path):
    path = tmp_path / "a.mkv"
    ffmpeg("-i", plain, "-c", "copy", path)
    source = Scanned(path, tmp_path / "results")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    first, second, third = source.try_cut([source.clip(0, 20), source.clip(40, 100), source.clip(100, 110)])
    assert numbers(tmp_path / "results" / first["path"]) == list(range(20))
    assert isinstance(second, Reject)
    assert isinstance(third, Reject)
    assert [file.name for file in (tmp_path / "results" / "clips").iterdir()] == [f"{source.video['id']}-00000000.mp4"]


def test_a_source_that_is_no_video_any_more_is_a_fault_and_a_missing_one_is_the_environments(plain, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(plain.read_bytes())
    source = Scanned(path, tmp_path / "results")
    path.write_text("no video")
    with pytest.raises(Reject):
        source.cut()
    path.unlink()
    with pytest.raises(OSError, match=r"a\.mp4"):
        source.cut()


def test_what_was_written_is_read_back(plain, tmp_path):
    (row,) = Scanned(plain, tmp_path).cut()
    size = row["cut_height"], row["cut_width"]
    assert read_back(str(row["file"]), COUNT, size, 25) == 25
    for count, wrong in [(COUNT - 1, size), (COUNT, (size[0], size[1] + 2))]:
        with pytest.raises(Reject):
            read_back(str(row["file"]), count, wrong, 25)


def test_the_rate_of_a_clip_is_its_own_where_the_videos_varies(tmp_path):
    stamps = [number / 30 for number in range(30)] + [1 + number / 10 for number in range(30)]
    write(tmp_path / "a.mp4", 60, 30, SIZE, timestamps=stamps)
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    rows = source.cut([source.clip(0, 30), source.clip(30, 60)])
    assert [row["cut_fps"] for row in rows] == [pytest.approx(30, abs=0.1), pytest.approx(10, abs=0.1)]


def test_the_rate_of_a_clip_is_that_of_its_video_where_that_is_constant(tmp_path):
    write(tmp_path / "a.mkv", 40, Fraction(24000, 1001), SIZE)
    source = Scanned(tmp_path / "a.mkv", tmp_path)
    rows = source.cut([source.clip(*span) for span in [(0, 1), (1, 3), (3, 40)]])
    assert [row["cut_fps"] for row in rows] == [23.976] * 3


def test_an_image_is_copied_or_turned_and_made_smaller(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    plain, turned = (Scanned(tmp_path / name, tmp_path / "results") for name in ("a.png", "turned.jpg"))
    (row,) = plain.cut()
    assert row["file"].read_bytes() == (tmp_path / "a.png").read_bytes()
    (row,) = plain.cut(shorter_size=600)
    assert row["file"].read_bytes() == (tmp_path / "a.png").read_bytes()
    (row,) = plain.cut(shorter_size=30)
    assert Image.open(row["file"]).size == (row["cut_width"], row["cut_height"]) == (40, 30)
    (row,) = turned.cut()
    assert Image.open(row["file"]).size == (row["cut_width"], row["cut_height"]) == (60, 80)
    assert (row["cut_num_frames"], row["cut_fps"]) == (1, None)
