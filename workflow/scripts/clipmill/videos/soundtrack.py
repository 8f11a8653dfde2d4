"""The sound of a source, decoded once for all clips of it."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import av
from av.stream import Discard

from clipmill.engine import files
from clipmill.videos.containers import opened, sound_stream, video_stream

BLOCK = 5
"""Seconds of a block. Its bounds are the source's, not a clip's, so a clip sounds the same with any neighbours."""
EARLY = 0.5
"""Seconds before a span at which decoding begins: the first frames of a lossy sound lack what came before them."""
BEFORE = 0.1
"""Seconds before a clip that a resampler hears first."""
KEPT = 16
"""Blocks that are kept: of sound in stereo, two megabytes each."""

Timed = tuple[float, av.AudioFrame]
"""A frame of sound, with the seconds at which it begins."""


class Soundtracks:
    """The decoded sounds of the sources that are being cut, in blocks; threads may share it.

    `decoded` counts the blocks that were decoded.
    """

    def __init__(self):
        self.blocks: OrderedDict[tuple[Path, int], list[Timed]] = OrderedDict()
        self.lock, self.decoded = threading.Lock(), 0

    def frames(self, path: Path, begin: float, end: float) -> Iterator[Timed]:
        """The sound of a source from a little before `begin` seconds to `end`, in order."""
        for number in range(int((begin - BEFORE) // BLOCK), int(end // BLOCK) + 1):
            for seconds, frame in self.block(path, number):
                if begin - BEFORE < seconds + frame.samples / frame.sample_rate and seconds < end:
                    yield seconds, frame

    def block(self, path: Path, number: int) -> list[Timed]:
        """The frames that begin in a block."""
        with self.lock:
            if (path, number) in self.blocks:
                self.blocks.move_to_end((path, number))
                return self.blocks[path, number]
        begin, end = number * BLOCK, (number + 1) * BLOCK
        found = between(path, begin, begin, end)
        if found is None:
            found = between(path, 0, begin, end)
        with self.lock:
            self.decoded += 1
            self.blocks[path, number] = found
            while len(self.blocks) > KEPT:
                self.blocks.popitem(last=False)
        return found


def between(path: Path, sought: float, begin: float, end: float) -> list[Timed] | None:
    """The frames that begin in a span of a source's time (seconds), read from `sought` on; None where the seek came
    out behind `begin`. A frame without a time follows the one before it."""
    found: list[Timed] = []
    with opened(path) as container:
        stream = sound_stream(container, video_stream(container))
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        seconds = None
        for frame in heard(path, container, stream, sought):
            if seconds is None and sought > 0 and (frame.time is None or frame.time > begin):
                return None
            seconds = frame.time if frame.time is not None else seconds or 0.0
            if seconds >= end:
                break
            if seconds >= begin:
                found.append((seconds, frame))
            seconds += frame.samples / frame.sample_rate
    return found


def heard(path: Path, container, stream, begin: float) -> Iterator[av.AudioFrame]:
    """The frames of a sound from a little before `begin` seconds on, damaged packets left out.

    Raises OSError where the file at `path` cannot be read.
    """
    if begin > EARLY:
        with contextlib.suppress(av.error.FFmpegError):  # what cannot seek is read from its start
            container.seek(int((begin - EARLY) / stream.time_base), stream=stream)
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                files.read_through(path)
