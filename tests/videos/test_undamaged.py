"""What is whole is never called damaged or cut short, however oddly it is coded."""

import pytest
from one_file import Scanned, ffmpeg

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=6")
CODED = {
    "open groups h264.mp4": "-c:v libx264 -x264-params open-gop=1:keyint=25:bframes=3",
    "open groups h264.ts": "-c:v libx264 -x264-params open-gop=1:keyint=25:bframes=3",
    "open groups hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params open-gop=1:keyint=25:bframes=3:log-level=none",
    "no key frames.mp4": "-c:v libx264 -x264-params intra-refresh=1:keyint=25",
    "fields.mp4": "-c:v libx264 -flags +ildct+ilme -x264-params tff=1:keyint=25",
    "fields.mpg": "-c:v mpeg2video -flags +ildct+ilme -q:v 4 -g 12 -bf 2",
    "unseen frames.webm": "-c:v libvpx-vp9 -cpu-used 8 -b:v 300k -auto-alt-ref 1 -lag-in-frames 16",
    "unseen frames vp8.webm": "-c:v libvpx -cpu-used 8 -b:v 300k -auto-alt-ref 1 -lag-in-frames 16",
    "b frames.avi": "-c:v mpeg4 -bf 2 -q:v 4",
    "h264 b frames.avi": "-c:v libx264 -bf 2",
    "fragments.mp4": "-c:v libx264 -movflags +frag_keyframe+empty_moov",
    "live.mkv": "-c:v libx264 -live 1",
    "flash.flv": "-c:v flv1",
    "theora.ogv": "-c:v libtheora",
    "pictures.gif": "-r 10",
    "late.ts": "-c:v libx264 -output_ts_offset 90000",
    "windows.wmv": "-c:v wmv2",
}  # fmt: skip
TRIMMED = {
    "from h264.mp4": "open groups h264.mp4",
    "from hevc.mp4": "open groups hevc.mp4",
    "from h264.mkv": "open groups h264.mp4",
    "from hevc.ts": "open groups hevc.mp4",
    "from fields.mpg": "fields.mpg",
    "from unseen frames.mkv": "unseen frames.webm",
}
"""Copies of the coded packets from 2.5 s to 5.5 s, as people trim a video without coding it again."""


def rejects(path, results):
    return [(row["reason"], row["detail"]) for row in Scanned(path, results, clips={"min_seconds": 0}).rejects]


@pytest.mark.parametrize("name", CODED)
def test_a_whole_file_has_no_damage(tmp_path, name):
    ffmpeg(*PICTURE, *CODED[name].split(), tmp_path / name)
    assert rejects(tmp_path / name, tmp_path / "results") == []


@pytest.mark.parametrize("name", TRIMMED)
def test_a_trimmed_copy_has_no_damage(tmp_path, name):
    source = TRIMMED[name]
    ffmpeg(*PICTURE, *CODED[source].split(), tmp_path / source)
    ffmpeg("-ss", 2.5, "-i", tmp_path / source, "-t", 3, "-c", "copy", tmp_path / name)
    assert rejects(tmp_path / name, tmp_path / "results") == []


LATE = {
    "h264.mkv": "-c:v libx264",
    "vp8.webm": "-c:v libvpx -cpu-used 8",
    "h264.flv": "-c:v libx264",
    "h264.mp4": "-c:v libx264",
    "h264.ts": "-c:v libx264",
    "mpeg4.avi": "-c:v mpeg4",
    "windows.wmv": "-c:v wmv2",
    "theora.ogv": "-c:v libtheora",
    "mpeg2.wtv": "-c:v mpeg2video",
}


@pytest.mark.parametrize("offset", [0, 7])
@pytest.mark.parametrize("name", LATE)
def test_a_recording_that_starts_late_is_not_cut_short(tmp_path, name, offset):
    short = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-r", 25 if name.endswith("wtv") else 10)
    ffmpeg(*short, *LATE[name].split(), "-output_ts_offset", offset, tmp_path / name)
    assert rejects(tmp_path / name, tmp_path / "results") == []


def test_a_file_that_goes_on_with_text_is_not_cut_short(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:20,000\nOne\n")
    for name, codec in (("a.mkv", "srt"), ("a.mp4", "mov_text")):
        ffmpeg(*PICTURE, "-i", tmp_path / "a.srt", "-c:v", "libx264", "-c:s", codec, tmp_path / name)
        assert rejects(tmp_path / name, tmp_path / "results") == []
