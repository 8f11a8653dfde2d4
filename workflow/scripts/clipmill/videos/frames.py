"""The frame store: one zip of JPEG pictures per video, the frames that scorers look at.

`scan_videos` writes it in its one pass; a picture's name is `<frame, 8 digits>-<microseconds, 10 digits or more>.jpg`.
"""

import contextlib
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from clipmill.engine import archives, vouch
from clipmill.engine.files import whole
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step
from clipmill.videos import filters, pictures
from clipmill.videos.reader import SAME_TIME, Reader, refuse_damaged, span_of

cv2.setNumThreads(1)  # a step's threads work on items side by side


@dataclass(frozen=True)
class Store:
    """Where frames come from: `folder` of the zips, `videos` (the folder that relpath starts from), and whether
    pictures are read from the zips ("store") or, exactly and slowly, from the source ("video")."""

    folder: Path
    videos: Path
    source: str = "store"

    def path(self, video_id: str) -> Path:
        """The zip of a video."""
        return self.folder / video_id[:2] / f"{video_id}.zip"


class FrameStep(Step):
    """A step that looks at stored frames."""

    @cached_property
    def store(self) -> Store:
        """Where this step reads frames."""
        return Store(self.store_folder, self.videos, self.settings.get("frames_from", {}).get("source", "store"))

    @property
    def reads_source(self) -> bool:
        """Whether it reads sources in place of the store."""
        return self.store.source == "video"

    def pictures(self, row: dict) -> list[np.ndarray]:
        """The frames of a clip at the moments that the settings name, HxWx3 RGB uint8; a still image once."""
        return read(self.store, row, self.moments(row))

    def moments(self, row: dict) -> list[float]:
        """The moments (0-1) of a clip that the settings name; of a still image one."""
        return [0.5] if row["num_frames"] == "1" else self.settings["frames"]


class Shot(NamedTuple):
    """A frame of a clip: the true seconds from the clip's start at which it is shown, and its picture, which the store
    holds as JPEG bytes and a source as pixels (HxWx3 RGB uint8)."""

    seconds: float
    jpeg: bytes | None
    pixels: np.ndarray | None = None

    @property
    def image(self) -> np.ndarray:
        """HxWx3 RGB uint8."""
        return _decoded(self.jpeg) if self.pixels is None else self.pixels


class Grid:
    """Picks a video's frames that lie on the grid of `fps` pictures per second: the first at or after each tick."""

    def __init__(self, fps: float):
        self.fps, self.next = fps, 0

    def wants(self, seconds: float) -> bool:
        """Whether the frame at `seconds` is the first one at or after the next tick. Call it in time order."""
        if seconds + SAME_TIME < self.next / self.fps:
            return False
        self.next = int((seconds + SAME_TIME) * self.fps) + 1
        return True


def name(index: int, seconds: float) -> str:
    """The name of a frame's picture in the zip."""
    return f"{index:08d}-{round(seconds * 1e6):010d}.jpg"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Callable[[int, float, bytes], None]]:
    """Write a store by calls of (frame number, seconds, JPEG bytes), each number once: no picture stays in memory."""
    with whole(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        yield lambda index, seconds, jpeg: archive.writestr(zipfile.ZipInfo(name(index, seconds)), jpeg)
        archive.comment = archives.contents(archive)


def write(path: Path, images: dict[int, tuple[float, bytes]]) -> None:
    """Write a small store: frame number -> (seconds, JPEG bytes)."""
    with writing(path) as put:
        for index, (seconds, jpeg) in sorted(images.items()):
            put(index, seconds, jpeg)


def encode(image: np.ndarray, quality: int) -> bytes:
    """A BGR uint8 image as JPEG bytes; `quality` 0-100."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise Reject("a frame cannot be stored as JPEG", f"size {image.shape[1]}x{image.shape[0]}")
    return data.tobytes()


def sampled(store: Store, row: dict, seconds: float = 0.5) -> tuple[np.ndarray, list[np.ndarray]]:
    """A clip's frames about `seconds` apart over its whole length, and its last one: (times, images).

    Times are true presentation times in seconds from the clip's start; images are HxWx3 RGB uint8.
    """
    length = float(row["end"]) - float(row["start"]) if row["end"] else 0.0
    ticks = np.arange(0, max(length, 1e-9), seconds)
    return _pick(store, row, [*ticks, max(0.0, length)])


def read(store: Store, row: dict, fractions: Sequence[float]) -> list[np.ndarray]:
    """The stored frames nearest to the given fractions (0-1) of a clip, HxWx3 RGB uint8, one per fraction.

    Raises Reject where the clip has no frame that can be read.
    """
    length = float(row["end"]) - float(row["start"]) if row["end"] else 0.0
    wanted = [fraction * length for fraction in fractions]
    times, images = _pick(store, row, wanted)
    return [images[int(np.abs(times - seconds).argmin())] for seconds in wanted]


def _pick(store: Store, row: dict, wanted: list[float]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The times and the images of `shots`."""
    found = shots(store, row, wanted)
    return np.array([shot.seconds for shot in found]), [shot.image for shot in found]


def shots(store: Store, row: dict, wanted: Sequence[float]) -> list[Shot]:
    """The distinct frames of a clip nearest to the wanted seconds from its start, in time order, as its row wants them
    cropped; at least one.

    Raises Reject where the clip has no frame that can be read.
    """
    found = _whole(store, row, wanted)
    if filters.box_of(row) is None:
        return found
    return [Shot(shot.seconds, None, filters.cropped(shot.image, row)) for shot in found]


def _whole(store: Store, row: dict, wanted: Sequence[float]) -> list[Shot]:
    start = float(row["start"] or 0)
    if store.source == "video" and row.get("kind") != "image":
        return _from_source(store, row, wanted)
    ends = [f"{int(row[end]):08d}" for end in ("start_frame", "end_frame")]
    with _opened(store.path(row["video_id"])) as archive:
        first, end = (bisect_left(archive.names, edge) for edge in ends)
        times = np.array([int(entry[9:-4]) / 1e6 - start for entry in archive.names[first:end]])
        chosen = sorted({int(np.abs(times - seconds).argmin()) for seconds in wanted}) if first < end else []
        found = [Shot(float(times[number]), archive.read(first + number)) for number in chosen]
    return found or _from_source(store, row, wanted)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[archives.Archive]:
    """A store being read, its directory parsed once for all clips of the video.

    Raises vouch.Damaged, and removes it for the next run to make again, where it is not whole.

    Each picture has its checksum in the zip, and any error but the machine's is damage of what we wrote.
    """
    try:
        yield archives.opened(path)
    except FileNotFoundError:
        archives.forget(path)
        raise vouch.Damaged(path, "is missing") from None
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            raise
        archives.forget(path)
        path.unlink(missing_ok=True)
        raise vouch.Damaged(path, f"was damaged ({error}) and has been removed") from error


def _decoded(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("a picture cannot be decoded")
    return image


def _from_source(store: Store, row: dict, wanted: Sequence[float]) -> list[Shot]:
    """The exact frames at the wanted seconds, in one forward pass over the clip in its source."""
    start, targets, best = float(row["start"]), sorted(set(wanted)), {}
    with Reader(store.videos / row["relpath"]) as reader:
        for frame in reader.span(*span_of(row)):
            refuse_damaged(frame)
            for target in targets:
                distance = abs(frame.seconds - start - target)
                if target not in best or distance < best[target][0]:
                    best[target] = (distance, frame)
        if not best:
            raise Reject("no frame of the clip can be read")
        aspect = reader.stream.sample_aspect_ratio
    picked = {frame.index: frame for _, frame in best.values()}
    ordered = [picked[index] for index in sorted(picked)]
    images = [pictures.upright(f.picture, pictures.shown_size(f.picture, aspect))[..., ::-1] for f in ordered]
    return [
        Shot(frame.seconds - start, None, np.ascontiguousarray(image))
        for frame, image in zip(ordered, images, strict=True)
    ]
