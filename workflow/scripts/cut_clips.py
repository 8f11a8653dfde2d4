"""Cut clips: encode the survivors, exact to the frame by their timestamps, and read every file back before it counts.

All clips of a video are cut in one decoding pass. PyAV, with a single-threaded encoder per clip, loses and doubles no
frame and gives the same bytes on any number of CPUs. The ffmpeg program's constant-rate filling loses and doubles.
With `encoder` h264_nvenc or hevc_nvenc the same frames go to the encoder of an NVIDIA card; without one, to x264.

Example: python workflow/scripts/cut_clips.py --table 00000.csv --out out.csv --memo memo --videos footage \\
             --settings '{"fps": null, "shorter_size": null, "audio": true, "preset": "veryfast", "crf": 18}'
"""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from clipmill.engine import vouch
from clipmill.engine.files import whole
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step
from clipmill.engine.tables import MEASURES
from clipmill.videos import encoders, filters, images, pictures
from clipmill.videos.clip_file import ClipFile, frames_digest, read_back
from clipmill.videos.reader import SAME_TIME, Frame, Reader, refuse_damaged, span_of
from PIL import Image

GAP_SECONDS = 10
"""Seconds of unwanted footage between two clips that are worth a seek."""


class CutClips(Step):
    """Writes clips/<id>.mp4 (an image: a copy) and measures what it wrote."""

    columns = ("path", "frames_digest", *(f"cut_{name}" for name in MEASURES))
    remembers = ("written",)
    depends_on = ("start_frame", "end_frame", "start", "end", *filters.COLUMNS)
    in_threads = reads_source = True

    def batches(self, rows: list[dict]) -> list[list[dict]]:
        """The clips of a video together, in runs that are worth one pass and do not overlap."""
        runs: list[list[dict]] = []
        for _, clips in groupby(rows, key=lambda row: row["video_id"]):
            last = None
            for row in clips:
                gap = float(row["start"] or 0) - float(last["end"] or 0) if last else 0.0
                if last is None or not -SAME_TIME <= gap <= GAP_SECONDS:
                    runs.append([])
                runs[-1].append(row)
                last = row
        return runs

    @property
    def encoder(self) -> tuple[str, str]:
        """The encoder that works here; where it is not the one asked for, also why."""
        return encoders.usable(self.settings.get("encoder", encoders.X264))

    def load(self) -> None:
        """Say in the log where another encoder is used than was asked for."""
        if why := self.encoder[1]:
            print(why, file=sys.stderr, flush=True)

    def compute(self, rows: list[dict], prepared: list) -> list[dict | Reject]:
        if rows[0]["kind"] == "image":
            return [self.image(rows[0])]
        return Cutting(self, rows).run()

    def target(self, row: dict, suffix: str) -> Path:
        """The file of a clip."""
        return self.results / "clips" / f"{row['id']}{suffix}"

    def file_of(self, row: dict, remembered: dict) -> Path:
        return self.results / remembered["path"]

    def measured(self, path: Path, count: int, size: tuple[int, int], fps: float | None, frames) -> dict:
        """The columns of a clip's file; `frames`: the SHA-256 of what it shows, before it was encoded."""
        sizes = {"num_frames": count, "fps": fps, **pictures.measures(size)}
        columns = {f"cut_{name}": sizes[name] for name in MEASURES}
        columns |= {"path": f"clips/{path.name}", "frames_digest": frames_digest(frames)}
        return {**columns, "written": vouch.state(path)}

    def image(self, row: dict) -> dict:
        """A still image: the file as it is where it shows what was scored; a PNG of that, otherwise."""
        source = self.source(row)
        still = images.read(source)
        picture = still.picture
        if found := filters.box_of(row):
            x, y, width, height = found[0]
            picture = picture.crop((x, y, x + width, y + height))
        width, height = picture.size
        size = pictures.shrunk((height, width), self.settings["shorter_size"])
        shown = picture.resize(size[::-1], Image.Resampling.LANCZOS)
        same = still.plain and size == still.picture.size[::-1]
        path = self.target(row, source.suffix.lower() if same else ".png")
        with whole(path, "wb") as file:
            if same:
                with open(source, "rb") as original:
                    shutil.copyfileobj(original, file)
            else:
                shown.save(file, "PNG")
        return self.measured(path, 1, size, None, hashlib.sha256(shown.tobytes()))


class Cutting:
    """One pass over a source that cuts several clips of it, sorted by time."""

    def __init__(self, step: CutClips, rows: list[dict]):
        self.step, self.settings, self.rows = step, step.settings, rows
        self.source = step.source(rows[0])
        self.next: Frame | None = None

    def run(self) -> list[dict | Reject]:
        """The columns of each clip, or its fault."""
        results: list[dict | Reject] = []
        with Reader(self.source) as reader:
            start, _, first = span_of(self.rows[0])
            self.frames = reader.span(start, max(float(row["end"]) for row in self.rows), first)
            for row in self.rows:
                try:
                    results.append(self.cut(row, reader))
                except Reject as error:
                    results.append(error)
        return results

    def frames_of(self, row: dict) -> Iterator[Frame]:
        """The frames of a clip, by their times: behind damage, other frames may come than a scan has counted.

        Raises Reject where one is damaged.
        """
        begin, end = float(row["start"]) - SAME_TIME, float(row["end"]) - SAME_TIME
        missing = int(row["end_frame"]) - int(row["start_frame"])
        while missing and (frame := self.next or next(self.frames, None)):
            self.next = None
            if frame.seconds >= end:
                self.next = frame
                return
            if frame.seconds >= begin:
                refuse_damaged(frame)
                missing -= 1
                yield frame

    def cut(self, row: dict, reader: Reader) -> dict:
        """Encode one clip from the frames that follow."""
        mine = filters.filtered(self.frames_of(row), row, reader.stream.sample_aspect_ratio)
        opening = next(mine, None)
        if opening is None:
            raise Reject("the clip cannot be read", "its source ends before it")
        path = self.step.target(row, ".mp4")
        encoder, _ = self.step.encoder
        with encoders.session(encoder), whole(path, "wb") as file:
            clip = ClipFile(file.name, opening, row, reader, self.settings, encoder, self.step.device)
            clip.write(opening)
            for frame in mine:
                clip.write(frame)
            count = clip.close()
            fps = read_back(file.name, count, clip.size, clip.fps)
        return self.step.measured(path, count, clip.size, fps, clip.frames)


if __name__ == "__main__":
    main(CutClips, __doc__)
