"""Cut clips: encode the survivors, exact to the frame by their timestamps, and read every file back before it counts.

All clips of a video are cut in one decoding pass. PyAV, with an encoder of one thread for each clip, loses and doubles
no frame and gives the same bytes on any machine size; constant-rate filling, the default of ffmpeg's program, does.

Example: python workflow/scripts/cut_clips.py --table 00000.csv --out out.csv --memo memo --videos footage \\
             --settings '{"fps": null, "shorter_size": null, "audio": true, "preset": "veryfast", "crf": 18}'
"""

import contextlib
import shutil
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np
from clipmill import video
from clipmill.step import ItemError, Step, main
from clipmill.tables import whole

GAP_SECONDS = 10
"""Unwanted footage between two clips that is worth a seek."""
BT709 = 1
"""AVColorPrimaries and AVColorTransferCharacteristic of ITU-R BT.709."""
AUDIO_RATE = 128_000
AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350})
"""Sample rates that AAC knows (ISO/IEC 14496-3, table 1.18); a sound of any other is resampled to 48 kHz."""


class CutClips(Step):
    """Writes clips/<id>.mp4 (an image: a copy) and measures what it wrote."""

    columns = ("path", "cut_num_frames", "cut_height", "cut_width", "cut_aspect_ratio", "cut_fps", "cut_resolution")
    hidden = ("bytes",)
    reads = ("start_frame", "end_frame", "start", "end")
    parallel = True

    def batches(self, rows: list[dict]) -> list[list[dict]]:
        """The clips of a video together, in runs that are worth one pass."""
        runs: list[list[dict]] = []
        for _, clips in groupby(rows, key=lambda row: row["video_id"]):
            last = None
            for row in clips:
                if last is None or float(row["start"] or 0) - float(last["end"] or 0) > GAP_SECONDS:
                    runs.append([])
                runs[-1].append(row)
                last = row
        return runs

    def compute(self, rows: list[dict], prepared: list) -> list[dict | ItemError]:
        if rows[0]["kind"] == "image":
            return [self.image(rows[0])]
        return Cutting(self, rows).run()

    def target(self, row: dict, suffix: str) -> Path:
        return self.results / "clips" / f"{row['id']}{suffix}"

    def valid(self, row: dict, remembered: dict) -> bool:
        path = self.results / remembered["path"]
        return path.exists() and str(path.stat().st_size) == remembered["bytes"]

    def measured(self, path: Path, count: int, size: tuple[int, int], fps: float | None, bytes_: int) -> dict:
        """The columns of a clip's file."""
        height, width = size
        return {
            "path": f"clips/{path.name}",
            "cut_num_frames": count,
            "cut_height": height,
            "cut_width": width,
            "cut_aspect_ratio": height / width,
            "cut_fps": fps,
            "cut_resolution": height * width,
            "bytes": bytes_,
        }

    def image(self, row: dict) -> dict:
        """A still image: the file as it is, or a PNG where it must be turned or made smaller."""
        from PIL import Image

        source = self.source(row)
        with Image.open(source) as opened:
            upright = video.photograph(opened)
            size = video.shrunk((upright.height, upright.width), self.settings["shorter_size"])
            same = size == (opened.height, opened.width) and opened.getexif().get(0x0112, 1) == 1
            path = self.target(row, source.suffix.lower() if same else ".png")
            with whole(path, "wb") as file:
                if same:
                    with open(source, "rb") as original:
                        shutil.copyfileobj(original, file)
                else:
                    upright.resize(size[::-1], Image.Resampling.LANCZOS).save(file, "PNG")
        return self.measured(path, 1, size, None, path.stat().st_size)


class Cutting:
    """One pass over a source that cuts several clips of it, sorted by time."""

    def __init__(self, step: CutClips, rows: list[dict]):
        self.step, self.settings, self.rows = step, step.settings, rows
        self.source = step.source(rows[0])

    def run(self) -> list[dict | ItemError]:
        results: list[dict | ItemError] = []
        with video.Reader(self.source) as reader:
            start, _, first = video.span_of(self.rows[0])
            frames = reader.span(start, max(float(row["end"]) for row in self.rows), first)
            for row in self.rows:
                try:
                    results.append(self.cut(row, reader, frames))
                except ItemError as error:
                    results.append(error)
        return results

    def cut(self, row: dict, reader: video.Reader, frames) -> dict:
        """Encode one clip from the frames to come."""
        mine = (frame for frame in frames if frame.index >= int(row["start_frame"]))
        opening = next(mine, None)
        if opening is None:
            raise ItemError("the clip cannot be read", "its source ends before it")
        path = self.step.target(row, ".mp4")
        with whole(path, "wb") as file:
            clip = Clip(file.name, opening, row, reader, self.settings)
            clip.write(opening)
            if opening.index < int(row["end_frame"]) - 1:
                for frame in mine:
                    clip.write(frame)
                    if frame.index == int(row["end_frame"]) - 1:
                        break
            count = clip.close()
            fps = read_back(file.name, count, clip.size, clip.fps)
            bytes_ = Path(file.name).stat().st_size
        return self.step.measured(path, count, clip.size, fps, bytes_)


class Clip:
    """An mp4 file being written: H.264 video with the source's own timestamps, AAC audio cut to the sample."""

    def __init__(self, path: str, opening: video.Frame, row: dict, reader: video.Reader, settings: dict):
        self.row, self.first = row, opening.pts
        self.length = float(row["end"]) - float(row["start"])
        self.tick, self.written, self.read, self.held = reader.tick, 0, 0, None
        self.rate = Fraction(settings["fps"]).limit_denominator(1001) if settings["fps"] else None
        self.fps = float(self.rate) if self.rate else float(row["fps"])
        shown = video.shown_size(opening.picture, reader.stream.sample_aspect_ratio)
        height, width = video.shrunk(shown, settings["shorter_size"])
        self.size = max(2, height // 2 * 2), max(2, width // 2 * 2)
        self.file = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})
        self.video = self.video_stream(settings, reader, opening.picture)
        self.sound = Sound.of(reader, opening, self.length) if settings["audio"] else None
        self.audio = self.file.add_stream("aac", rate=self.sound.rate, layout=self.sound.layout) if self.sound else None
        if self.audio:
            self.audio.bit_rate = AUDIO_RATE

    def video_stream(self, settings: dict, reader: video.Reader, picture: av.VideoFrame):
        rate = self.rate or Fraction(reader.rate)
        stream = self.file.add_stream("libx264", rate=rate)
        stream.height, stream.width = self.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / rate if self.rate else self.tick
        stream.codec_context.thread_count = 1
        stream.options = {"preset": settings["preset"], "crf": str(settings["crf"])}
        # Without these tags a decoder would read the colours of most HD sources by the wrong matrix.
        colours, hdr = self.converted(picture), int(picture.color_trc) in video.HDR
        stream.codec_context.colorspace, stream.codec_context.color_range = colours.colorspace, colours.color_range
        stream.codec_context.color_primaries = BT709 if hdr else picture.color_primaries
        stream.codec_context.color_trc = BT709 if hdr else picture.color_trc
        return stream

    def write(self, frame: video.Frame) -> None:
        """Take the next frame of the source."""
        self.read += 1
        if self.rate is None:
            self.encode(frame.picture, frame.pts - self.first)
            return
        if self.held:
            self.fill(float((frame.pts - self.first) * self.tick))
        self.held = frame

    def fill(self, until: float) -> None:
        """At a new rate, show the frame at hand at each tick before `until` seconds."""
        while self.written / self.rate < until - video.SAME:
            self.encode(self.held.picture, self.written)

    def encode(self, picture: av.VideoFrame, pts: int) -> None:
        out = self.converted(picture)
        out.pts, out.time_base = pts, self.video.codec_context.time_base
        out.pict_type = 0
        self.file.mux(self.video.encode(out))
        self.written += 1
        if self.sound:
            for packet in self.sound.encoded(self.audio, float(pts * out.time_base)):
                self.file.mux(packet)

    def converted(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The picture upright, in square pixels, of the clip's size, as 8-bit 4:2:0 of limited range."""
        if int(picture.color_trc) in video.HDR:
            image = av.VideoFrame.from_ndarray(video.upright(picture, self.size), format="bgr24")
            return image.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        height, width = self.size if round(picture.rotation / 90) % 2 == 0 else self.size[::-1]
        flat = picture.reformat(width, height, "yuv420p", interpolation="BICUBIC", dst_color_range="MPEG")
        return turned(flat, picture.rotation) if picture.rotation else flat

    def close(self) -> int:
        """Finish the file; the number of frames in it. Raises ItemError where the source gave another number."""
        if self.rate:
            self.fill(self.length)
        self.file.mux(self.video.encode(None))
        if self.sound:
            for packet in self.sound.encoded(self.audio, None):
                self.file.mux(packet)
        self.file.close()
        wanted = int(self.row["end_frame"]) - int(self.row["start_frame"])
        if self.read != wanted:
            raise ItemError("the clip cannot be read whole", f"{self.read} of {wanted} frames came")
        return self.written


class Sound:
    """The samples of a clip, trimmed to its span: float32 (channels, samples)."""

    def __init__(self, samples: np.ndarray, rate: int, layout: str):
        self.samples, self.rate, self.layout, self.done = samples, rate, layout, 0

    @classmethod
    def of(cls, reader: video.Reader, opening: video.Frame, length: float) -> "Sound | None":
        """The sound that goes with `length` seconds of video from `opening`; None where there is none.

        Where the source has no sound for a while, or a damaged packet, it is silence.
        """
        begin, at, resamplers = float(opening.pts * reader.tick), 0, {}
        with video.opened(reader.path) as container:
            stream = next((stream for stream in container.streams.audio if stream.codec_context), None)
            if stream is None or not stream.codec_context.sample_rate:
                return None
            context = stream.codec_context
            rate = context.sample_rate if context.sample_rate in AAC_RATES else 48000
            layout = "mono" if context.channels == 1 else "stereo"
            samples = np.zeros((1 if layout == "mono" else 2, round(length * rate)), np.float32)
            for frame in heard(container, stream, begin):
                if frame.time is not None:
                    at = round((frame.time - begin) * rate)
                if at > samples.shape[1]:
                    break
                kind = frame.format.name, frame.layout.name, frame.sample_rate
                if kind not in resamplers:
                    resamplers[kind] = av.AudioResampler(format="fltp", layout=layout, rate=rate)
                for part in resamplers[kind].resample(frame):
                    at = place(samples, part.to_ndarray(), at)
        return cls(samples, rate, layout)

    def encoded(self, stream, until: float | None):
        """Packets of the samples up to `until` seconds, in whole codec frames; of all the rest for None."""
        size = stream.codec_context.frame_size or 1024
        total = self.samples.shape[1]
        end = total if until is None else min(total, int(until * self.rate))
        while self.done < end and (until is None or self.done + size <= end):
            part = self.samples[:, self.done : self.done + size]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="fltp", layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self.done, Fraction(1, self.rate)
            self.done += part.shape[1]
            yield from stream.encode(frame)
        if until is None:
            yield from stream.encode(None)


def heard(container, stream, begin: float) -> Iterator[av.AudioFrame]:
    """The frames of a sound from a little before `begin` seconds on, damaged packets left out."""
    with contextlib.suppress(av.error.FFmpegError):  # what cannot seek is read from its start
        container.seek(int(max(0.0, begin - 0.5) * av.time_base), backward=True)
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise


def turned(picture: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """A yuv420p picture turned upright plane by plane, its values untouched."""
    height, width = picture.height, picture.width
    planes = np.split(picture.to_ndarray().ravel(), [height * width, height * width * 5 // 4])
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    upright = [video.turn(plane.reshape(shape), rotation) for plane, shape in zip(planes, shapes, strict=True)]
    turned = np.concatenate([plane.ravel() for plane in upright]).reshape(-1, upright[0].shape[1])
    out = av.VideoFrame.from_ndarray(turned, format="yuv420p")
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    return out


def place(samples: np.ndarray, part: np.ndarray, at: int) -> int:
    """Copy `part` into `samples` from index `at` on, as far as it fits; the index after it."""
    low, high = max(0, at), min(samples.shape[1], at + part.shape[1])
    if high > low:
        samples[:, low:high] = part[:, low - at : high - at]
    return at + part.shape[1]


def read_back(path: str, count: int, size: tuple[int, int], fps: float) -> float:
    """Frames a second of the file just written: `fps` where its times agree, else (variable rate) their mean.

    Raises ItemError unless it decodes to `count` frames of `size` (height, width).
    """
    with av.open(path) as container:
        frames = [((frame.height, frame.width), frame.time) for frame in container.decode(container.streams.video[0])]
    sizes = {shown for shown, _ in frames}
    if len(frames) != count or sizes != {size}:
        raise ItemError("the clip does not read back", f"{len(frames)} frames of {count}, sizes {sizes}")
    seconds = frames[-1][1] - frames[0][1]
    agree = abs(seconds - (count - 1) / fps) <= max(0.01 * seconds, 0.002)  # a container may round to milliseconds
    return fps if agree else (count - 1) / seconds


if __name__ == "__main__":
    main(CutClips, __doc__)
