"""Score motion: `flow`, the mean length of optical flow over the whole clip, in pixels at 320x576 for each half second.

(For each `seconds`, where the configuration sets another time.) A still image has none.
"""

from clipmill import flow, frames
from clipmill.step import Step, main

EMBEDDED = "dis"


class ScoreFlow(Step):
    """`flow` by OpenCV's DIS on a CPU, or by a network (RAFT, UniMatch)."""

    columns = ("flow",)
    reads = ("start_frame", "end_frame", "start", "end")
    narrow = True

    def load(self):
        self.embedded = self.settings["model"] == EMBEDDED
        self.model = flow.Dis() if self.embedded else flow.network(self.settings, self.device)

    def prepare(self, row):
        times, pictures = frames.sampled(self.store, row, self.settings["seconds"])
        fitted = [flow.fit(picture) for picture in pictures]
        return times, self.model.lengths(fitted) if self.embedded else fitted

    def compute(self, rows, prepared):
        times, lengths = zip(*prepared, strict=True)
        if not self.embedded:
            lengths = self.model.lengths(list(lengths))
        seconds = self.settings["seconds"]
        return [
            {"flow": flow.mean_motion(mine, at, seconds) if len(mine) else None}
            for mine, at in zip(lengths, times, strict=True)
        ]


if __name__ == "__main__":
    main(ScoreFlow, __doc__)
