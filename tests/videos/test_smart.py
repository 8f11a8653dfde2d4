"""Packets that are copied show the source's very pictures, edges the right ones, and every reader plays the clip."""

import io
import subprocess

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from browser import browser
from clipmill.videos import copying, h264
from clipmill.videos.smart_file import decoded_at
from numbered_video import numbers, read, write
from one_file import Scanned, ffmpeg
from PIL import Image

COUNT, SIZE = 150, "320x180"
GROUPS = "-c:v libx264 -preset veryfast -g 30 -keyint_min 30 -sc_threshold 0"
SPANS = [(0, 30), (7, 52), (60, 120), (65, 131), (121, 150)]
"""Clips of a source whose groups have 30 pictures: whole groups, ends within a group, and the end of the file."""
SOURCES = {
    "a.mp4": f"{GROUPS} -bf 3",
    "b frames in a pyramid.mkv": f"{GROUPS} -bf 8 -b_strategy 2 -x264-params b-pyramid=normal",
    "no b frames.mp4": f"{GROUPS} -profile:v baseline",
    "main.mov": f"{GROUPS} -profile:v main -bf 2",
    "start offset.mp4": f"{GROUPS} -bf 3 -output_ts_offset 5.5",
    "its sets have a number.mp4": f"{GROUPS} -bf 3 -x264-params sps-id=1",
    "uneven times.mp4": f"{GROUPS} -bf 3 -vf setpts='(N+0.4*mod(N\\,3))/25/TB' -fps_mode passthrough "
    "-enc_time_base 1/90000",
}


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """150 pictures at 25 per second in which everything moves, without loss, with a tone."""
    path = tmp_path_factory.mktemp("moving") / "moving.mkv"
    shown = f"mandelbrot=size={SIZE}:rate=25:start_scale=0.05:end_scale=0.001,scroll=horizontal=0.011:vertical=0.017"
    inputs = ["-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine=frequency=440"]
    ffmpeg(*inputs, "-frames:v", COUNT, "-t", COUNT / 25, "-pix_fmt", "yuv420p", "-c:v", "ffv1", path)
    return path


def made(moving, folder, name, options=None) -> Scanned:
    """A source of the moving pictures, scanned."""
    ffmpeg("-i", moving, *(options or SOURCES[name]).split(), "-c:a", "aac", folder / name)
    return Scanned(folder / name, folder)


def pictures(path) -> list[np.ndarray]:
    """All pictures of a file, in yuv420p, one above the other."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def psnr(one, other) -> float:
    return 10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean()))


@pytest.mark.parametrize("name", SOURCES)
def test_copied_pictures_are_the_sources_and_edges_show_the_right_ones(moving, tmp_path, name):
    source = made(moving, tmp_path, name)
    truth = pictures(source.path)
    assert len(truth) == COUNT
    some_copied = some_encoded = 0
    for clip, (first, end) in zip([source.clip(*span) for span in SPANS], SPANS, strict=True):
        (row,) = source.cut([clip], mode="smart", check="decode", preset="veryfast", crf=15)
        shown = pictures(row["file"])
        assert len(shown) == row["cut_num_frames"] == end - first
        same = [np.array_equal(*pair) for pair in zip(shown, truth[first:end], strict=True)]
        assert sum(same) >= row["copied"]
        assert row["copied"] + row["encoded"] == end - first
        some_copied, some_encoded = some_copied + row["copied"], some_encoded + row["encoded"]
        for number, is_same in enumerate(same):
            near = [at for at in (first + number - 1, first + number, first + number + 1) if 0 <= at < COUNT]
            likeness = {at: psnr(shown[number], truth[at]) for at in near}
            assert is_same or likeness[first + number] == max(likeness.values()) > 30
        with av.open(str(row["file"])) as container:
            times = np.array([frame.pts * container.streams.video[0].time_base for frame in container.decode(video=0)])
        assert times.astype(float) == pytest.approx(source.seconds[first:end] - source.seconds[first], abs=0.001)
    assert some_copied > 130
    assert some_encoded > 0


FALLBACKS = {
    "hevc.mp4": ("-c:v libx265 -preset ultrafast -x265-params keyint=30:log-level=none", {}, "is not H.264"),
    "10 bit.mp4": (f"{GROUPS} -pix_fmt yuv420p10le", {}, "not 8-bit 4:2:0"),
    "444.mp4": (f"{GROUPS} -pix_fmt yuv444p", {}, "not 8-bit 4:2:0"),
    "open.mp4": ("-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=30:scenecut=0", {}, "no closed group"),
    "long.mp4": ("-c:v libx264 -g 250 -sc_threshold 0", {}, "no closed group"),
    "interlaced.mp4": (f"{GROUPS} -flags +ilme+ildct -x264-params tff=1", {}, "interlaced"),
    "stream.ts": (GROUPS, {}, "another form"),
    "full range.mp4": (f"{GROUPS} -vf scale=out_range=full,format=yuvj420p -color_range pc", {}, "not 8-bit 4:2:0"),
    "wide.mp4": (f"{GROUPS} -vf setsar=4/3", {}, "pictures are changed"),
    "rate.mp4": (GROUPS, {"fps": 10}, "pictures are changed"),
    "smaller.mp4": (GROUPS, {"shorter_size": 90}, "pictures are changed"),
    "lossless.mp4": (GROUPS, {"crf": 0}, "lossless"),
}


@pytest.mark.parametrize("name", FALLBACKS)
def test_what_cannot_be_copied_is_encoded_as_without_it_and_the_log_says_why(moving, tmp_path, capsys, name):
    options, settings, why = FALLBACKS[name]
    source = made(moving, tmp_path, name, options)
    clips = [source.clip(20, 70)]
    (smart,), said = source.cut(clips, mode="smart", **settings), capsys.readouterr().err
    content = smart["file"].read_bytes()
    assert why in said
    assert (smart["copied"], smart["encoded"]) == (0, smart["cut_num_frames"])
    (encoded,) = source.cut(clips, **settings)
    assert encoded["file"].read_bytes() == content


def test_one_picture_at_an_odd_time_does_not_spoil_the_clips_after_it(tmp_path):
    """A repeated time moves by a tick when it is read: then packets and pictures have different times."""
    stamps = [number / 25 for number in range(COUNT)]
    stamps[40] = stamps[39] + 1 / 90000
    write(tmp_path / "a.mp4", COUNT, 25, (320, 180), timestamps=stamps)
    ffmpeg("-i", tmp_path / "a.mp4", *GROUPS.split(), "-fps_mode", "passthrough", tmp_path / "odd.mkv")
    source = Scanned(tmp_path / "odd.mkv", tmp_path / "results")
    clips = [source.clip(20, 70), source.clip(90, 130)]
    smart = [row["file"].read_bytes() for row in source.cut(clips, mode="smart")]
    assert source.cut(clips[:1])[0]["file"].read_bytes() == smart[0]
    assert source.cut(clips[1:])[0]["file"].read_bytes() != smart[1]


def test_a_clip_has_the_same_bytes_with_any_neighbours_and_the_digest_of_an_encoded_one(moving, tmp_path):
    source = made(moving, tmp_path, "a.mp4")
    clips = [source.clip(*span) for span in SPANS[:3]]
    together = source.cut(clips[::2], mode="smart")
    contents = [row["file"].read_bytes() for row in together]
    alone = [source.cut([clip], mode="smart")[0] for clip in clips[::2]]
    assert [row["file"].read_bytes() for row in alone] == contents
    encoded = source.cut(clips[::2])
    assert [row["frames_digest"] for row in encoded] == [row["frames_digest"] for row in together]
    assert [row["file"].read_bytes() for row in encoded] != contents


def test_frames_that_are_copied_and_encoded_are_counted(moving, tmp_path):
    source = made(moving, tmp_path, "a.mp4")
    step = source.cutter(mode="smart")
    rows = step.compute([source.clip(0, 30), source.clip(121, 150)], [None, None])
    remembered = [{name: str(value) for name, value in row.items()} for row in rows]
    assert step.counts(remembered) == {"frames_copied": 30, "frames_encoded": 29, "clips_encoded_whole": 1}
    assert source.cutter().counts(remembered) == {}


def test_every_player_shows_every_frame(tmp_path):
    """ffmpeg, OpenCV and PyAV by decoding all; Chromium by playing it, and by what it shows around the joints."""
    write(tmp_path / "numbered.mp4", 150, 25, (320, 180), crf=8, audio=True)
    ffmpeg("-i", tmp_path / "numbered.mp4", *GROUPS.split(), "-bf", 3, "-c:a", "copy", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    (row,) = source.cut([source.clip(17, 131)], mode="smart", preset="veryfast")
    assert 0 < row["encoded"] < row["copied"]
    clip, expected = row["file"], list(range(17, 131))
    assert numbers(clip) == expected
    capture, shown = cv2.VideoCapture(str(clip)), []
    while (picture := capture.read())[0]:
        shown.append(read(picture[1][..., ::-1]))
    assert shown == expected
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(clip), "-f", "rawvideo"]
    done = subprocess.run([*program, "-pix_fmt", "rgb24", "-"], capture_output=True)
    assert (done.stderr, done.returncode) == (b"", 0)
    assert [read(picture) for picture in np.frombuffer(done.stdout, np.uint8).reshape(-1, 180, 320, 3)] == expected
    around = [0, 1, 12, 13, 14, 60, 61, 112, 113]
    assert in_chromium(clip, around, 25) == [expected[at] for at in around]


def in_chromium(clip, wanted: list[int], rate: int) -> list[int]:
    """The numbers that Chromium shows at these frames of a clip, which it has played to its end."""
    page = clip.with_suffix(".html")
    page.write_text(f"<body style='margin:0'><video muted src='{clip.name}' width=320 height=180></video>")
    with browser() as running:
        tab = running.new_page(viewport={"width": 320, "height": 180})
        tab.goto(page.as_uri())
        done = (
            "video => new Promise((ends, fails) => { video.onended = () => ends(null); video.onerror = () => "
            "fails(video.error.message); video.play().catch(fails) })"
        )
        tab.eval_on_selector("video", done)
        shown = []
        for number in wanted:
            seek = "video.requestVideoFrameCallback(ends); video.currentTime ="
            tab.eval_on_selector("video", f"video => new Promise(ends => {{ {seek} {(number + 0.5) / rate} }})")
            shown.append(read(np.array(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))))
    return shown


def test_packets_are_decoded_before_they_are_shown_and_in_order():
    order = [0, 40, 20, 10, 30, 80, 60, 50, 70]
    times = decoded_at(order, 10)
    assert times == [-20, -10, 0, 10, 20, 30, 40, 50, 60]
    assert all(dts <= pts for dts, pts in zip(times, order, strict=True))


def test_parameter_sets_are_read_and_written_as_files_hold_them(moving, tmp_path):
    made(moving, tmp_path, "its sets have a number.mp4")
    with av.open(str(tmp_path / "its sets have a number.mp4")) as container:
        given = container.streams.video[0].codec_context.extradata
    found = h264.configuration(given)
    assert h264.record(found) == given
    assert h264.free_id(found) == 0
    byte_stream = b"".join(b"\0\0\0\1" + unit for unit in found.sps + found.pps)
    assert h264.configuration(byte_stream) == found
    for cut_short in range(len(given) - 5):
        with pytest.raises(ValueError, match="configuration"):
            h264.configuration(given[:cut_short])


def test_what_is_copied_ends_where_no_picture_would_be_missing():
    """I P B B | P B B: the second P needs the pictures between to be there as well."""
    group = [(0, True), (3, False), (1, False), (2, False), (6, False), (4, False), (5, False)]
    for count, whole in [(7, 7), (6, 4), (5, 4), (4, 4), (3, 1), (1, 1)]:
        assert copying.whole(group, {pts: pts for pts in range(count)}, 0) == whole
