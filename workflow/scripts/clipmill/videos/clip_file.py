"""The file of a clip: H.264 (or HEVC) exact to the frame, with its sound, read back before it counts."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from clipmill.engine.rejects import Reject
from clipmill.videos import encoders, pictures
from clipmill.videos.reader import SAME_TIME, Frame, Reader
from clipmill.videos.sound import AUDIO_RATE, Sound

BT709 = 1
"""AVColorPrimaries and AVColorTransferCharacteristic of ITU-R BT.709."""


class ClipFile:
    """An mp4 file being written: video with the source's own timestamps, AAC audio cut to the sample.

    `encoder` is one that works here, and `device` the GPU of this process, if it has one.
    """

    def __init__(self, path: str, opening: Frame, row: dict, reader: Reader, settings: dict, encoder: str, device: str):
        self.row, self.first = row, opening.pts
        self.length = float(row["end"]) - float(row["start"])
        self.tick, self.written, self.read, self.held = reader.tick, 0, 0, None
        self.rate = Fraction(settings["fps"]).limit_denominator(1001) if settings["fps"] else None
        self.fps = float(self.rate) if self.rate else float(row["fps"])
        shown = pictures.shown_size(opening.picture, reader.stream.sample_aspect_ratio)
        height, width = pictures.shrunk(shown, settings["shorter_size"])
        self.size = max(2, height // 2 * 2), max(2, width // 2 * 2)
        self.frames = hashlib.sha256()
        self.encoder, self.device = encoders.fitting(encoder, self.size), device
        self.file = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})
        self.video = self.video_stream(settings, reader, opening.picture)
        self.sound = Sound.of(reader, opening, self.length) if settings["audio"] else None
        self.audio = self.file.add_stream("aac", rate=self.sound.rate, layout=self.sound.layout) if self.sound else None
        if self.audio:
            self.audio.bit_rate = AUDIO_RATE

    def video_stream(self, settings: dict, reader: Reader, picture: av.VideoFrame):
        """The file's new video stream, with the rate, size and colour tags of the clip."""
        rate = self.rate or Fraction(reader.rate)
        stream = self.file.add_stream(encoders.CODECS[self.encoder], rate=rate)
        stream.height, stream.width = self.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / rate if self.rate else self.tick
        stream.codec_context.thread_count = 1
        if self.encoder == "hevc_nvenc":
            stream.codec_context.codec_tag = "hvc1"  # by which Apple's players know HEVC
        stream.options = encoders.options(self.encoder, settings, self.device)
        # Without these tags a decoder would read the colours of most HD sources with the wrong matrix.
        colours, hdr = self.converted(picture), int(picture.color_trc) in pictures.HDR
        stream.codec_context.colorspace, stream.codec_context.color_range = colours.colorspace, colours.color_range
        stream.codec_context.color_primaries = BT709 if hdr else picture.color_primaries
        stream.codec_context.color_trc = BT709 if hdr else picture.color_trc
        return stream

    def write(self, frame: Frame) -> None:
        """Take the next frame of the source."""
        self.read += 1
        if self.rate is None:
            self.encode(frame.picture, frame.pts - self.first)
            return
        if self.held:
            self.fill(float((frame.pts - self.first) * self.tick))
        self.held = frame

    def fill(self, until: float) -> None:
        """At a new rate, show the current frame at each tick before `until` seconds."""
        while self.written / self.rate < until - SAME_TIME:
            self.encode(self.held.picture, self.written)

    def encode(self, picture: av.VideoFrame, pts: int) -> None:
        """Write one frame at `pts`, in the stream's ticks, and the sound up to it."""
        out = self.converted(picture)
        out.pts, out.time_base = pts, self.video.codec_context.time_base
        out.pict_type = 0
        for plane in planes(out):
            self.frames.update(plane)
        self.file.mux(self.video.encode(out))
        self.written += 1
        if self.sound:
            for packet in self.sound.encoded(self.audio, float(pts * out.time_base)):
                self.file.mux(packet)

    def converted(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The picture upright, in square pixels, of the clip's size, as 8-bit 4:2:0 of limited range."""
        if int(picture.color_trc) in pictures.HDR:
            image = av.VideoFrame.from_ndarray(pictures.upright(picture, self.size), format="bgr24")
            return image.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        pose = pictures.pose(picture)
        height, width = self.size[::-1] if pose.transposed else self.size
        options = {"format": "yuv420p", "interpolation": "BICUBIC", "dst_color_range": "MPEG"}
        if picture.format.is_rgb or picture.format.has_palette:
            options["dst_colorspace"] = "ITU601"  # a tag of RGB, or none, would let players take another matrix
        return turned(pictures.reformatted(picture, width=width, height=height, **options), pose)

    def close(self) -> int:
        """Finish the file and return its number of frames. Raises Reject where the source gave another number."""
        if self.rate:
            self.fill(self.length)
        self.file.mux(self.video.encode(None))
        if self.sound:
            for packet in self.sound.encoded(self.audio, None):
                self.file.mux(packet)
        self.file.close()
        wanted = int(self.row["end_frame"]) - int(self.row["start_frame"])
        if self.read != wanted:
            raise Reject("the clip cannot be read whole", f"{self.read} of {wanted} frames came")
        return self.written


def planes(picture: av.VideoFrame) -> Iterator[np.ndarray]:
    """Y, U and V of a yuv420p picture, height x width uint8, without the padding of their lines."""
    for plane in picture.planes:
        lines = np.frombuffer(plane, np.uint8, plane.line_size * plane.height).reshape(plane.height, plane.line_size)
        yield np.ascontiguousarray(lines[:, : plane.width])


def frames_digest(frames) -> str:
    """32 hex digits of the SHA-256 of a clip's raw frames, from the hash object that took them."""
    return frames.hexdigest()[:32]


def turned(picture: av.VideoFrame, pose: pictures.Pose) -> av.VideoFrame:
    """A yuv420p picture turned upright plane by plane, its values untouched; the same object where it is upright."""
    if pose == pictures.UPRIGHT:
        return picture
    height, width = picture.height, picture.width
    planes = np.split(picture.to_ndarray().ravel(), [height * width, height * width * 5 // 4])
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    upright = [pictures.turn(plane.reshape(shape), pose) for plane, shape in zip(planes, shapes, strict=True)]
    turned = np.concatenate([plane.ravel() for plane in upright]).reshape(-1, upright[0].shape[1])
    out = av.VideoFrame.from_ndarray(turned, format="yuv420p")
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    return out


def read_back(path: str, count: int, size: tuple[int, int], fps: float) -> float:
    """Frames per second of the file just written: `fps` where its times agree, otherwise (variable rate) their mean.

    Raises Reject unless it decodes to `count` frames of `size` (height, width).
    """
    with av.open(path) as container:
        frames = [((frame.height, frame.width), frame.time) for frame in container.decode(container.streams.video[0])]
    sizes = {shown for shown, _ in frames}
    if len(frames) != count or sizes != {size}:
        raise Reject("the clip does not read back", f"{len(frames)} frames of {count}, sizes {sizes}")
    seconds = frames[-1][1] - frames[0][1]
    agree = abs(seconds - (count - 1) / fps) <= max(0.01 * seconds, 0.002)  # a container may round to milliseconds
    return fps if agree else (count - 1) / seconds
