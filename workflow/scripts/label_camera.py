"""Label the camera's movement of each surviving clip, read from its source as densely as the labeller needs.

Example: python workflow/scripts/label_camera.py --table 00000.csv --out out.csv --memo memo --videos footage \\
             --settings '{"fps": 10, "short_side": 270}'
"""

from collections.abc import Iterator

import numpy as np
from clipmill.clips import camera
from clipmill.engine.job import main
from clipmill.engine.step import Step
from clipmill.videos import filters, frames, pictures
from clipmill.videos.reader import Frame, Reader, refuse_damaged, span_of


class LabelCamera(Step):
    """`cmotion` and `shake` (median jitter, % of the short side); a still image has none."""

    columns = ("cmotion", "shake")
    depends_on = ("start_frame", "end_frame", "start", "end", "crop")
    in_threads = reads_source = True

    def compute(self, rows: list[dict], prepared: list) -> list[dict]:
        return [self.named(row) for row in rows]

    def named(self, row: dict) -> dict:
        """The columns of one clip."""
        if row["kind"] == "image":
            return {"cmotion": "", "shake": None}
        found = camera.label(self.samples(row))
        return {"cmotion": found.label, "shake": found.shake}

    def samples(self, row: dict) -> Iterator[tuple[float, np.ndarray]]:
        """(seconds, grey picture) of the clip on the grid of `fps` pictures per second, in one forward pass."""
        with Reader(self.source(row)) as reader:
            aspect = reader.stream.sample_aspect_ratio
            for frame in filters.filtered(self.wanted(reader, row), row, aspect, deinterlace=False):
                yield frame.seconds, pictures.grey(frame.picture, self.settings["short_side"], aspect)

    def wanted(self, reader: Reader, row: dict) -> Iterator[Frame]:
        """The frames on the grid."""
        grid = frames.Grid(self.settings["fps"])
        for frame in reader.span(*span_of(row)):
            refuse_damaged(frame)
            if grid.wants(frame.seconds - float(row["start"])):
                yield frame


if __name__ == "__main__":
    main(LabelCamera, __doc__)
