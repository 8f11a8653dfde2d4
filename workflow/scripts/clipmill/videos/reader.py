"""Reads videos: which stream, which frames in which order, and at which time.

Seconds are always counted from the first frame of the video, frames from 0 in presentation order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from clipmill.engine.rejects import Reject
from clipmill.engine.workers import progress
from clipmill.videos import damage
from clipmill.videos.containers import opened, video_stream
from clipmill.videos.damage import Damage

SAME_TIME = 0.0005
"""Two times that differ by less, in seconds, are the same: tables hold a tenth of a millisecond."""


@dataclass(slots=True)
class Frame:
    """A decoded frame: its number, its presentation time in the stream's ticks, and the picture as it was coded."""

    index: int
    pts: int
    seconds: float
    picture: av.VideoFrame


class Reader:
    """An opened video. Raises Reject where the file is not a readable video."""

    def __init__(self, path: str | Path, threads: int = 1):
        self.path = Path(path)
        self.container = opened(self.path)
        self.stream = video_stream(self.container)
        if self.stream is None:
            self.container.close()
            raise self.why_no_stream()
        self.stream.codec_context.thread_count = threads
        self.stream.thread_type = "AUTO" if threads > 1 else "NONE"
        self.tick: Fraction = self.stream.time_base
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.step = max(1, round(1 / (self.rate * self.tick)))
        self.first: int | None = None
        self.damage = Damage()

    def why_no_stream(self) -> Reject:
        """Why the file has no stream of moving pictures."""
        form = self.container.format.name
        if not self.container.streams and damage.lacks_its_end(self.path, form):
            return Reject("truncated", f"the {form} file ends within its header")
        return Reject("no video stream", f"the {form} file holds no moving picture")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.close()

    def frames(self) -> Iterator[Frame]:
        """All frames from the first one on, without those that cannot be decoded: `damage` tells where they are.

        Raises Reject where no frame can be decoded.
        """
        self.damage = Damage()
        last, index = None, -1
        for index, picture in enumerate(self._decoded()):
            last = self._pts(picture, last)
            self.first = last if self.first is None else self.first
            yield Frame(index, last, self._seconds(last), picture)
        if index < 0:
            raise self.damage.why_nothing(self.path, self.container.format.name)

    def span(self, start: float, end: float, first_index: int) -> Iterator[Frame]:
        """The frames with start <= seconds < end, by one seek and one forward pass; `first_index` numbers the first."""
        frames = self.frames()
        opening = next(frames)
        frames = self._after_seek(opening, start) if start > 1 else chain([opening], frames)
        index = first_index
        for frame in frames:
            if frame.seconds >= end - SAME_TIME:
                return
            if frame.seconds >= start - SAME_TIME:
                yield Frame(index, frame.pts, frame.seconds, frame.picture)
                index += 1

    def _after_seek(self, opening: Frame, start: float) -> Iterator[Frame]:
        """Frames from the key frame at or before `start`; from the very first one where the seek missed or where an
        AVI, which holds no presentation times, lets the decoder guess them from what it saw before."""
        guessed = self.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        if opening.picture.pts is None or guessed:
            return self._again()
        self.container.seek(opening.pts + int((start - SAME_TIME) / self.tick), stream=self.stream, backward=True)
        frames = self._timed()
        landed = next(frames, None)
        if landed is None or landed.seconds > start + SAME_TIME or landed.picture.is_corrupt:
            return self._again()
        return chain([landed], frames)

    def _again(self) -> Iterator[Frame]:
        self.container.close()
        self.container = opened(self.path)
        self.stream = video_stream(self.container)
        return self.frames()

    def _timed(self) -> Iterator[Frame]:
        last = None
        for picture in self._decoded():
            last = self._pts(picture, last)
            yield Frame(-1, last, self._seconds(last), picture)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for picture in damage.pictures(self.container, self.stream, self.path, self.damage):
            progress()
            yield picture

    def _seconds(self, pts: int) -> float:
        """Seconds from the first frame: the float nearest to the fraction, without the cost of one."""
        return (pts - self.first) * self.tick.numerator / self.tick.denominator

    def _pts(self, picture: av.VideoFrame, last: int | None) -> int:
        """Presentation times that rise, even where the container has none or starts again. A repeated time moves by one
        tick, so that the times after it stay, and are found again after a seek."""
        pts = picture.pts
        if last is None:
            return 0 if pts is None else pts
        return last + self.step if pts is None or pts < last - self.step else max(pts, last + 1)


def refuse_damaged(frame: Frame) -> None:
    """Raise Reject where the decoder calls a frame damaged: a scan, which read the video from its start, did not."""
    if frame.picture.is_corrupt:
        raise Reject("damaged pictures", f"at {frame.seconds:.3f} s")


def span_of(row: dict) -> tuple[float, float, int]:
    """(start seconds, end seconds, first frame) of a clip's row."""
    return float(row["start"]), float(row["end"]), int(row["start_frame"])
