"""Reading videos: which stream, which frames in which order and at which time, which way up.

Seconds are always counted from the first frame of the video, frames from 0 in presentation order.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from clipmill.step import ItemError

SAME = 0.0005
"""Two times that differ by less, in seconds, are the same: tables hold a tenth of a millisecond."""

HDR = {16: "pq", 18: "hlg"}
"""AVColorTransferCharacteristic of SMPTE ST 2084 and ARIB STD-B67."""


@dataclass
class Frame:
    """A decoded frame: its number, its presentation time in the stream's ticks, and the picture as it was coded."""

    index: int
    pts: int
    seconds: float
    picture: av.VideoFrame


class Reader:
    """An opened video. Raises ItemError where the file is no video that can be read."""

    def __init__(self, path: str | Path, threads: int = 1):
        self.path = Path(path)
        if self.path.stat().st_size == 0:
            raise ItemError("empty file")
        try:
            self.container = opened(self.path)
        except OSError:
            raise
        except (ValueError, av.error.FFmpegError) as error:
            raise ItemError("not a readable video (damaged, truncated, or none at all)", f"{error}") from error
        self.stream = _picture_stream(self.container)
        if self.stream is None:
            self.container.close()
            raise ItemError("no video stream", f"the {self.container.format.name} file holds no moving picture")
        if (index := self.stream.index_entries) and index[-1].pos + index[-1].size > self.path.stat().st_size:
            self.container.close()
            raise ItemError("damaged or truncated", "its index names frames beyond its end")
        self.stream.codec_context.thread_count = threads
        self.stream.thread_type = "AUTO" if threads > 1 else "NONE"
        self.tick: Fraction = self.stream.time_base
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.step = max(1, round(1 / (self.rate * self.tick)))
        self.first: int | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.close()

    def frames(self) -> Iterator[Frame]:
        """All frames from the first one on. Raises ItemError where decoding breaks."""
        last, index = None, -1
        for index, picture in enumerate(self._decoded()):
            last = self._pts(picture, last)
            self.first = last if self.first is None else self.first
            yield Frame(index, last, float((last - self.first) * self.tick), picture)
        if index < 0:
            raise ItemError("no frame can be decoded")

    def span(self, start: float, end: float, first_index: int) -> Iterator[Frame]:
        """The frames with start <= seconds < end, by one seek and one forward pass; `first_index` numbers the first."""
        frames = self.frames()
        opening = next(frames)
        frames = self._after_seek(opening, start) if start > 1 else chain([opening], frames)
        index = first_index
        for frame in frames:
            if frame.seconds >= end - SAME:
                return
            if frame.seconds >= start - SAME:
                yield Frame(index, frame.pts, frame.seconds, frame.picture)
                index += 1

    def _after_seek(self, opening: Frame, start: float) -> Iterator[Frame]:
        """Frames from the key frame at or before `start`; from the very first one where the seek missed or where an
        AVI, which holds no presentation times, lets the decoder guess them from what it saw before."""
        guessed = self.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        if opening.picture.pts is None or guessed:
            return self._again()
        self.container.seek(opening.pts + int((start - SAME) / self.tick), stream=self.stream, backward=True)
        frames = self._timed()
        landed = next(frames, None)
        if landed is None or landed.seconds > start + SAME:
            return self._again()
        return chain([landed], frames)

    def _again(self) -> Iterator[Frame]:
        self.container.close()
        self.container = opened(self.path)
        self.stream = _picture_stream(self.container)
        return self.frames()

    def _timed(self) -> Iterator[Frame]:
        last = None
        for picture in self._decoded():
            last = self._pts(picture, last)
            yield Frame(-1, last, float((last - self.first) * self.tick), picture)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        count = 0
        try:
            for picture in self.container.decode(self.stream):
                yield picture
                count += 1
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and not isinstance(error, ValueError):
                raise
            raise ItemError("damaged or truncated", f"decoding stopped after {count} frames: {error}") from error

    def _pts(self, picture: av.VideoFrame, last: int | None) -> int:
        """Presentation times that rise, also where the container has none or begins anew. A repeated time moves by one
        tick, so that the times after it stay, and are found again after a seek."""
        pts = picture.pts
        if last is None:
            return 0 if pts is None else pts
        return last + self.step if pts is None or pts < last - self.step else max(pts, last + 1)


def opened(path: Path) -> av.container.InputContainer:
    """The container of a file, whose name is never taken for an address (`10:30 shoot/a.mp4`)."""
    return av.open(f"file:{path}", metadata_errors="replace")


def _picture_stream(container):
    """The first video stream that has a decoder and is no cover picture."""
    for stream in container.streams.video:
        if stream.codec_context and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def frames(path: str | Path, row: dict, threads: int = 1) -> Iterator[Frame]:
    """The frames of a clip (a row with start, end, start_frame), read from its source in one forward pass.

    Raises ItemError where the source cannot be read.
    """
    with contextlib.closing(Reader(path, threads).span(*span_of(row))) as span:
        yield from span


def span_of(row: dict) -> tuple[float, float, int]:
    """(start seconds, end seconds, first frame) of a clip's row."""
    return float(row["start"]), float(row["end"]), int(row["start_frame"])


def turn(image: np.ndarray, rotation: int) -> np.ndarray:
    """An image turned upright, for a frame's `rotation` in degrees (a multiple of 90)."""
    quarters = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def photograph(opened):
    """An opened still image (PIL) as 8-bit RGB, turned upright by its EXIF tag."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def shown_size(picture: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """(height, width) in square pixels and upright, for a frame and its sample aspect ratio."""
    height, width = picture.height, picture.width
    if aspect and aspect > 0:
        width = round(width * aspect)
    return (width, height) if round(picture.rotation / 90) % 2 else (height, width)


def shrunk(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """`size` (height, width) scaled so that its short side is at most `short_side`; never enlarged."""
    factor = min(1.0, short_side / min(size)) if short_side else 1.0
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def bgr(picture: av.VideoFrame) -> np.ndarray:
    """The frame as coded, HxWx3 BGR uint8 (neither turned nor tone-mapped): what a detector compares."""
    return picture.to_ndarray(format="bgr24")


def upright(picture: av.VideoFrame, size: tuple[int, int], coded: np.ndarray | None = None) -> np.ndarray:
    """The frame as people see it: BGR uint8 of `size` (height, width), upright, square pixels, HDR tone-mapped.

    `coded` is the result of `bgr(picture)` where it is at hand.
    """
    import cv2

    flat = size if round(picture.rotation / 90) % 2 == 0 else size[::-1]
    if int(picture.color_trc) in HDR:
        image = tone_mapped(picture, flat)
    else:
        image = cv2.resize(bgr(picture) if coded is None else coded, flat[::-1], interpolation=cv2.INTER_AREA)
    return turn(image, picture.rotation)


def grey(picture: av.VideoFrame, short_side: int, aspect: Fraction | None = None) -> np.ndarray:
    """The frame upright as HxW grey uint8 with its short side at most `short_side` pixels, in square pixels."""
    import cv2

    size = shrunk(shown_size(picture, aspect), short_side)
    flat = size if round(picture.rotation / 90) % 2 == 0 else size[::-1]
    image = picture.reformat(format="gray").to_ndarray()
    return turn(cv2.resize(image, flat[::-1], interpolation=cv2.INTER_AREA), picture.rotation)


def tone_mapped(picture: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """An HDR (PQ or HLG, BT.2020) frame as BT.709 BGR uint8 of `size` (height, width).

    Curves of ITU-R BT.2100, primaries of BT.2087, the extended Reinhard operator with white at 1000 nits over a
    reference white of 203 nits (BT.2408).
    """
    import cv2

    wide = picture.reformat(width=size[1], height=size[0], format="rgb48le").to_ndarray().astype(np.float32) / 65535
    if HDR[int(picture.color_trc)] == "pq":
        root = np.power(wide, 1 / 78.84375)
        nits = 10000 * np.power(np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)
    else:
        scene = np.where(wide <= 0.5, wide**2 / 3, (np.exp((wide - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        luma = scene @ np.float32([0.2627, 0.6780, 0.0593])
        nits = 1000 * scene * np.power(np.maximum(luma, 1e-6), 0.2)[..., None]
    light = (
        nits / 203 @ np.float32([[1.6605, -0.1246, -0.0182], [-0.5876, 1.1329, -0.1006], [-0.0728, -0.0083, 1.1187]])
    )
    light = np.maximum(light, 0)
    light = light * (1 + light / (1000 / 203) ** 2) / (1 + light)
    coded = np.where(light < 0.018, 4.5 * light, 1.099 * np.power(np.maximum(light, 1e-6), 0.45) - 0.099)
    return cv2.cvtColor((np.clip(coded, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)
