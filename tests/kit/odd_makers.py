"""Makes odd files. Every maker gives a function of the path to write, and of a folder of good files to start from."""

import os
import random
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from one_file import ffmpeg
from PIL import Image

Make = Callable[[Path, Path], None]
"""Makes one odd file: (its path, the folder of good files)."""

PICTURE = "testsrc2=s={}:r={}:d={}"
KEY = "76" * 16
ENCRYPTED = f"-fflags +bitexact -encryption_scheme cenc-aes-ctr -encryption_key {KEY} -encryption_kid {KEY}"


def good_files(folder: Path) -> None:
    """Write the good files that the makers start from: videos of 2 s with a key frame every 5 frames, a sound, a
    picture."""
    folder.mkdir()
    for name, options in {
        "good.mp4": "-c:v libx264 -movflags +faststart",
        "late.mov": "-c:v libx264",
        "fragments.mp4": "-c:v libx264 -movflags +frag_keyframe+empty_moov",
        "good.mkv": "-c:v libx264",
        "good.webm": "-c:v libvpx-vp9 -cpu-used 8 -row-mt 0",
        "good.avi": "-c:v mpeg4",
        "good.ts": "-c:v libx264",
        "good.mpg": "-c:v mpeg2video -r 25",
        "good.flv": "-c:v flv1",
        "good.wmv": "-c:v wmv2",
        "good.ogv": "-c:v libtheora",
        "good.gif": "",
    }.items():
        ffmpeg("-f", "lavfi", "-i", PICTURE.format("64x48", 10, 2), *options.split(), "-g", 5, folder / name)
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", folder / "sound.mp3")
    ffmpeg("-f", "lavfi", "-i", PICTURE.format("80x60", 10, 1), "-frames:v", 1, folder / "picture.png")


def video(options: str = "", size: str = "64x48", rate: int = 10, seconds: float = 1, before: str = "") -> Make:
    """A video that the ffmpeg program makes of moving test pictures, with these `options`."""

    def make(path: Path, good: Path) -> None:
        picture = ("-f", "lavfi", "-i", PICTURE.format(size, rate, seconds))
        ffmpeg(*before.split(), *picture, *options.split(), path)

    return make


def again(source: str, options: str = "-c copy", before: str = "", then: str = "") -> Make:
    """A good file through the ffmpeg program again; `before`: options of its input, `then`: a second input."""

    def make(path: Path, good: Path) -> None:
        second = ("-i", good / then) if then else ()
        ffmpeg(*before.split(), "-i", good / source, *second, *options.split(), path)

    return make


def copy(source: str = "good.mp4") -> Make:
    """A good file as it is, under another name; what is added at its end makes it no duplicate."""

    def make(path: Path, good: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        own = b"" if source.endswith(".gif") else os.fsencode(path.name)
        added = (len(own) + 8).to_bytes(4, "big") + b"free" + own if source.endswith(("mp4", "mov")) else own
        path.write_bytes((good / source).read_bytes() + added)

    return make


def part(source: str, start: float = 0, end: float = 1) -> Make:
    """The bytes of a good file from one share of its length to another."""

    def make(path: Path, good: Path) -> None:
        content = (good / source).read_bytes()
        path.write_bytes(content[int(start * len(content)) : int(end * len(content))])

    return make


def broken(source: str, start: float, length: int) -> Make:
    """A good file in which `length` bytes from a share of its length on are random."""

    def make(path: Path, good: Path) -> None:
        content = bytearray((good / source).read_bytes())
        at = int(start * len(content))
        content[at : at + length] = random.Random(1).randbytes(length)
        path.write_bytes(content)

    return make


def content(data: bytes | str) -> Make:
    """A file with this content."""
    return lambda path, good: path.write_bytes(data.encode() if isinstance(data, str) else data) and None


def noise(path: Path, good: Path) -> None:
    """Random bytes, other ones for each name."""
    path.write_bytes(random.Random(path.name).randbytes(3000))


def sizes_change(path: Path, good: Path) -> None:
    """A broadcast whose pictures become larger in the middle."""
    ffmpeg("-f", "lavfi", "-i", PICTURE.format("96x64", 10, 1), "-c:v", "libx264", good / "larger.ts")
    path.write_bytes((good / "good.ts").read_bytes() + (good / "larger.ts").read_bytes())


def zipped(path: Path, good: Path) -> None:
    """An archive that holds a good video."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(good / "good.mp4", "good.mp4")


def link(target: str) -> Make:
    """A symbolic link; `{good}` is the folder of good files."""
    return lambda path, good: path.symlink_to(target.format(good=good))


def pipe(path: Path, good: Path) -> None:
    """A named pipe that nobody writes to."""
    os.mkfifo(path)


def listening(path: Path, good: Path) -> None:
    """A socket, made where its path is short enough and moved."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def folder(path: Path, good: Path) -> None:
    """An empty folder."""
    path.mkdir()


def pixels(width: int = 64, height: int = 48, depth: int = 8, channels: int = 3) -> np.ndarray:
    """A picture of ramps and blocks, height x width x channels (height x width for one)."""
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x // 8 + y // 8) % 2 * 255, 128 + x * 0]
    values = np.stack(planes[:channels], axis=-1)
    values = values * 257 if depth == 16 else values
    return values.astype(np.uint16 if depth == 16 else np.uint8).squeeze(axis=2 if channels == 1 else ())


def image(form: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), orientation: int = 0, **options) -> Make:
    """A still image that Pillow writes, of a mode and a size (width, height)."""

    def make(path: Path, good: Path) -> None:
        colours = Image.fromarray(pixels(*size))
        picture = colours.quantize(16) if mode == "P" else colours.convert("RGBA" if mode == "LA" else mode)
        picture = picture.convert(mode)
        if mode in ("RGBA", "LA"):
            picture.putalpha(Image.fromarray(pixels(*size, channels=1)))
        if orientation:
            exif = Image.Exif()
            exif[274] = orientation
            options["exif"] = exif
        picture.save(path, form, **options)

    return make


def moving(form: str, **options) -> Make:
    """An image of six pictures that Pillow writes."""

    def make(path: Path, good: Path) -> None:
        pictures = [Image.fromarray(np.roll(pixels(), 8 * number, axis=1)) for number in range(6)]
        pictures[0].save(path, form, save_all=True, append_images=pictures[1:], **options)

    return make


def deep(channels: int = 1, float_: bool = False) -> Make:
    """An image of 16 bits, or of floats from 0 to 1, a channel."""

    def make(path: Path, good: Path) -> None:
        import cv2

        values = pixels(depth=16, channels=channels)
        if float_:
            values = (values / 65535).astype(np.float32)
        assert cv2.imwrite(str(path), values)

    return make


def part_of_image(form: str, start: float = 0, end: float = 1) -> Make:
    """The bytes of a still image from one share of its length to another."""

    def make(path: Path, good: Path) -> None:
        Image.fromarray(pixels(200, 150)).save(path, form)
        data = path.read_bytes()
        path.write_bytes(data[int(start * len(data)) : int(end * len(data))])

    return make


def bomb(path: Path, good: Path) -> None:
    """A picture of a few kilobytes that unfolds to 900 million pixels."""
    Image.new("1", (30000, 30000)).save(path, "PNG")
