"""Odd files and names, each with what must become of it: the table is `ODD`.

An outcome is `PAIRS` (at least one pair and no reject), a reject's reason, both of them joined by ` + `,
`ignored: ` and why it is only counted, or `NOTHING` for what is no file at all.
"""

import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

from odd_makers import (
    ENCRYPTED,
    Make,
    again,
    bomb,
    broken,
    content,
    copy,
    deep,
    folder,
    good_files,
    image,
    link,
    listening,
    moving,
    noise,
    part,
    part_of_image,
    pipe,
    sizes_change,
    video,
    zipped,
)

PAIRS, NOTHING = "pairs", "nothing"
UNREADABLE = "not a readable video (damaged, truncated, or none at all)"
NO_IMAGE, CUT_IMAGE = "not a readable image", "a damaged or truncated image"
LIST, PICTURE, SOUND = "a playlist, not a video", "a picture, not a video", "no video stream"
NO_FILE, HIDDEN, OTHER = "cannot be read", "ignored: hidden", "ignored: extension not taken in"
CUT, CUT_INSIDE = "pairs + truncated", "pairs + damaged pictures + truncated"


class Odd(NamedTuple):
    """An odd file: its path below the folder of videos, what makes it, and what must become of it."""

    name: str
    make: Make
    outcome: str = PAIRS


CONTAINERS = [
    Odd("plain.mp4", video("-c:v libx264")),
    Odd("plain.m4v", video("-c:v libx264 -f mp4", rate=12)),
    Odd("fast start.mp4", video("-c:v libx264 -movflags +faststart", rate=11)),
    Odd("fragments.mp4", video("-c:v libx264 -movflags +frag_keyframe+empty_moov")),
    Odd("plain.mov", video("-c:v libx264")),
    Odd("plain.qt", video("-c:v mjpeg -f mov")),
    Odd("plain.3gp", video("-c:v h263", size="176x144")),
    Odd("plain.3g2", video("-c:v libx264")),
    Odd("plain.mkv", video("-c:v libx264")),
    Odd("live.mkv", video("-c:v libx264 -live 1", rate=11)),
    Odd("plain.webm", video("-c:v libvpx-vp9 -cpu-used 8")),
    Odd("plain.avi", video("-c:v mpeg4")),
    Odd("plain.divx", video("-c:v mpeg4 -f avi -vtag DIVX")),
    Odd("plain.flv", video("-c:v flv1")),
    Odd("plain.f4v", video("-c:v libx264 -f f4v")),
    Odd("plain.wmv", video("-c:v wmv2")),
    Odd("plain.asf", video("-c:v msmpeg4")),
    Odd("plain.mpg", video("-c:v mpeg1video", rate=25)),
    Odd("plain.mpeg", video("-c:v mpeg2video", rate=25)),
    Odd("plain.mpe", video("-c:v mpeg1video -f mpeg", rate=30)),
    Odd("plain.vob", video("-c:v mpeg2video -f vob", rate=25)),
    Odd("no timestamps.m1v", video("-c:v mpeg1video -f mpeg1video", rate=25)),
    Odd("no timestamps.m2v", video("-c:v mpeg2video -f mpeg2video", rate=25)),
    Odd("plain.ts", video("-c:v libx264")),
    Odd("plain.mts", video("-c:v libx264 -f mpegts -mpegts_m2ts_mode 1")),
    Odd("plain.m2ts", video("-c:v mpeg2video -f mpegts -mpegts_m2ts_mode 1", rate=25)),
    Odd("plain.m2t", video("-c:v mpeg2video -f mpegts", rate=25)),
    Odd("plain.ogv", video("-c:v libtheora")),
    Odd("plain.ogm", video("-c:v libtheora -f ogg", rate=12)),
    Odd("plain.mxf", video("-c:v mpeg2video", rate=25)),
    Odd("plain.dv", video("-c:v dvvideo -pix_fmt yuv420p", size="720x576", rate=25, seconds=0.32)),
    Odd("plain.rm", video("-c:v rv10", size="176x144")),
    Odd("plain.wtv", video("-c:v mpeg2video", rate=25)),
    Odd("plain.gif", video()),
]
CODECS = [
    Odd("hevc.mp4", video("-c:v libx265 -preset ultrafast -x265-params log-level=none")),
    Odd("av1.mp4", video("-c:v libaom-av1 -cpu-used 8")),
    Odd("vp8.webm", video("-c:v libvpx -cpu-used 8")),
    Odd("prores.mov", video("-c:v prores_ks")),
    Odd("dnxhr.mov", video("-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", size="256x128")),
    Odd("cineform.mov", video("-c:v cfhd")),
    Odd("jpeg 2000.mov", video("-c:v jpeg2000")),
    Odd("png.mov", video("-c:v png")),
    Odd("animation.mov", video("-c:v qtrle")),
    Odd("sorenson.mov", video("-c:v svq1")),
    Odd("mjpeg.avi", video("-c:v mjpeg")),
    Odd("huffyuv.avi", video("-c:v huffyuv")),
    Odd("utvideo.avi", video("-c:v utvideo")),
    Odd("raw.avi", video("-c:v rawvideo -pix_fmt yuv420p")),
    Odd("cinepak.avi", video("-c:v cinepak")),
    Odd("packed b frames.avi", video("-c:v mpeg4 -bf 2")),
    Odd("ffv1.mkv", video("-c:v ffv1")),
    Odd("wmv1.wmv", video("-c:v wmv1")),
    Odd("h264 in flash.flv", video("-c:v libx264")),
    Odd("hevc.ts", video("-c:v libx265 -preset ultrafast -x265-params log-level=none")),
]
PIXELS = [
    Odd("ten bits.mp4", video("-c:v libx264 -pix_fmt yuv420p10le")),
    Odd("4 4 4.mp4", video("-c:v libx264 -pix_fmt yuv444p")),
    Odd("4 2 2.mp4", video("-c:v libx264 -pix_fmt yuv422p")),
    Odd("rgb.mp4", video("-c:v libx264rgb")),
    Odd("grey.mp4", video("-c:v libx264 -pix_fmt gray")),
    Odd("full range.mp4", video("-c:v libx264 -pix_fmt yuvj420p")),
    Odd("bt2020.mp4", video("-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020")),
    Odd("pq.mp4", video("-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_trc smpte2084", rate=12)),
    Odd("sixteen bits.mkv", video("-c:v ffv1 -pix_fmt gbrp16le")),
    Odd("transparent.mov", video("-c:v png -pix_fmt rgba")),
    Odd("transparent.webm", video("-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuva420p")),
    Odd("palette.avi", video("-c:v rawvideo -pix_fmt pal8")),
]
SHAPES = [
    Odd("one pixel.mkv", video("-c:v ffv1 -vf scale=1:1 -pix_fmt yuv444p")),
    Odd("odd size.mkv", video("-c:v ffv1 -pix_fmt yuv420p", size="63x47")),
    Odd("odd size.mp4", video("-c:v libx264 -pix_fmt yuv444p", size="63x47")),
    Odd("tall.mkv", video("-c:v ffv1 -pix_fmt yuv444p", size="2x4000", seconds=0.5)),
    Odd("wide.mkv", video("-c:v ffv1 -pix_fmt yuv444p", size="4000x2", seconds=0.5)),
    Odd("wide pixels.mp4", video("-c:v libx264 -vf setsar=2")),
    Odd("narrow pixels.mkv", video("-c:v libx264 -vf setsar=10/11")),
    Odd("rotated.mp4", again("good.mp4", before="-display_rotation 90")),
    Odd("upside down.mov", again("late.mov", before="-display_rotation 180")),
    Odd("mirrored.mp4", again("good.mp4", before="-display_hflip")),
    Odd("fields.mp4", video("-c:v libx264 -flags +ildct+ilme -x264-params tff=1")),
    Odd("size changes.ts", sizes_change, "the picture's size changes"),
]
TIMES = [
    Odd("varying.mp4", video("-c:v libx264 -vf setpts=N*(N+4)/40/TB -fps_mode vfr -enc_time_base 1/90000")),
    Odd("before zero.mkv", video("-c:v libx264 -output_ts_offset -5 -avoid_negative_ts disabled")),
    Odd("late start.ts", video("-c:v libx264 -output_ts_offset 90000")),
    Odd("edit list.mp4", again("good.mp4", "-c copy", before="-ss 0.7")),
    Odd("b frames.mp4", video("-c:v libx264 -bf 3 -g 30")),
    Odd("open groups.mp4", video("-c:v libx264 -x264-params open-gop=1:keyint=5:bframes=2", rate=25)),
    Odd("one frame.mp4", video("-c:v libx264 -frames:v 1"), "shorter than clips.min_seconds"),
    Odd("no frame.mp4", video("-c:v libx264 -frames:v 0"), SOUND),
    Odd("still frame.gif", video("-frames:v 1"), "shorter than clips.min_seconds"),
    Odd("thousand a second.mkv", video("-c:v ffv1", size="32x24", rate=1000, seconds=0.4)),
    Odd("one a second.mkv", video("-c:v libx264", rate=1, seconds=3)),
]
STREAMS = [
    Odd("two videos.mkv", again("good.mp4", "-map 0:v -map 1:v -c copy", then="good.avi")),
    Odd("with sound.mp4", again("good.mp4", "-map 0:v -map 1:a -c:v copy -c:a aac", then="sound.mp3")),
    Odd("with cover.mp4", again("good.mp4", "-map 0 -map 1 -c copy -disposition:1 attached_pic", then="picture.png")),
    Odd("sound.mp4", again("sound.mp3", "-c:a aac"), SOUND),
    Odd("sound with cover.mp4", again(
        "sound.mp3", "-map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic", then="picture.png"), SOUND),
    Odd("sound.mkv", again("sound.mp3"), SOUND),
    Odd("mp3.mp4", copy("sound.mp3"), SOUND),
    Odd("subtitles.mkv", lambda path, good: _subtitles(path, good), SOUND),
    Odd("encrypted.mp4", again("good.mp4", f"-c copy {ENCRYPTED}"), "encrypted"),
]  # fmt: skip
CUT_SHORT = [
    *(Odd(f"cut at half.{name}", part(name, 0, 0.5), CUT) for name in ("good.mkv", "good.webm", "good.ogv")),
    *(Odd(f"cut at half.{name}", part(name, 0, 0.5), CUT_INSIDE)
      for name in ("good.mp4", "good.avi", "good.flv", "good.wmv")),
    *(Odd(f"cut near its end.{name}", part(name, 0, 0.9), CUT) for name in ("good.mkv", "good.ogv")),
    *(Odd(f"cut near its end.{name}", part(name, 0, 0.9), CUT_INSIDE)
      for name in ("good.mp4", "fragments.mp4", "good.avi", "good.gif")),
    Odd("cut at half.ts", part("good.ts", 0, 0.505), CUT),
    Odd("cut at half.mov", part("late.mov", 0, 0.5), UNREADABLE),
    Odd("cut in its head.mp4", part("good.mp4", 0, 0.03), "truncated"),
    Odd("cut in its head.mkv", part("good.mkv", 0, 0.01), UNREADABLE),
    Odd("without its head.mp4", part("good.mp4", 0.3), UNREADABLE),
    Odd("without its head.mkv", part("good.mkv", 0.3), UNREADABLE),
    Odd("without its head.avi", part("good.avi", 0.3), "damaged pictures + damaged pictures beside it"),
    Odd("without its head.ts", part("good.ts", 0.3)),
    Odd("without its head.mpg", part("good.mpg", 0.3)),
    Odd("broken in the middle.mp4", broken("good.mp4", 0.6, 300), "pairs + damaged pictures"),
    Odd("broken in the middle.mkv", broken("good.mkv", 0.5, 300), "pairs + damaged pictures"),
]  # fmt: skip
TEXTS = [
    Odd("empty.mp4", content(b""), "empty file"),
    Odd("one byte.mp4", content(b"\0"), UNREADABLE),
    Odd("zeros.mp4", content(bytes(5000)), UNREADABLE),
    Odd("zeros.ts", content(bytes(5001)), UNREADABLE),
    Odd("zeros.png", content(bytes(5002)), NO_IMAGE),
    Odd("text.mp4", content("no video\n" * 99), UNREADABLE),
    Odd("text.jpg", content("no picture\n" * 99), NO_IMAGE),
    Odd("page.mp4", content("<!DOCTYPE html><html><body>404 Not Found</body></html>"), UNREADABLE),
    Odd("error.mp4", content('{"error": "quota exceeded"}'), UNREADABLE),
    Odd("drawing.mp4", content('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), PICTURE),
    Odd("drawing.png", content('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), NO_IMAGE),
    Odd("list.mp4", content("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nplain.ts\n#EXT-X-ENDLIST\n"), LIST),
    Odd("list.ts", content("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"), LIST),
    Odd("list.mov", content("ffconcat version 1.0\nfile plain.mp4\n"), LIST),
    Odd("list.gif", content("ffconcat version 1.0\nfile plain.gif\n"), LIST),
    Odd("dash.mov", content('<?xml version="1.0"?><MPD type="static"><Period/></MPD>'), LIST),
    Odd("session.avi", content("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n"), LIST),
    Odd("archive.mp4", zipped, UNREADABLE),
    Odd("paper.mkv", content(b"%PDF-1.7\n" + bytes(range(256)) * 9), UNREADABLE),
    Odd("program.avi", content(b"\x7fELF" + bytes(range(256)) * 9), UNREADABLE),
    Odd("pointer.mp4", content("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"), UNREADABLE),
    Odd("png.mp4", image("PNG", size=(62, 48)), PICTURE),
    Odd("jpeg.mkv", image("JPEG", size=(62, 48)), PICTURE),
    Odd("tiff.mov", image("TIFF", size=(62, 48)), PICTURE),
    Odd("film.jpg", copy(), NO_IMAGE),
    Odd("matroska.mp4", copy("good.mkv")),
    Odd("mp4.avi", copy()),
    Odd("gif.mp4", copy("good.gif")),
    Odd("jpeg.png", image("JPEG", size=(60, 44))),
]
NOISE = [
    *(Odd(f"noise{extension}", noise, UNREADABLE)
      for extension in (".mp4", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".mpg", ".m2v", ".vob",
                        ".ts", ".m2ts", ".ogv", ".mxf", ".dv", ".rm", ".wtv", ".gif")),
    *(Odd(f"noise{extension}", noise, NO_IMAGE)
      for extension in (".jpg", ".png", ".ppm", ".bmp", ".tif", ".webp", ".avif", ".jp2")),
]  # fmt: skip
PLACES = [
    Odd("broken link.mp4", link("nowhere.mp4"), NO_FILE),
    Odd("loop.mp4", link("loop.mp4"), NO_FILE),
    Odd("outside.mp4", link("{good}/good.mkv")),
    Odd("same.mp4", link("plain.mp4"), "duplicate"),
    Odd("null.mp4", link("/dev/null"), NO_FILE),
    Odd("zero.mkv", link("/dev/zero"), NO_FILE),
    Odd("pipe.mp4", pipe, NO_FILE),
    Odd("pipe.png", pipe, NO_FILE),
    Odd("socket.mp4", listening, NO_FILE),
    Odd("folder.mp4", folder, NOTHING),
    Odd("folder again", link("."), "ignored: a folder that was seen under another name"),
    Odd("folder.mkv/inside.mp4", copy()),
    Odd("/".join(["deep"] * 40) + "/deep.mp4", copy()),
    Odd("folder../a..b..mp4", copy()),
    Odd(".cache", folder, "ignored: hidden folder"),
    Odd(".hidden.mp4", copy(), HIDDEN),
    Odd(".DS_Store", content("x"), HIDDEN),
    Odd("notes.txt", content("x"), OTHER),
    Odd("README", content("x"), OTHER),
    Odd("sidecar.srt", content("1\n00:00:00,000 --> 00:00:01,000\nOne\n"), OTHER),
    Odd("photo.heic", content("x"), OTHER),
    Odd("blank at its end.mp4 ", copy(), OTHER),
]
TWICE = "caf\u00e9.mp4"
NAMES = [
    Odd(name, copy())
    for name in (
        "blank name.mp4", " .mp4", "quote'.mp4", 'two"quotes".mp4', "comma,semi;colon.mp4", "new\nline.mp4",
        "tab\tname.mp4", "-rf.mp4", "--help.mp4", "{wildcards}.mp4", "{shard}{.mp4", "100%s%03d.mp4", "~.mp4",
        "$HOME$(id)`id`.mp4", "*?[a].mp4", "back\\slash.mp4", "#hash&x=1.mp4", "http:__x.mp4", "10:30 take.mp4",
        "=1+1.mp4", "@SUM(1).mp4", "<b>bold</b>.mp4", "NaN.mp4", "CON.mp4", "UPPER.MP4", "upper.mp4",
        unicodedata.normalize("NFC", TWICE), unicodedata.normalize("NFD", TWICE), "\u202egpj.mp4",
        "zero\u200bwidth.mp4", "line\u2028mark.mp4", "\U0001f600\u200d\U0001f525.mp4", "\u6f22\u5b57.mp4",
        "\ufeffmark.mp4", "x" * 251 + ".mp4", "\u00e9" * 125 + ".mp4",
    )
]  # fmt: skip
NAMES += [
    Odd(os.fsdecode(b"latin \xe9.mp4"), copy(), "name is not UTF-8"),
    Odd(os.fsdecode(b"half \xed\xa0\x80.mp4"), copy(), "name is not UTF-8"),
    Odd("red \x1b[31m.mp4", copy(), "name holds control characters"),
    Odd("bell \x07.mp4", copy(), "name holds control characters"),
    Odd("return \r.mp4", copy(), "name holds control characters"),
]
IMAGES = [
    Odd("plain.png", image("PNG")),
    Odd("plain.jpg", image("JPEG")),
    Odd("progressive.jpeg", image("JPEG", progressive=True)),
    Odd("plain.bmp", image("BMP")),
    Odd("plain.webp", image("WEBP")),
    Odd("plain.avif", image("AVIF")),
    Odd("plain.jp2", image("JPEG2000")),
    Odd("plain.tif", image("TIFF")),
    Odd("packed.tiff", image("TIFF", compression="tiff_lzw")),
    Odd("plain.ppm", image("PPM")),
    Odd("grey.pgm", image("PPM", "L")),
    Odd("bits.pbm", image("PPM", "1")),
    Odd("bits.png", image("PNG", "1")),
    Odd("grey.png", image("PNG", "L")),
    Odd("grey.jpg", image("JPEG", "L")),
    Odd("palette.png", image("PNG", "P")),
    Odd("palette with a hole.png", image("PNG", "P", transparency=3)),
    Odd("transparent.png", image("PNG", "RGBA")),
    Odd("transparent grey.png", image("PNG", "LA")),
    Odd("transparent.webp", image("WEBP", "RGBA", lossless=True)),
    Odd("inks.jpg", image("JPEG", "CMYK")),
    Odd("lab.tif", image("TIFF", "LAB")),
    Odd("rotated.jpg", image("JPEG", orientation=6)),
    Odd("mirrored.jpg", image("JPEG", orientation=2)),
    Odd("rotated.png", image("PNG", orientation=8)),
    Odd("damaged exif.jpg", image("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    Odd("deep grey.png", deep()),
    Odd("deep.png", deep(3)),
    Odd("deep.tif", deep(3)),
    Odd("floats.tif", deep(1, float_=True)),
    Odd("float colours.tif", deep(3, float_=True)),
    Odd("one pixel.png", image("PNG", size=(1, 1))),
    Odd("tall.png", image("PNG", size=(1, 500))),
    Odd("bomb.png", bomb, "an image of too many pixels"),
    Odd("moving.png", moving("PNG", duration=100)),
    Odd("moving.webp", moving("WEBP", duration=100), "an animated image"),
    Odd("moving.avif", moving("AVIF", duration=100), "an animated image"),
    Odd("pages.tif", moving("TIFF")),
    Odd("cut.jpg", part_of_image("JPEG", 0, 0.6), CUT_IMAGE),
    Odd("cut.png", part_of_image("PNG", 0, 0.6), CUT_IMAGE),
    Odd("cut.webp", part_of_image("WEBP", 0, 0.6), CUT_IMAGE),
    Odd("cut.tif", part_of_image("TIFF", 0, 0.6), CUT_IMAGE),
    Odd("without its head.jpg", part_of_image("JPEG", 0.2), NO_IMAGE),
    Odd("empty.png", content(b"\x89PNG\r\n\x1a\n"), NO_IMAGE),
    Odd("script.png", content("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"), NO_IMAGE),
]
ODD = [
    *(*CONTAINERS, *CODECS, *PIXELS, *SHAPES, *TIMES, *STREAMS, *CUT_SHORT, *TEXTS, *NOISE, *PLACES, *NAMES),
    *(odd._replace(name=f"images/{odd.name}") for odd in IMAGES),
]
"""Everything that lies in the folder of videos."""


def make_all(videos: Path, good: Path) -> None:
    """Write the odd files into `videos`, and the good ones that they are made of into `good`."""
    good_files(good)
    for odd in ODD:
        path = videos / odd.name
        path.parent.mkdir(parents=True, exist_ok=True)
        odd.make(path, good)


def _subtitles(path: Path, good: Path) -> None:
    text = good / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nOne\n")
    again("text.srt")(path, good)
