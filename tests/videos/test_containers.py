"""A file is a video only by its own bytes: no other file, address or device is opened, whatever it says; and no file,
however damaged, does more than to end as a reject."""

import errno
import os
import random
import signal
from pathlib import Path

import av
import pytest
from clipmill.engine.rejects import Reject
from clipmill.plan.costs import megapixels
from clipmill.videos.containers import bytes_of, opened, sound_stream, video_stream
from clipmill.videos.reader import Reader
from one_file import Scanned, ffmpeg

EXTENSIONS = (".mp4", ".mov", ".mkv", ".avi", ".ts", ".mpg", ".webm", ".gif", ".flv", ".wmv")
SMALL = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that holds good files for lists to name: ok.mp4, ok.ts, ok001.png."""
    folder = tmp_path_factory.mktemp("named")
    for name in ("ok.mp4", "ok.ts"):
        ffmpeg(*SMALL, folder / name)
    ffmpeg(*SMALL, folder / "ok%03d.png")
    return folder


LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile ok.mp4\n",
    "ffconcat of a place that ffmpeg refuses": "ffconcat version 1.0\nfile ../named/ok.mp4\n",
    "ffconcat of an address": "ffconcat version 1.0\nfile http://127.0.0.1:9/x.mp4\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nok.ts\n#EXT-X-ENDLIST\n",
    "HLS with a mark": "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nok.ts\n#EXT-X-ENDLIST\n",
    "DASH": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="0"><BaseURL>ok.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "PLS": "[playlist]\nFile1=ok.mp4\nNumberOfEntries=1\n",
    "ASX": '<ASX version="3.0"><Entry><Ref href="ok.mp4"/></Entry></ASX>',
}


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_a_list_of_other_files_is_told_as_one(folder, text, extension):
    path = folder / f"list{extension}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Reject) as fault:
        Reader(path)
    assert fault.value.reason == "a playlist, not a video"
    assert megapixels(str(path)) == 1.0


def test_a_name_that_counts_is_no_list_of_pictures(folder):
    for number in (1, 2, 3):
        ffmpeg(*SMALL, "-frames:v", 1, folder / f"n{number:03d}.gif")
    (folder / "n001.gif").rename(folder / "n%03d.gif")
    with Reader(folder / "n%03d.gif") as reader:
        assert sum(1 for _ in reader.frames()) == 1


PICTURES = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "svg with a head": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "ppm": b"P6 2 1 255\n" + bytes(6),
}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", *PICTURES])
def test_a_picture_by_another_name_is_told_as_one(tmp_path, form):
    from PIL import Image

    path = tmp_path / "x.mp4"
    if form in PICTURES:
        path.write_bytes(PICTURES[form])
    else:
        Image.new("RGB", (64, 48), "red").save(path, form)
    with pytest.raises(Reject) as fault:
        Reader(path)
    assert fault.value.reason == "a picture, not a video"
    assert megapixels(str(path)) == 1.0


def test_a_film_that_refers_to_another_file_does_not_open_it(folder):
    """QuickTime's data references: the frames lie in a file that the film names."""
    path = folder / "reference.mov"
    ffmpeg("-i", folder / "ok.mp4", "-c", "copy", path)
    data = path.read_bytes()
    inside = b"\0\0\0\x0curl \0\0\0\1"  # a reference to the file itself
    target = f"file://{folder / 'ok.mp4'}".encode() + b"\0"
    assert inside in data
    elsewhere = (12 + len(target)).to_bytes(4, "big") + b"url \0\0\0\0" + target
    grown = len(elsewhere) - len(inside)
    at = data.index(inside)
    data = bytearray(data[:at] + elsewhere + data[at + len(inside) :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = data.rindex(box, 0, at) - 4
        data[start : start + 4] = (int.from_bytes(data[start : start + 4], "big") + grown).to_bytes(4, "big")
    path.write_bytes(data)
    (folder / "ok.mp4").rename(folder / "away.mp4")
    try:
        alone = frames_or_reject(path)
    finally:
        (folder / "away.mp4").rename(folder / "ok.mp4")
    assert frames_or_reject(path) == alone


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_a_reject_and_is_never_waited_for(tmp_path, kind):
    path = tmp_path / "x.mp4"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(Reject, match="not a file"):
        opened(path)
    assert megapixels(str(path)) == 1.0


def test_a_file_that_is_gone_is_no_fault_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "gone.mp4")
    assert megapixels(str(tmp_path / "gone.mp4")) == 1.0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EIO, errno.ENOMEM, errno.EACCES, errno.EINVAL])
def test_an_error_of_the_libraries_is_the_items_unless_its_file_cannot_be_read(folder, number):
    """ffmpeg answers what it will not do with the system's numbers, which PyAV raises as the system's errors."""
    with pytest.raises(Reject, match="damaged"), bytes_of(folder / "ok.mp4", "damaged"):
        av.error.err_check(-number)
    gone = number not in (errno.ENOMEM, errno.EINVAL)
    with pytest.raises(FileNotFoundError if gone else Reject), bytes_of(folder / "gone.mp4", "damaged"):
        av.error.err_check(-number)


# Streams ------------------------------------------------------------------------------------------------------------

PROXY = ("-f", "lavfi", "-i", "testsrc=s=32x24:r=5:d=2")
TRUE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2")
BOTH = (*PROXY, *TRUE, "-map", "0:v", "-map", "1:v")


@pytest.mark.parametrize(
    "options",
    [
        (*BOTH, "-disposition:v:0", "0", "-disposition:v:1", "default", "x.mp4"),
        (*BOTH, "-c:v:0", "mjpeg", "-c:v:1", "libx264", "x.mov"),
        (*BOTH, "-r", "10", "-c:v", "mpeg2video", "x.ts"),
        (*BOTH, "-c:v", "libx264", "-disposition:v", "0", "x.mkv"),
        (*TRUE, *PROXY, "-map", "0:v", "-map", "1:v", "-disposition:v", "default", "x.mkv"),
        (*TRUE, *PROXY, "-map", "0:v", "-map", "1:v", "-c:v:0", "mjpeg", "-c:v:1", "libx264", "x.mov"),
        (*PROXY, *TRUE, "-map", "1:v", "-map", "0:v", "-c:v:1", "png", "-disposition:v:1", "attached_pic", "x.mp4"),
    ],
    ids=["default second", "thumbnails", "variants", "none default", "all default", "pictures with a proxy", "cover"],
)
def test_the_default_stream_otherwise_the_largest_is_read(tmp_path, options):
    path = tmp_path / options[-1]
    ffmpeg(*options[:-1], path)
    video = Scanned(path, tmp_path / "results", fmin=1).video
    assert (video["width"], video["height"], video["num_frames"]) == ("64", "48", "20")


def test_a_small_default_stream_comes_before_a_larger_one(tmp_path):
    path = tmp_path / "x.mkv"
    ffmpeg(*BOTH, "-disposition:v:0", "default", "-disposition:v:1", "0", path)
    with opened(path) as container:
        assert video_stream(container).width == 32


def test_the_cut_shows_the_stream_that_was_scanned(tmp_path):
    path = tmp_path / "x.mov"
    ffmpeg(*BOTH, "-c:v:0", "mjpeg", "-c:v:1", "libx264", path)
    (clip,) = Scanned(path, tmp_path / "results", fmin=1, clips={"min_seconds": 1}).cut()
    assert (clip["cut_width"], clip["cut_height"], clip["cut_num_frames"]) == (64, 48, 20)


def test_the_default_sound_is_heard(tmp_path):
    path = tmp_path / "x.mkv"
    tones = [part for hertz in (440, 880) for part in ("-f", "lavfi", "-i", f"sine=f={hertz}:d=2:r=8000")]
    ffmpeg(*TRUE, *tones, "-map", 0, "-map", 1, "-map", 2, "-disposition:a:0", "0", "-disposition:a:1", "default", path)
    with opened(path) as container:
        assert sound_stream(container, video_stream(container)).index == 2


# Mutants ------------------------------------------------------------------------------------------------------------

SOURCES = {
    "a.mp4": ("-c:v", "libx264", "-g", "5"),
    "b.mov": ("-c:v", "mjpeg"),
    "c.mkv": ("-c:v", "libx264", "-bf", "2"),
    "d.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8"),
    "e.avi": ("-c:v", "mpeg4"),
    "f.ts": ("-c:v", "mpeg2video"),
    "g.mpg": ("-c:v", "mpeg1video"),
    "h.flv": ("-c:v", "flv1"),
    "i.wmv": ("-c:v", "wmv2"),
    "j.gif": (),
}
HANG_SECONDS = 60


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, bytes]:
    """A small video in each of ten containers, two frames a second with a tone where the container takes one."""
    folder = tmp_path_factory.mktemp("sources")
    made = {}
    for name, options in SOURCES.items():
        rate = () if name.endswith((".mpg", ".ts")) else ("-r", "12")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", *rate, *options, folder / name)
        made[name] = (folder / name).read_bytes()
    return made


def mutant(data: bytes, random: random.Random) -> bytes:
    """A damaged copy: bytes changed, a stretch lost, doubled, emptied or put elsewhere, or its end cut off."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 40))):
        if not out:
            break
        # Half of all damage falls into the first two kilobytes, where headers are.
        at = random.randrange(min(len(out), random.choice((2048, len(out)))))
        size = random.choice((1, 4, 16, 256, 2048))
        kind = random.choice(("byte", "byte", "lost", "doubled", "emptied", "moved", "huge", "cut"))
        part = bytes(out[at : at + size])
        if kind == "byte":
            out[at] = random.randrange(256)
        elif kind == "lost":
            del out[at : at + size]
        elif kind == "doubled":
            out[at:at] = part
        elif kind == "emptied":
            out[at : at + size] = bytes(len(part))
        elif kind == "moved":
            del out[at : at + size]
            to = random.randrange(len(out) + 1)
            out[to:to] = part
        elif kind == "huge":
            out[at : at + 4] = b"\x7f\xff\xff\xff"[: len(part)]
        else:
            del out[max(1, at) :]
    return bytes(out)


def frames_or_reject(path: Path) -> int | str:
    """How many frames a file has, or why it is a reject."""
    try:
        with Reader(path) as reader:
            return sum(1 for _ in reader.frames())
    except Reject as fault:
        return fault.reason


def too_long(*_):
    raise TimeoutError(f"no answer in {HANG_SECONDS} seconds")


def try_mutants(sources: dict[str, bytes], folder: Path, each: int, seed: str) -> dict[str, int]:
    """Read `each` mutants of each source; returns how many gave frames and how many a reject."""
    outcomes = {"frames": 0, "reject": 0}
    previous = signal.signal(signal.SIGALRM, too_long)
    try:
        for name, data in sources.items():
            for number in range(each):
                path = folder / f"{number}{Path(name).suffix}"
                path.write_bytes(mutant(data, random.Random(f"{seed} {name} {number}")))
                signal.alarm(HANG_SECONDS)
                try:
                    outcome = frames_or_reject(path)
                except Exception as error:
                    raise AssertionError(f"mutant {number} of {name}, seed {seed}") from error
                finally:
                    signal.alarm(0)
                assert megapixels(str(path)) >= 1.0
                outcomes["frames" if isinstance(outcome, int) else "reject"] += 1
                path.unlink()
    finally:
        signal.signal(signal.SIGALRM, previous)
    return outcomes


def test_a_mutant_gives_frames_or_a_reject(sources, tmp_path):
    outcomes = try_mutants(sources, tmp_path, 4, "short")
    assert min(outcomes.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["one", "two", "three", "four"])
def test_two_thousand_mutants_give_frames_or_a_reject(sources, tmp_path, seed):
    outcomes = try_mutants(sources, tmp_path, 50, seed)
    assert sum(outcomes.values()) == 500
    assert min(outcomes.values()) > 50
