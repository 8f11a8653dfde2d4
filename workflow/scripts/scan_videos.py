"""Scan videos: one decoding pass gives the true length, the shot boundaries and the frame store.

A still image is a video of one frame.

Example: python workflow/scripts/scan_videos.py --table shard.csv --out out.csv --memo memo --store frames --videos DIR
"""

import json
from pathlib import Path

import numpy as np
from clipmill.engine import vouch
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.engine.tables import MEASURES, number
from clipmill.videos import coherence, grades, images, marks, quality
from clipmill.videos.frames import FrameStep
from clipmill.videos.scan import Scan, scan_image
from clipmill.videos.scenes import IMAGE, Span, as_it_is, seconds_of, split, to_column, truncated

WANTED = {"crop": "crop_borders", "deinterlace": "deinterlace"}
"""Columns that say what is done to a clip's picture, and the keys of `cut` that ask for it."""


class ScanVideos(FrameStep):
    """A file's true measures, its scenes, and its frame store."""

    columns = ("kind", *MEASURES, "duration", "codec", "audio", "interlaced", "digest", "clips", "quality")
    remembers = ("scenes", "joints", "transitions", "times", "tick", "damaged", "promised", "meters", "written", "seen")
    depends_on = ("kind", "bytes")
    in_threads = reads_source = True

    def compute(self, rows: list[dict], prepared: list) -> list[dict]:
        return [self.scan(row) for row in rows]

    def scan(self, row: dict) -> dict:
        """The columns of a file; an animated image that ffmpeg plays is a video."""
        path, target = self.source(row), self.store.path(row["id"])
        if row["kind"] == "image" and not images.plays(path):
            columns = {"kind": "image", **scan_image(path, target, self.settings)}
        else:
            columns = {"kind": "video", **Scan(path, target, self.settings, self.device).run()}
        return {**columns, "digest": vouch.digest(path), "written": vouch.state(target)}

    def stamp(self, row: dict) -> dict:
        return {"seen": f"{row['bytes']} {row.get('mtime', '')}"}

    def same_source(self, row: dict, remembered: dict) -> bool:
        """Whether a file is the one that was scanned: of the same size and time, or of the same bytes."""
        if remembered["seen"] == self.stamp(row)["seen"]:
            return True
        return remembered["digest"] == vouch.digest(self.source(row))

    def file_of(self, row: dict, remembered: dict) -> Path:
        return self.store.path(row["id"])

    def finish(self, row: dict, values: dict) -> dict:
        """Scenes become clips: damaged and too short ones are marked, too long ones split evenly."""
        if int(values["num_frames"]) < self.settings["fmin"]:
            raise Reject("fewer frames than fmin", f"{values['num_frames']} < {self.settings['fmin']}")
        spans = self.spans(json.loads(row.get("spans") or "[]"), values)
        return {**values, "clips": to_column(spans), "quality": json.dumps(self.quality(values, spans))}

    def quality(self, values: dict, spans: list[Span]) -> list[list[str]]:
        """The technical columns of each span; what is to be done only where it is wanted."""
        series, size = quality.Series.of(values["meters"]), (int(values["height"]), int(values["width"]))
        if values["kind"] == "image":
            found = [grades.of_image(series, size)] * len(spans)
        else:
            times = seconds_of(values)
            found = [grades.of_span(series, times, span.first, span.end, size) for span in spans]
        unwanted = {name for name, key in WANTED.items() if not self.settings[key]}
        unwanted |= set() if self.settings["quality"]["sound"] else set(quality.SOUND)
        return [[number(columns.get(n)) if n not in unwanted else "" for n in quality.COLUMNS] for columns in found]

    def spans(self, marked: list[str], values: dict) -> list[Span]:
        """The clips of a file, and what is none; `marked`: the spans that a list marks in it."""
        if values["kind"] == "image":
            return marks.clips(marked, [IMAGE], [], np.zeros(2), self.settings["clips"], []) if marked else [IMAGE]
        times = seconds_of(values)
        damaged = [tuple(span) for span in json.loads(values["damaged"])]
        promised = float(values["promised"]) if values["promised"] else None
        limits, count = self.settings["clips"], int(values["num_frames"])
        if self.settings["detector"] == "none":
            limits, pieces = limits | {"spans": "as_is"}, []
            whole = truncated([as_it_is(0, count, times, damaged)], promised)
        else:
            found = (json.loads(values[name]) for name in ("scenes", "joints", "transitions"))
            pieces = coherence.pieces(*found, quality.Series.of(values["meters"]).black, times, limits)
            whole = split(pieces, times, limits, damaged, promised, (0, count))
        return marks.clips(marked, whole, pieces, times, limits, damaged) if marked else whole


if __name__ == "__main__":
    main(ScanVideos, __doc__)
