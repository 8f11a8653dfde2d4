"""Odd files and names, each with what must become of it (see odd_videos.py): the table is `ODD`."""

import os
import unicodedata
from pathlib import Path

from odd_makers import (
    bomb,
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
    part_of_image,
    pipe,
    zipped,
)
from odd_videos import (
    CODECS,
    CONTAINERS,
    CUT_IMAGE,
    CUT_SHORT,
    HIDDEN,
    LIST,
    NO_FILE,
    NO_IMAGE,
    NOTHING,
    OTHER,
    PICTURE,
    PIXELS,
    SHAPES,
    STREAMS,
    TIMES,
    UNREADABLE,
    Odd,
)

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
