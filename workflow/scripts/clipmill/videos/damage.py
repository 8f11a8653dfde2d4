"""What of a video is damaged: where its packets or pictures are, and where they are whole again."""

import contextlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import av

from clipmill.engine.rejects import Reject
from clipmill.videos.containers import OF_BYTES, bytes_of, opened, reject_of

TRIES = 16
"""Errors of a container, one after the other, after which no more is read."""
SHARE, SLACK = 1.05, 0.1
"""A file is cut short where it promises this many times its length, and this many seconds, more than it holds."""
FROM_ZERO = ("matroska,webm", "asf", "flv", "wtv")
"""Formats (ffmpeg's names) whose header tells when the file ends, not how long it is: a recording may start late."""
OGG_PAGE = 65307
"""The most bytes of an Ogg page; its sixth byte has the bit 4 where it is the last (RFC 3533, 6)."""
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""The mark of ASF's File Properties Object, 40 bytes into which stands the file's size (ASF 1.2, 3.2)."""
TS_PACKETS = (188, 192, 204)
"""Bytes of a packet of a transport stream: plain, with Blu-ray's time codes, with error correction."""
TS_PACKET, TS_MARK, TS_SCRAMBLED = 188, 0x47, 0xC0
"""Bytes of a packet of an MPEG transport stream, its first byte, and the bits of its fourth byte that say that it is
scrambled (ISO/IEC 13818-1, 2.4.3.2)."""


class Damage:
    """Where a stream is damaged, in its ticks.

    A picture that is damaged or lost spoils those that are coded as changes to it: a stretch of damage lasts until the
    next key frame that is whole. `times` and `sizes` (bytes) are those of all packets.
    """

    def __init__(self):
        self.bad: list[int] = []
        self.keys: list[int] = []
        self.packets = self.key_packets = 0
        self.times, self.sizes = array("q"), array("q")
        self.encrypted = False

    def spans(self, pts: list[int]) -> list[tuple[int, int]]:
        """(first frame, end frame) of each damaged stretch, in order and apart; `pts`: the frames' rising times.

        What is lost before the first frame is no damage: it is where the video starts.
        """
        keys, spans = sorted(set(self.keys) - set(self.bad)), []
        for bad in sorted(self.bad):
            if not pts or bad < pts[0]:
                continue
            after = bisect_right(keys, bad)
            first = max(0, bisect_right(pts, bad) - 1)
            end = bisect_left(pts, keys[after]) if after < len(keys) else len(pts)
            # A lost frame leaves the one before it on the screen for too long.
            if first < end:
                spans.append((first, end))
        return joined(spans)

    def why_nothing(self, path: Path, form: str) -> Reject:
        """Why not a single picture could be decoded; `form`: ffmpeg's name of the container."""
        if self.encrypted or (form == "mpegts" and is_scrambled(path)):
            return Reject("encrypted", "its pictures can only be decoded with a key")
        if self.packets and not self.key_packets:
            return Reject("starts in the middle of a group of pictures", f"no key frame in {self.packets} packets")
        return Reject("no frame can be decoded", f"{self.packets} packets were read")


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap or touch as one."""
    out: list[tuple[int, int]] = []
    for first, end in spans:
        if out and first <= out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((first, end))
    return out


def pictures(container: av.container.InputContainer, stream, path: Path, damage: Damage) -> Iterator[av.VideoFrame]:
    """The pictures of a stream in the order of their times; what cannot be decoded is left out and noted in `damage`.

    Raises OSError where the file itself cannot be read.
    """
    last, begun, broken = 0, False, False
    for packet in packets(container, stream, path, damage):
        place = packet.pts if packet.pts is not None else packet.dts if packet.dts is not None else last
        locked = packet.has_sidedata("encryption_info")
        whole = not packet.is_corrupt and not locked
        found: list[av.VideoFrame] = []
        try:
            found = [] if locked else packet.decode()  # some decoders draw what they cannot understand
        except EOFError:  # the decoder was emptied before
            return
        except OF_BYTES as error:
            reject_of(error, path, "damaged")
            whole = False
        if packet.size:
            damage.packets += 1
            damage.times.append(place)
            damage.sizes.append(packet.size)
            damage.key_packets += packet.is_keyframe
            damage.encrypted |= locked
            if whole and packet.is_keyframe:
                damage.keys.append(place)
                broken = False
            elif not whole:
                broken = begun or packet.is_keyframe
            if broken:  # pictures that are shown before a damaged one may be coded, after it, as changes to it
                damage.bad.append(place)
        for picture in found:
            begun = True
            last = picture.pts if picture.pts is not None else last
            if picture.is_corrupt:
                damage.bad.append(last)
            yield picture


def packets(container: av.container.InputContainer, stream, path: Path, damage: Damage) -> Iterator[av.Packet]:
    """The packets of a stream, and at the end an empty one; after an error of the container those that follow it."""
    tries, last, demuxed = 0, None, container.demux(stream)
    while tries < TRIES:
        try:
            packet = next(demuxed, None)
        except OF_BYTES as error:
            reject_of(error, path, "damaged")
            tries, demuxed = tries + 1, container.demux(stream)
            if last is not None:
                damage.bad.append(last)
            continue
        if packet is None:
            return
        tries = 0 if packet.size else tries
        last = packet.pts if packet.pts is not None else last
        yield packet


def promised(container: av.container.InputContainer, stream, path: Path, end: float) -> float | None:
    """The seconds of video that a file should hold, where it is cut short; otherwise None.

    `end`: the end of the last frame in seconds; it is the answer where the file lacks its end but tells no length. A
    file that goes on with sound is not cut short.
    """
    form = container.format.name
    told = float(stream.duration * stream.time_base) if stream.duration else float((container.duration or 0) / 1e6)
    if form == "avi":
        told = max(told, float(stream.frames / (stream.average_rate or 25)))
    if form in FROM_ZERO:
        told -= max(0, container.start_time or 0) / 1e6
    if told > end * SHARE + SLACK and told > last_second(path) * SHARE + SLACK:
        return told
    return end if lacks_its_end(path, form) else None


def lacks_its_end(path: Path, form: str) -> bool:
    """Whether the bytes of a file stop before the mark, or the size, that its format (ffmpeg's name) ends with."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(1024)
        file.seek(max(0, size - OGG_PAGE))
        tail = file.read()
    if form.startswith("mov"):
        return end_of_boxes(path) > size
    if form == "gif":
        return not tail.rstrip(b"\0").endswith(b";")
    if form == "ogg":
        page = tail.rfind(b"OggS")
        return page >= 0 and not tail[page + 5 : page + 6] > b"\3"
    if form == "asf":
        at = head.find(ASF_PROPERTIES)
        return at >= 0 and int.from_bytes(head[at + 40 : at + 48], "little") > size
    if form == "mpegts":
        packet = next((length for length in TS_PACKETS if head[: length * 4 : length] == head[:1] * 4), 0)
        return bool(packet) and size % packet > 0
    return False


def end_of_boxes(path: Path) -> int:
    """Where the last box of an MP4 or QuickTime file should end, in bytes (ISO/IEC 14496-12, 4.2)."""
    at, size = 0, path.stat().st_size
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            if length < 8:  # 0: up to the end of the file
                return size
            at += length
    return at


def last_second(path: Path) -> float:
    """When the last packet of any stream ends, in seconds from the first one's start; nothing is decoded."""
    starts, ends = [], [0.0]
    with opened(path) as container, contextlib.suppress(Reject), bytes_of(path, "damaged"):
        for packet in container.demux():
            if packet.size and packet.pts is not None and not packet.is_corrupt:
                starts.append(float(packet.pts * packet.time_base))
                ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return max(ends) - min(starts, default=0.0)


def is_scrambled(path: Path) -> bool:
    """Whether most packets of a transport stream say that they are scrambled."""
    with open(path, "rb") as file:
        data = file.read(TS_PACKET * 5000)
    heads = [data[at + 3] for at in range(0, len(data) - TS_PACKET, TS_PACKET) if data[at] == TS_MARK]
    return sum(head & TS_SCRAMBLED > 0 for head in heads) > len(heads) / 2
