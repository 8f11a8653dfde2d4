"""Cut clips: encode the survivors, exact to the frame by their timestamps, and check every file before it counts.

All clips of a video are cut in one decoding pass, which skips what no clip needs where a key frame allows it. PyAV,
with a single-threaded encoder per clip, loses and doubles no frame and gives the same bytes on any number of CPUs. The
ffmpeg program's constant-rate filling loses and doubles.
With `encoder` h264_nvenc or hevc_nvenc the same frames go to the encoder of an NVIDIA card; without one, to x264.
With `mode` smart, packets are copied where they hold nothing but pictures of the clip, and the rest is encoded.

Example: python workflow/scripts/cut_clips.py --table 00000.csv --out out.csv --memo memo --videos footage \\
             --settings '{"fps": null, "shorter_size": null, "audio": true, "preset": "veryfast", "crf": 18}'
"""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

import av
from clipmill.engine import vouch
from clipmill.engine.files import whole
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step
from clipmill.engine.tables import MEASURES
from clipmill.videos import copying, encoders, filters, images, pictures
from clipmill.videos.clip_file import ClipFile, Source, frames_digest
from clipmill.videos.copying import Unfit
from clipmill.videos.reader import SAME_TIME, Frame, Reader, refuse_damaged, span_of
from clipmill.videos.smart_file import SmartFile
from clipmill.videos.soundtrack import Soundtracks
from clipmill.videos.written import LEVELS
from PIL import Image

GAP_SECONDS = 10
"""Seconds of unwanted footage between two clips that are worth a pass of their own."""
SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers (ffmpeg's names) that list their key frames."""
SEEK_SECONDS = 1
"""Seconds of unwanted footage that are worth a seek, where a key frame is behind them."""


class CutClips(Step):
    """Writes clips/<id>.mp4 (an image: a copy) and measures what it wrote."""

    columns = ("path", "frames_digest", *(f"cut_{name}" for name in MEASURES))
    remembers = ("written", "checked", "copied", "encoded")
    depends_on = ("start_frame", "end_frame", "start", "end", *filters.COLUMNS)
    in_threads = reads_source = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.tracks = Soundtracks()

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
        return Cutting(self, rows, smart=self.settings.get("mode") == "smart").run()

    def target(self, row: dict, suffix: str) -> Path:
        """The file of a clip."""
        return self.results / "clips" / f"{row['id']}{suffix}"

    def file_of(self, row: dict, remembered: dict) -> Path:
        return self.results / remembered["path"]

    def valid(self, row: dict, remembered: dict) -> bool:
        """Whether a clip is as it was written, and was checked at least as `check` asks."""
        checked = remembered.get("checked") or LEVELS[-1]
        return LEVELS.index(checked) >= LEVELS.index(self.check) and super().valid(row, remembered)

    @property
    def check(self) -> str:
        """How a file is checked that was written."""
        return self.settings.get("check", "sample")

    def counts(self, remembered: list[dict]) -> dict[str, int]:
        """With `mode` smart, how many pictures were copied and encoded, and how many clips were encoded whole."""
        if self.settings.get("mode") != "smart":
            return {}
        found = [{name: int(held.get(name) or 0) for name in ("copied", "encoded")} for held in remembered]
        sums = {f"frames_{name}": sum(one[name] for one in found) for name in ("copied", "encoded")}
        return sums | {"clips_encoded_whole": sum(one["encoded"] > 0 and not one["copied"] for one in found)}

    def measured(self, path: Path, count: int, size: tuple[int, int], fps: float | None, frames) -> dict:
        """The columns of a clip's file; `frames`: the SHA-256 of what it shows, before it was encoded."""
        sizes = {"num_frames": count, "fps": fps, **pictures.measures(size)}
        columns = {f"cut_{name}": sizes[name] for name in MEASURES}
        columns |= {"path": f"clips/{path.name}", "frames_digest": frames_digest(frames)}
        return {**columns, "written": vouch.state(path), "checked": self.check}

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
        return self.measured(path, 1, size, None, hashlib.sha256(shown.tobytes())) | {"checked": LEVELS[-1]}


class Cutting:
    """One pass over a source that cuts several clips of it, sorted by time. `smart`: packets may be copied."""

    def __init__(self, step: CutClips, rows: list[dict], smart: bool):
        self.step, self.settings, self.rows, self.smart = step, step.settings, rows, smart
        self.source = step.source(rows[0])
        self.next: Frame | None = None

    def run(self) -> list[dict | Reject]:
        """The columns of each clip, or its fault."""
        results: list[dict | Reject] = []
        while len(results) < len(self.rows):
            rows = self.rows[len(results) :]
            with Reader(self.source) as reader:
                start, _, first = span_of(rows[0])
                self.frames, self.next = reader.span(start, max(float(row["end"]) for row in rows), first), None
                for before, row in zip([None, *rows], rows, strict=False):
                    if before and worth_a_seek(reader, float(before["end"]), float(row["start"])):
                        break
                    results.append(self.outcome(row, reader))
        return results

    def outcome(self, row: dict, reader: Reader) -> dict | Reject:
        """The columns of a clip, or its fault."""
        try:
            return self.cut(row, reader)
        except Unfit as unfit:  # it was begun, or does not read back: its frames are read again, to be encoded
            print(f"{row['id']} is encoded whole: {unfit}", file=sys.stderr)
            return Cutting(self.step, [row], smart=False).run()[0]
        except Reject as error:
            return error

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
        """Write one clip from the frames that follow. Raises Unfit where it cannot be copied in part after all."""
        mine = filters.filtered(self.frames_of(row), row, reader.stream.sample_aspect_ratio)
        opening = next(mine, None)
        if opening is None:
            raise Reject("the clip cannot be read", "its source ends before it")
        path, (encoder, _) = self.step.target(row, ".mp4"), self.step.encoder
        plan = self.plan(row, opening, encoder) if self.smart else None
        kind = partial(SmartFile, plan) if plan else ClipFile
        with encoders.session(encoder), whole(path, "wb") as file:
            source = Source(reader, self.step.tracks)
            clip = kind(file.name, opening, row, source, self.settings, encoder, self.step.device)
            clip.write(opening)
            for frame in mine:
                clip.write(frame)
            count = clip.close()
            fps = self.checked(clip)
        copied = len(plan.copied) if plan else 0
        measured = self.step.measured(path, count, clip.size, fps, clip.frames)
        return measured | {"copied": copied, "encoded": count - copied}

    def plan(self, row: dict, opening: Frame, encoder: str) -> copying.Plan | None:
        """Which packets of the source are copied; None where the clip is encoded, and the log says why."""
        try:
            if self.settings["fps"] or row.get("crop") or row.get("deinterlace"):
                raise Unfit("its pictures are changed")
            if encoder != encoders.X264:
                raise Unfit("its edges would not be encoded by x264")
            if not self.settings["crf"]:
                raise Unfit("its edges would be lossless, which is another profile")
            return copying.plan(self.source, opening.pts, int(row["end_frame"]) - int(row["start_frame"]))
        except (Unfit, av.error.FFmpegError) as unfit:  # a file that cannot be read fails again where it is decoded
            print(f"{row['id']} is encoded whole: {unfit}", file=sys.stderr)
            return None

    def checked(self, clip: ClipFile) -> float:
        """Frames per second of a file that is as it was written. Raises Unfit where that can be mended, or Reject."""
        try:
            return clip.checked()
        except Reject as fault:
            if self.smart:
                raise Unfit(fault.detail) from fault
            raise


def worth_a_seek(reader: Reader, end: float, start: float) -> bool:
    """Whether a key frame lies so far behind `end`, and before `start` (seconds), that frames need not be decoded."""
    if reader.first is None or start - end < SEEK_SECONDS or reader.container.format.name not in SEEKABLE:
        return False
    entries = reader.stream.index_entries
    number = entries.search_timestamp(reader.first + int((start - SAME_TIME) / reader.tick), backward=True)
    if number < 0:
        return False
    return float((entries[number].timestamp - reader.first) * reader.tick) > end + SEEK_SECONDS


if __name__ == "__main__":
    main(CutClips, __doc__)
