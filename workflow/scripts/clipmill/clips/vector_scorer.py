"""What scorers have in common that look at the vectors of a clip's frames alone."""

import numpy as np

from clipmill.clips.embeddings import OpenClip, joined
from clipmill.clips.scorer import Scorer
from clipmill.clips.vectors import VectorStep
from clipmill.engine.feeding import Asked


class VectorScorer(VectorStep, Scorer):
    """A scorer by the open_clip model of score.aesthetic, at its moments, and with the vectors that it has made."""

    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def load(self) -> None:
        rows = self.settings.get("batch", 1) * len(self.settings["frames"])
        self.clip = OpenClip(self.settings, "score.aesthetic", self.device, rows=rows)

    def prepare(self, row: dict) -> Asked:
        return self.clip.asked(self.pictures(row))

    def conclude(self, row: dict, rest: object, answers: list) -> dict:
        self.remember(row, answers)
        return self.score(row, joined(rest, answers))

    def score(self, row: dict, vectors: np.ndarray) -> dict:
        """The columns of a clip, from the unit vectors of its frames (frames, width), float32."""
        raise NotImplementedError
