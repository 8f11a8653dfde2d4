"""Which pictures of a clip need no encoding, because their packets can be copied from the source.

H.264 is coded in groups: from a picture that refers to nothing before it (IDR), each packet needs those before it only.
So from the first such picture of a clip on, packets are copied for as long as the pictures that they hold are all of
the clip and without a gap. What comes before that picture, and the few pictures left at the end, are encoded.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av

from clipmill.videos import h264
from clipmill.videos.containers import opened, video_stream

LEAST = 0.25
"""The share of a clip's pictures from which on copying is worth two encodings at its edges."""
BEHIND = 40
"""Packets that are looked at behind a clip's last: H.264 moves none by more than 16 pictures."""


class Unfit(Exception):
    """The clip is encoded whole; the message says why."""


class Plan(NamedTuple):
    """How a clip is put together. `pts`: the times of its pictures, rising, in the source's ticks; the first `head` of
    them are encoded, those of the packets `copied` (in the order of the file) are not, and the rest is."""

    path: Path
    configuration: h264.Configuration
    pts: list[int]
    head: int
    copied: list[int]

    def packets(self) -> Iterator[tuple[av.Packet, list[bytes]]]:
        """Each packet that is copied, with its units. Raises Unfit where the source has changed."""
        at = 0
        with opened(self.path) as container, contextlib.suppress(av.error.FFmpegError):
            for packet in sought(container, self.copied[0]):
                if at or packet.pts == self.copied[0]:
                    if packet.pts != self.copied[at] or packet.is_corrupt:
                        break
                    yield packet, h264.by_lengths(bytes(packet))
                    at += 1
                if at == len(self.copied):
                    return
        raise Unfit("packets cannot be read again")


def plan(path: Path, begin: int, count: int) -> Plan:
    """The plan for `count` pictures of a source from the time `begin` (ticks) on. Raises Unfit where there is none."""
    with opened(path) as container:
        configuration = configured(video_stream(container).codec_context)
        packets = list(of_span(container, configuration, begin, count))
    times = sorted(pts for pts, _ in packets)[:count]
    if len(set(times)) != count or times[0] != begin:
        raise Unfit("times of packets and pictures differ")
    place = {pts: number for number, pts in enumerate(times)}
    first = next((at for at, (pts, idr) in enumerate(packets) if idr and pts in place), None)
    if first is None:
        raise Unfit("no closed group of pictures begins in it")
    head = place[packets[first][0]]
    copied = [pts for pts, _ in packets[first : first + whole(packets[first:], place, head)]]
    if len(copied) < LEAST * count:
        raise Unfit("its groups of pictures are too long")
    return Plan(path, configuration, times, head, copied)


def whole(packets: list[tuple[int, bool]], place: dict[int, int], head: int) -> int:
    """How many of the packets from an IDR picture on can be copied: the most whose pictures leave no gap.

    `place`: the number of each picture of the clip by its time; `head`: that of the IDR picture.
    """
    found, latest = 0, head
    for number, (pts, _) in enumerate(packets, 1):
        if pts not in place or place[pts] < head:
            break
        latest = max(latest, place[pts])
        found = number if latest - head + 1 == number else found
    return found


def configured(context: av.VideoCodecContext) -> h264.Configuration:
    """The configuration of a source's decoder. Raises Unfit where it cannot be joined with x264's."""
    if context.name != "h264":
        raise Unfit("its source is not H.264")
    try:
        found = h264.configuration(context.extradata if (context.extradata or b"\0")[0] == 1 else None)
    except ValueError:
        raise Unfit("its container holds H.264 in another form") from None
    if found.head[0] not in h264.PROFILES or context.pix_fmt != "yuv420p":
        raise Unfit("its source is not 8-bit 4:2:0 of the profiles baseline, main or high")
    return found


def sought(container: av.container.InputContainer, begin: int) -> Iterator[av.Packet]:
    """The packets of the video from the key frame at or before a time (ticks) on."""
    stream = video_stream(container)
    container.seek(begin, stream=stream, backward=True)
    return (packet for packet in container.demux(stream) if packet.size)


def of_span(container, configuration: h264.Configuration, begin: int, count: int) -> Iterator[tuple[int, bool]]:
    """(time, whether it is an IDR picture) of the packets of a span and of some behind it, in the order of the file.

    Raises Unfit where one of them cannot be copied.
    """
    sets, left = {*configuration.sps, *configuration.pps}, count + BEHIND
    for packet in sought(container, begin):
        if packet.pts is None or packet.is_corrupt or packet.is_discard:
            raise Unfit("packets without times, damaged or hidden")
        if packet.pts < begin:
            continue
        try:
            units = h264.by_lengths(bytes(packet))
        except ValueError:
            raise Unfit("its container holds H.264 in another form") from None
        kinds = {h264.kind(unit) for unit in units}
        if any(h264.kind(unit) in (h264.SPS, h264.PPS) and unit not in sets for unit in units):
            raise Unfit("its parameter sets change")
        yield packet.pts, h264.IDR in kinds
        left -= 1
        if not left:
            return
