"""Scan videos: one decoding pass gives the true length, the shot boundaries and the frame store.

A still image is a video of one frame.

Example: python workflow/scripts/scan_videos.py --table shard.csv --out out.csv --memo memo --store frames --videos DIR
"""

import json

from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.engine.tables import MEASURES
from clipmill.videos.frames import FrameStep
from clipmill.videos.scan import Scan, scan_image
from clipmill.videos.scenes import IMAGE, Span, seconds_of, split, to_column


class ScanVideos(FrameStep):
    """A file's true measures, its scenes, and its frame store."""

    columns = (*MEASURES, "duration", "codec", "audio", "clips")
    remembers = ("scenes", "times", "tick", "damaged", "promised")
    depends_on = ("kind", "bytes")
    in_threads = True

    def compute(self, rows: list[dict], prepared: list) -> list[dict]:
        return [self.scan(row) for row in rows]

    def scan(self, row: dict) -> dict:
        """The columns of a file."""
        path, target = self.source(row), self.store.path(row["id"])
        if row["kind"] == "image":
            return scan_image(path, target, self.settings)
        return Scan(path, target, self.settings).run()

    def valid(self, row: dict, remembered: dict) -> bool:
        return self.store.path(row["id"]).exists()

    def finish(self, row: dict, values: dict) -> dict:
        """Scenes become clips: damaged and too short ones are marked, too long ones split evenly."""
        if int(values["num_frames"]) < self.settings["fmin"]:
            raise Reject("fewer frames than fmin", f"{values['num_frames']} < {self.settings['fmin']}")
        image = row["kind"] == "image"
        spans = [IMAGE] if image else self.spans(values)
        return {**values, "clips": to_column(spans)}

    def spans(self, values: dict) -> list[Span]:
        """The clips of a video, and what is none."""
        damaged = [tuple(span) for span in json.loads(values["damaged"])]
        promised = float(values["promised"]) if values["promised"] else None
        return split(json.loads(values["scenes"]), seconds_of(values), self.settings["clips"], damaged, promised)


if __name__ == "__main__":
    main(ScanVideos, __doc__)
