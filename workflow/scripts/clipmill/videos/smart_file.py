"""The file of a clip that copies packets of its source where it can, and encodes its edges (`cut.mode: smart`)."""

from collections.abc import Iterator
from typing import NamedTuple

import av
from av.codec.context import Flags

from clipmill.videos import conversion, encoders, h264
from clipmill.videos.clip_file import ClipFile
from clipmill.videos.containers import opened, video_stream
from clipmill.videos.copying import Plan, Unfit
from clipmill.videos.reader import Frame


class Coded(NamedTuple):
    """A packet of the video: its time in ticks from the clip's first, whether it begins a group, and its units."""

    pts: int
    key: bool
    units: list[bytes]


class Edge:
    """An encoder of the pictures before or behind those that are copied, and what it gave."""

    def __init__(self, context: av.VideoCodecContext):
        self.context, self.packets = context, []

    @property
    def configuration(self) -> h264.Configuration:
        """The parameter sets of its packets."""
        return h264.configuration(self.context.extradata)

    def encode(self, picture: av.VideoFrame | None) -> None:
        """Take a picture; None: the last one was taken."""
        for packet in self.context.encode(picture):
            units = h264.by_start_codes(bytes(packet))
            self.packets.append(Coded(packet.pts, packet.is_keyframe, units))


class SmartFile(ClipFile):
    """A ClipFile that is written as `plan` says. Its methods raise Unfit where the source is not as planned.

    The header holds the parameter sets of the source and, under a number that those leave free, x264's.
    """

    def __init__(self, plan: Plan, path: str, opening, row: dict, source, settings: dict, *rest):
        self.plan, self.settings, self.opening = plan, settings, opening.picture
        self.behind = plan.head + len(plan.copied)
        self.edges: dict[int, Edge] = {}
        super().__init__(path, opening, row, source, settings, *rest)

    def video_stream(self, settings: dict, picture: av.VideoFrame):
        """The file's video stream, as the source describes its own."""
        if not conversion.plain(picture, self.size):
            raise Unfit("its pictures are changed")
        with opened(self.plan.path) as container:
            stream = self.file.add_stream_from_template(video_stream(container), opaque=True)
        stream.time_base = self.tick
        return stream

    def write(self, frame: Frame) -> None:
        """Take the next frame of the source."""
        if self.written >= len(self.plan.pts) or frame.pts != self.plan.pts[self.written]:
            raise Unfit("times of packets and pictures differ")
        if frame.picture.interlaced_frame:
            raise Unfit("its pictures are interlaced")
        if not conversion.plain(frame.picture, self.size):
            raise Unfit("its pictures are changed")
        super().write(frame)

    def encode(self, out: av.VideoFrame, pts: int) -> None:
        """Encode a picture of an edge; of one whose packet is copied, only keep how it looks."""
        number, plan = self.written, self.plan
        part = 0 if number < plan.head else self.behind if number >= self.behind else plan.head
        copied = plan.head <= number < self.behind
        out.pts, out.time_base, out.pict_type = pts, self.tick, 0
        self.noted.picture(pts, self.taken(out), number - part, exact=copied)
        if not copied:
            if part not in self.edges:
                self.edges[part] = Edge(self.context())
            self.edges[part].encode(out)

    def sound_until(self, seconds: float | None) -> None:
        """Write the sound, as soon as the video is written as well."""
        if seconds is None:
            super().sound_until(None)

    def context(self) -> av.VideoCodecContext:
        """An encoder like the source's, whose parameter sets have a number of their own."""
        context = av.CodecContext.create("libx264", "w")
        conversion.describe(context, self.opening, self.size)
        context.time_base, context.framerate = self.tick, self.source_rate
        context.flags |= Flags.global_header
        known = self.plan.configuration
        options = encoders.options(encoders.X264, self.settings)
        more = [options.pop("x264-params", ""), f"sps-id={h264.free_id(known)}"]
        profile = {"profile": h264.PROFILES[known.head[0]]}
        context.options = options | profile | {"x264-params": ":".join(filter(None, more))}
        return context

    def finish(self) -> None:
        """Write all packets: those of the first edge, the copied ones, and those of the last edge."""
        for edge in self.edges.values():
            edge.encode(None)
        header, given = self.plan.configuration, [edge.configuration for edge in self.edges.values()]
        if given:
            if given[0] != given[-1]:
                raise Unfit("its edges have different parameter sets")
            header = h264.joined(header, given[0])
        self.video.codec_context.extradata = self.noted.header = h264.record(header)
        order = [*self.packet_times(0), *(pts - self.first for pts in self.plan.copied)]
        self.noted.starts = {0, len(self.packet_times(0)), len(order)}
        order += self.packet_times(self.behind)
        for coded, dts, length in zip(
            self.coded(), decoded_at(order, self.step), lengths(order, self.step), strict=True
        ):
            packet = av.Packet(h264.with_lengths(coded.units))
            packet.stream, packet.time_base, packet.is_keyframe = self.video, self.tick, coded.key
            packet.pts, packet.dts, packet.duration = coded.pts, dts, length
            self.noted.video(packet, coded.units)
            self.file.mux(packet)
            super().sound_until(float(coded.pts * self.tick))

    def packet_times(self, part: int) -> list[int]:
        """The times of the packets of an edge, in the order of the file."""
        found = self.edges.get(part) if part != self.plan.head else None
        return [packet.pts for packet in found.packets] if found else []

    def coded(self) -> Iterator[Coded]:
        """The packets of the clip, in the order of the file."""
        if self.plan.head:
            yield from self.edges[0].packets
        for packet, units in self.plan.packets():
            yield Coded(packet.pts - self.first, packet.is_keyframe, units)
        if self.behind in self.edges:
            yield from self.edges[self.behind].packets


def decoded_at(order: list[int], step: int) -> list[int]:
    """The times at which packets are decoded, rising, none after its picture is shown.

    `order`: the times of their pictures, in the order of the file; `step`: ticks from a picture to the next.
    """
    shown = sorted(order)
    place = {pts: number for number, pts in enumerate(shown)}
    ahead = max(number - place[pts] for number, pts in enumerate(order))
    return [shown[0] - (ahead - number) * step for number in range(ahead)] + shown[: len(order) - ahead]


def lengths(order: list[int], step: int) -> list[int]:
    """How long the picture of each packet is shown, in ticks; the last of the clip: `step`."""
    shown = sorted(order)
    until = dict(zip(shown, [*shown[1:], shown[-1] + step], strict=True))
    return [until[pts] - pts for pts in order]
