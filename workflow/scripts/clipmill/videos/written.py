"""Whether a clip's file holds what its encoder gave: by its packets, by a sample of its pictures, or by all of them.

What each level sees, and what it does not, stands in docs/how-it-works.md ("What is checked of a clip").
"""

import hashlib
import zlib
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from clipmill.engine.rejects import Reject
from clipmill.videos import h264

LEVELS = ("packets", "sample", "decode")
"""`cut.check`, from the least to the most."""
EVERY = 16
"""With `sample`, one clip of so many is decoded whole; its id says which."""
FIRST = 8
"""With `sample`, so many packets are decoded where a clip, or a part of it that is coded on its own, begins."""
CELL = 16
"""Pixels of the squares of luma whose means are compared."""
UNLIKE = 16
"""The mean difference of these means, of 255, from which on a picture is not what was encoded."""
SETS = {"h264": (lambda unit: unit[0] & 31, (7, 8)), "hevc": (lambda unit: unit[0] >> 1 & 63, (32, 33, 34))}
"""How the kind of a unit is read, and the kinds that a file keeps in its header: the parameter sets."""
FAULT = "the clip does not read back"


class Written:
    """What goes into a file: its packets by stream, and how its pictures look.

    `level`: how the file is checked. `tick`: seconds of a unit of the pictures' times.
    """

    def __init__(self, level: str, identity: str, codec: str, tick: Fraction):
        self.whole = level == "decode" or (level == "sample" and zlib.crc32(identity.encode()) % EVERY == 0)
        self.sampled, self.codec, self.tick = level != "packets", codec, tick
        self.packets: dict[str, list[tuple]] = {"video": [], "audio": []}
        self.starts, self.looks, self.header = {0}, {}, None
        """Of the video: the numbers of the packets with which a part begins; how pictures look, by their times."""

    def video(self, packet: av.Packet, units: list[bytes] | None = None) -> None:
        """A packet of the video that is about to be written; `units`: what it holds, where it is no byte stream."""
        self._add("video", packet, b"".join(self.of_pictures(units or h264.by_start_codes(bytes(packet)))))

    def audio(self, packet: av.Packet) -> None:
        """A packet of the sound that is about to be written."""
        self._add("audio", packet, bytes(packet))

    def _add(self, kind: str, packet: av.Packet, content: bytes) -> None:
        times = packet.pts * packet.time_base, packet.dts * packet.time_base
        self.packets[kind].append((times, packet.is_keyframe, hashlib.sha256(content).digest()))

    def of_pictures(self, units: list[bytes]) -> list[bytes]:
        """The units of a packet without parameter sets, which a file may keep in its header."""
        kind, sets = SETS[self.codec]
        return [unit for unit in units if kind(unit) not in sets]

    def picture(self, pts: int, shown: list[np.ndarray], since: int, exact: bool = False) -> None:
        """A picture that is to be shown at `pts`; `since`: how many came since its part began. `exact`: the file must
        show these very values, otherwise a picture like it."""
        if self.whole or (self.sampled and since < 3 * FIRST):
            self.looks[pts] = content_of(shown) if exact else look(shown[0])

    def check(self, path: str, size: tuple[int, int]) -> float:
        """Compare the file with what was written. Returns the seconds from its first picture's time to its last's.

        `size`: (height, width). Raises Reject where it differs.
        """
        try:
            with av.open(path) as container:
                Reading(self, container, size).run()
        except (av.error.FFmpegError, ValueError) as error:
            raise Reject(FAULT, str(error)) from error
        shown = [times[0] for times, _, _ in self.packets["video"]]
        return float(max(shown) - min(shown))

    def digest(self, kind: str, data: bytes) -> bytes:
        """The digest of a packet of a file, as `video` and `audio` take it of what is written."""
        content = b"".join(self.of_pictures(h264.by_lengths(data))) if kind == "video" else data
        return hashlib.sha256(content).digest()

    def begins(self, number: int) -> bool:
        """Whether a packet of the video is among the first of a part."""
        return any(number - back in self.starts for back in range(FIRST))


class Reading:
    """One pass over a file that was just written."""

    def __init__(self, written: Written, container: av.container.InputContainer, size: tuple[int, int]):
        self.written, self.container, self.size, self.seen = written, container, size, 0
        streams = {stream.type: stream for stream in container.streams}
        if set(streams) != {kind for kind, packets in written.packets.items() if packets}:
            raise Reject(FAULT, f"it has the streams {sorted(streams)}")
        self.stream = streams["video"]
        self.stream.codec_context.thread_count, self.stream.thread_type = 1, "NONE"

    def run(self) -> None:
        """Raise Reject where the file is not as it was written."""
        self.header()
        written, counts = self.written, dict.fromkeys(self.written.packets, 0)
        for packet in self.container.demux():
            if not packet.size:
                continue
            kind, number = packet.stream.type, counts[packet.stream.type]
            counts[kind] += 1
            if number >= len(written.packets[kind]) or not self.same(written.packets[kind][number], kind, packet):
                raise Reject(FAULT, f"packet {number} of its {kind} is not the one that was written")
            if kind == "video" and (written.whole or (written.sampled and written.begins(number))):
                self.pictures(packet.decode())
        if counts != {kind: len(packets) for kind, packets in written.packets.items()}:
            raise Reject(FAULT, f"it ends after {counts['video']} packets of video, {counts['audio']} of sound")
        if written.sampled:
            self.pictures(self.stream.codec_context.decode(None))
        if written.whole and self.seen != len(written.looks):
            raise Reject(FAULT, f"{self.seen} of {len(written.looks)} pictures can be decoded")

    def header(self) -> None:
        """Compare the size, the codec and, of H.264, the parameter sets."""
        context, written = self.stream.codec_context, self.written
        found = context.height, context.width
        if found != self.size or context.name != written.codec:
            raise Reject(FAULT, f"its header says {context.name}, {found} pixels (height, width)")
        if written.header and written.codec == "h264":
            sets = [h264.configuration(data)[1:] for data in (written.header, context.extradata)]
            if sets[0] != sets[1]:
                raise Reject(FAULT, "its header holds other parameter sets than those of the encoder")

    def same(self, wrote: tuple, kind: str, packet: av.Packet) -> bool:
        """Whether a packet of the file is the one that was written, at its times."""
        times, key, content = wrote
        if packet.pts is None or packet.dts is None or key != packet.is_keyframe:
            return False
        found = packet.pts * packet.time_base, packet.dts * packet.time_base
        near = all(abs(one - other) <= packet.time_base / 2 for one, other in zip(times, found, strict=True))
        return near and content == self.written.digest(kind, bytes(packet))

    def pictures(self, frames: list[av.VideoFrame]) -> None:
        """Compare pictures with what was to be shown."""
        for frame in frames:
            seconds = frame.pts * self.stream.time_base
            wanted, found = self.written.looks.get(round(seconds / self.written.tick)), (frame.height, frame.width)
            if found != self.size or wanted is None or frame.is_corrupt:
                raise Reject(FAULT, f"a picture of {found} pixels (height, width) at {float(seconds):.3f} s")
            shown = list(planes(frame))
            same = content_of(shown) == wanted if isinstance(wanted, int) else unlikeness(shown[0], wanted) < UNLIKE
            if not same:
                raise Reject(FAULT, f"the picture at {float(seconds):.3f} s is not the one that was written")
            self.seen += 1


def planes(picture: av.VideoFrame) -> Iterator[np.ndarray]:
    """Y, U and V of a yuv420p picture, height x width uint8, without the padding of their lines."""
    for plane in picture.planes:
        lines = np.frombuffer(plane, np.uint8, plane.line_size * plane.height).reshape(plane.height, plane.line_size)
        yield np.ascontiguousarray(lines[:, : plane.width])


def content_of(shown: list[np.ndarray]) -> int:
    """A checksum of the planes of a picture."""
    sum_so_far = 0
    for plane in shown:
        sum_so_far = zlib.crc32(plane, sum_so_far)
    return sum_so_far


def look(luma: np.ndarray) -> np.ndarray:
    """How a picture looks from afar: the means of 16 pixels of each square of its luma (height x width uint8)."""
    height, width = (min(CELL, side) for side in luma.shape)
    down, across = luma.shape[0] // height, luma.shape[1] // width
    squares = luma[: down * height, : across * width].reshape(down, height, across, width)
    return squares[:, ::4, :, ::4].mean(axis=(1, 3), dtype=np.float32)


def unlikeness(luma: np.ndarray, wanted: np.ndarray) -> float:
    """The mean difference, of 255, between a picture from afar and the look of another."""
    return float(np.abs(look(luma) - wanted).mean())
