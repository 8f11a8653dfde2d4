"""Score aesthetics: `aes`, 1 to 10, of a few frames of each clip (a still image: itself, once)."""

import numpy as np
from clipmill.clips.aesthetics import AESTHETICS
from clipmill.clips.scorer import Scorer
from clipmill.clips.vectors import VectorStep
from clipmill.engine.job import main

REDUCE = {"mean": np.mean, "min": np.min}


class ScoreAesthetic(VectorStep, Scorer):
    """`aes` by the embedded photometric score, or by an open_clip model and an aesthetic head."""

    columns = ("aes",)
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def load(self):
        kind = AESTHETICS.get(self.settings["model"], AESTHETICS["*"])
        self.scorer = kind(self.settings, self.device)

    def prepare(self, row):
        return self.scorer.prepare(self.pictures(row))

    def conclude(self, row, rest, answers):
        self.remember(row, answers)
        scores = np.asarray(self.scorer.conclude(rest, answers), np.float64)
        return {"aes": float(REDUCE[self.settings["reduce"]](scores))}


if __name__ == "__main__":
    main(ScoreAesthetic, __doc__)
