"""Label the camera's movement of each surviving clip, read from its source as densely as the labeller needs.

Example: python workflow/scripts/label_camera.py --table 00000.csv --out out.csv --memo memo --videos footage \\
             --settings '{"fps": 10, "short_side": 270}'
"""

from collections.abc import Iterator

import numpy as np
from clipmill import camera, frames, video
from clipmill.step import Step, main


class LabelCamera(Step):
    """`cmotion`; a still image has none."""

    columns = ("cmotion",)
    reads = ("start_frame", "end_frame", "start", "end")
    parallel = True

    def compute(self, rows: list[dict], prepared: list) -> list[dict]:
        return [{"cmotion": "" if row["kind"] == "image" else camera.label(self.samples(row))[0]} for row in rows]

    def samples(self, row: dict) -> Iterator[tuple[float, np.ndarray]]:
        """(seconds, grey picture) of the clip on the grid of `fps` pictures a second, in one forward pass."""
        grid = frames.Grid(self.settings["fps"])
        with video.Reader(self.source(row)) as reader:
            aspect = reader.stream.sample_aspect_ratio
            for frame in reader.span(*video.span_of(row)):
                if grid.wants(frame.seconds - float(row["start"])):
                    yield frame.seconds, video.grey(frame.picture, self.settings["short_side"], aspect)


if __name__ == "__main__":
    main(LabelCamera, __doc__)
