"""A video's pictures are stored, looked at and cut as the ffmpeg program shows them: which way up, in which colours."""

import av
import cv2
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos import frames, pictures
from clipmill.videos.reader import Reader
from one_file import Scanned, ffmpeg, rgb

PATTERN = ("-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=0.4")
SHARP = {"short_side": 720, "quality": 98}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Ten frames whose halves and quarters all differ."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    ffmpeg(*PATTERN, "-c:v", "libx264", "-crf", 5, "-pix_fmt", "yuv444p", path)
    return path


def apart(path, results):
    """Mean grey levels between what the ffmpeg program shows of a file and its (store, clip); and the clip's path."""
    source = Scanned(path, results, clips={"min_seconds": 0}, frames=SHARP)
    (stored,) = frames.read(source.store, source.clips[0], [0])
    (row,) = source.cut(crf=5)
    true = rgb(path)
    return np.abs(stored - true).mean(), np.abs(rgb(row["file"]) - true).mean(), row["file"]


POSES = {
    "hflip": ["-display_hflip"],
    "vflip": ["-display_vflip"],
    "hflip and vflip": ["-display_hflip", "-display_vflip"],
    "90": ["-display_rotation", 90],
    "180": ["-display_rotation", 180],
    "270": ["-display_rotation", 270],
    "90 and hflip": ["-display_rotation", 90, "-display_hflip"],
    "90 and vflip": ["-display_rotation", 90, "-display_vflip"],
    "180 and hflip": ["-display_rotation", 180, "-display_hflip"],
    "270 and hflip": ["-display_rotation", 270, "-display_hflip"],
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("pose", POSES)
def test_mirrored_and_turned_videos_are_upright_everywhere(plain, tmp_path, pose, suffix):
    path = tmp_path / f"a.{suffix}"
    ffmpeg(*POSES[pose], "-i", plain, "-c", "copy", path)
    store, clip, _ = apart(path, tmp_path)
    assert (store < 6, clip < 6) == (True, True)
    with Reader(path) as reader:
        looked_at = pictures.grey(next(reader.frames()).picture, 180)
    true = cv2.cvtColor(rgb(path).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    assert np.abs(looked_at.astype(int) - true).mean() < 20


def test_a_mirrored_video_in_oblong_pixels_is_upright(plain, tmp_path):
    ffmpeg("-i", plain, "-vf", "setsar=3/2", "-c:v", "libx264", "-crf", 5, tmp_path / "wide.mp4")
    ffmpeg("-display_rotation", 90, "-display_hflip", "-i", tmp_path / "wide.mp4", "-c", "copy", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path, clips={"min_seconds": 0}, frames=SHARP)
    (stored,) = frames.read(source.store, source.clips[0], [0])
    assert stored.shape == (480, 180, 3)
    true = cv2.resize(rgb(tmp_path / "a.mp4").astype(np.uint8), (180, 480), interpolation=cv2.INTER_AREA)
    assert np.abs(stored.astype(int) - true).mean() < 6


def tagged(matrix, range_="tv", form="yuv420p", name=None, curve="bt709"):
    """Options that convert to a colour matrix and say so."""
    tags = f"setparams=colorspace={name or matrix}:range={range_}:color_primaries=bt709:color_trc={curve}"
    scale = f"scale=out_color_matrix={matrix}:out_range={range_},format={form},{tags}"
    return ["-vf", scale, "-c:v", "libx264", "-crf", 5]


COLOURS = {
    "BT.709.mp4": tagged("bt709"),
    "BT.601.mp4": tagged("bt601", name="smpte170m"),
    "PAL.mp4": tagged("bt601", name="bt470bg"),
    "BT.2020.mp4": tagged("bt2020", name="bt2020nc", form="yuv420p10le", curve="bt2020-10"),
    "SMPTE 240M.mp4": tagged("smpte240m"),
    "FCC.mp4": tagged("fcc"),
    "full BT.709.mp4": tagged("bt709", "pc"),
    "full BT.601.mp4": tagged("bt601", "pc", name="smpte170m"),
    "full, untagged.mp4": ["-vf", "scale=out_range=full,format=yuvj420p", "-color_range", "pc", "-c:v", "libx264"],
    "mjpeg.avi": ["-c:v", "mjpeg", "-q:v", 2],
    "untagged.mp4": ["-c:v", "libx264", "-crf", 5],
    "untagged HD.mp4": ["-vf", "scale=1280:720", "-c:v", "libx264", "-crf", 5],
    "10 bits.mkv": ["-c:v", "ffv1", "-pix_fmt", "yuv422p10le"],
    "RGB.mkv": ["-c:v", "ffv1", "-pix_fmt", "gbrp"],
    "RGB of 10 bits.mkv": ["-c:v", "ffv1", "-pix_fmt", "gbrp10le"],
    "RGB.mp4": ["-c:v", "libx264rgb", "-crf", 0],
    "RGB.mov": ["-c:v", "qtrle", "-pix_fmt", "rgb24"],
    "grey.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray"],
    "16-bit grey.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray16le"],
    "palette.avi": ["-c:v", "rawvideo", "-pix_fmt", "pal8"],
    "picture.gif": [],
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_those_of_the_ffmpeg_program(tmp_path, name):
    ffmpeg(*PATTERN, *COLOURS[name], tmp_path / name)
    store, clip, _ = apart(tmp_path / name, tmp_path)
    assert store < 6
    assert clip < 5


@pytest.mark.parametrize("name", ["RGB.mkv", "RGB.mp4", "RGB.mov", "palette.avi", "picture.gif"])
def test_the_clip_of_an_rgb_video_names_the_matrix_that_it_was_converted_with(tmp_path, name):
    ffmpeg(*PATTERN, *COLOURS[name], tmp_path / name)
    _, _, file = apart(tmp_path / name, tmp_path)
    with av.open(str(file)) as clip:
        assert int(next(clip.decode(video=0)).colorspace) == 6


def test_colours_that_ffmpeg_does_not_convert_are_a_fault_that_says_so(tmp_path):
    ffmpeg(*PATTERN, "-vf", "format=yuv420p,setparams=colorspace=ycgco", "-c:v", "ffv1", tmp_path / "a.mkv")
    with pytest.raises(Reject, match="colours that cannot be converted") as fault:
        Scanned(tmp_path / "a.mkv", tmp_path)
    assert "matrix 8" in fault.value.detail


def test_a_reserved_matrix_is_taken_for_none(plain, tmp_path):
    with Reader(plain) as reader:
        picture = next(reader.frames()).picture
    untagged = pictures.bgr(picture)
    picture.colorspace = pictures.RESERVED
    assert (pictures.bgr(picture) == untagged).all()


@pytest.mark.parametrize(("options", "share"), [("", 0), ("-vf fieldorder=tff,setfield=tff -flags +ildct+ilme", 1)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mpg"])
def test_interlaced_frames_are_told(tmp_path, name, options, share):
    codec = "libx264" if name == "a.mp4" else "mpeg2video"
    ffmpeg(*PATTERN, "-pix_fmt", "yuv420p", *options.split(), "-c:v", codec, tmp_path / name)
    assert float(Scanned(tmp_path / name, tmp_path).video["interlaced"]) == share
