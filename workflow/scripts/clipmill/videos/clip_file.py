"""The file of a clip: H.264 (or HEVC) exact to the frame, with its sound, read back before it counts."""

import hashlib
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from clipmill.engine.rejects import Reject
from clipmill.videos import conversion, encoders, pictures
from clipmill.videos.reader import SAME_TIME, Frame, Reader
from clipmill.videos.sound import AUDIO_RATE, Sound
from clipmill.videos.soundtrack import Soundtracks
from clipmill.videos.written import Written, planes


class Source(NamedTuple):
    """What a clip is cut from: its opened source, and the sounds that were decoded so far."""

    reader: Reader
    tracks: Soundtracks


class ClipFile:
    """An mp4 file being written: video with the source's own timestamps, AAC audio cut to the sample.

    `encoder` is one that works here, and `device` the GPU of this process, if it has one.
    """

    def __init__(self, path: str, opening: Frame, row: dict, source: Source, settings: dict, encoder: str, device: str):
        reader = source.reader
        self.path, self.row, self.first, self.device = path, row, opening.pts, device
        self.length = float(row["end"]) - float(row["start"])
        self.tick, self.step, self.written, self.read, self.held = reader.tick, reader.step, 0, 0, None
        self.rate = Fraction(settings["fps"]).limit_denominator(1001) if settings["fps"] else None
        self.fps, self.source_rate = float(self.rate) if self.rate else float(row["fps"]), Fraction(reader.rate)
        shown = pictures.shown_size(opening.picture, reader.stream.sample_aspect_ratio)
        height, width = pictures.shrunk(shown, settings["shorter_size"])
        self.size = max(2, height // 2 * 2), max(2, width // 2 * 2)
        self.frames = hashlib.sha256()
        self.encoder = encoders.fitting(encoder, self.size)
        self.file = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})
        self.video = self.video_stream(settings, opening.picture)
        tick = 1 / self.rate if self.rate else self.tick
        self.noted = Written(settings.get("check", "sample"), row["id"], encoders.FORMATS[self.encoder], tick)
        sound = settings["audio"] and Sound.of(reader, source.tracks, opening, self.length)
        self.sound = sound or None
        self.audio = self.file.add_stream("aac", rate=self.sound.rate, layout=self.sound.layout) if self.sound else None
        if self.audio:
            self.audio.bit_rate = AUDIO_RATE

    def video_stream(self, settings: dict, picture: av.VideoFrame):
        """The file's new video stream, with the rate, size and colour tags of the clip."""
        rate = self.rate or self.source_rate
        stream = self.file.add_stream(encoders.CODECS[self.encoder], rate=rate)
        conversion.describe(stream.codec_context, picture, self.size)
        stream.codec_context.time_base = 1 / rate if self.rate else self.tick
        if self.encoder == "hevc_nvenc":
            stream.codec_context.codec_tag = "hvc1"  # by which Apple's players know HEVC
        stream.options = encoders.options(self.encoder, settings, self.device)
        return stream

    def write(self, frame: Frame) -> None:
        """Take the next frame of the source."""
        self.read += 1
        if self.rate is None:
            self.show(frame.picture, frame.pts - self.first)
            return
        if self.held:
            self.fill(float((frame.pts - self.first) * self.tick))
        self.held = frame

    def fill(self, until: float) -> None:
        """At a new rate, show the current frame at each tick before `until` seconds."""
        while self.written / self.rate < until - SAME_TIME:
            self.show(self.held.picture, self.written)

    def show(self, picture: av.VideoFrame, pts: int) -> None:
        """Write one frame at `pts`, in the ticks of `noted`, and the sound up to it."""
        self.encode(conversion.shown(picture, self.size), pts)
        self.written += 1
        self.sound_until(float(pts * self.noted.tick))

    def encode(self, out: av.VideoFrame, pts: int) -> None:
        """Give a frame to the encoder."""
        out.pts, out.time_base, out.pict_type = pts, self.noted.tick, 0
        self.noted.picture(pts, self.taken(out), self.written)
        self.mux(self.video.encode(out))

    def taken(self, out: av.VideoFrame) -> list[np.ndarray]:
        """The planes of a frame, which go into the digest of the clip."""
        shown = list(planes(out))
        for plane in shown:
            self.frames.update(plane)
        return shown

    def mux(self, packets: list[av.Packet]) -> None:
        """Write packets of the video."""
        for packet in packets:
            self.noted.video(packet)
            self.file.mux(packet)

    def sound_until(self, seconds: float | None) -> None:
        """Write the sound up to so many seconds; for None, all that is left."""
        if self.sound:
            for packet in self.sound.encoded(self.audio, seconds):
                self.noted.audio(packet)
                self.file.mux(packet)

    def close(self) -> int:
        """Finish the file and return its number of frames. Raises Reject where the source gave another number."""
        if self.rate:
            self.fill(self.length)
        self.finish()
        self.sound_until(None)
        self.file.close()
        wanted = int(self.row["end_frame"]) - int(self.row["start_frame"])
        if self.read != wanted:
            raise Reject("the clip cannot be read whole", f"{self.read} of {wanted} frames came")
        return self.written

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self.mux(self.video.encode(None))
        self.noted.header = self.video.codec_context.extradata

    def checked(self) -> float:
        """Frames per second of the finished file. Raises Reject where it is not what was written."""
        return mean_rate(self.fps, self.written, self.noted.check(self.path, self.size))


def frames_digest(frames) -> str:
    """32 hex digits of the SHA-256 of a clip's raw frames, from the hash object that took them."""
    return frames.hexdigest()[:32]


def read_back(path: str, count: int, size: tuple[int, int], fps: float) -> float:
    """Frames per second of a clip: `fps` where its times agree, otherwise (variable rate) their mean.

    Raises Reject unless it decodes to `count` frames of `size` (height, width).
    """
    with av.open(path) as container:
        frames = [((frame.height, frame.width), frame.time) for frame in container.decode(container.streams.video[0])]
    sizes = {shown for shown, _ in frames}
    if len(frames) != count or sizes != {size}:
        raise Reject("the clip does not read back", f"{len(frames)} frames of {count}, sizes {sizes}")
    return mean_rate(fps, count, frames[-1][1] - frames[0][1])


def mean_rate(fps: float, count: int, seconds: float) -> float:
    """`fps` where the times of `count` pictures agree with it (first to last: `seconds`), otherwise their mean rate."""
    agree = abs(seconds - (count - 1) / fps) <= max(0.01 * seconds, 0.002)  # a container may round to milliseconds
    return fps if agree else (count - 1) / seconds
