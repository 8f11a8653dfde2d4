"""Score aesthetics: `aes`, 1 to 10, of a few frames of each clip (a still image: itself, once)."""

import numpy as np
from clipmill import frames
from clipmill.step import Step, main

EMBEDDED = "photometric"
REDUCE = {"mean": np.mean, "min": np.min}


class ScoreAesthetic(Step):
    """`aes` by the embedded photometric score, or by an open_clip model and an aesthetic head."""

    columns = ("aes",)
    reads = ("start_frame", "end_frame", "num_frames")
    narrow = True

    def load(self):
        from clipmill.aesthetics import ClipAesthetic, Photometric

        self.embedded = self.settings["model"] == EMBEDDED
        self.scorer = Photometric() if self.embedded else ClipAesthetic(self.settings, self.device)

    def prepare(self, row):
        pictures = frames.read(self.store, row, [0.5] if row["num_frames"] == "1" else self.settings["frames"])
        return [self.scorer.score(picture) if self.embedded else self.scorer.prepare(picture) for picture in pictures]

    def compute(self, rows, prepared):
        if not self.embedded:
            scores = self.scorer.scores([picture for pictures in prepared for picture in pictures])
            ends = np.cumsum([len(pictures) for pictures in prepared])
            prepared = np.split(scores, ends[:-1])
        reduce = REDUCE[self.settings["reduce"]]
        return [{"aes": float(reduce(np.asarray(scores, np.float64)))} for scores in prepared]


if __name__ == "__main__":
    main(ScoreAesthetic, __doc__)
