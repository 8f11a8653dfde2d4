"""Label clips: for each entry of `score.labels` 100 x the cosine of a clip's frames and the entry's text, and `label`,
the entry that fits best.

The frames' vectors are those of the aesthetic score, computed once for both.
"""

from clipmill.clips.labels import Labels
from clipmill.clips.scorer import Scorer
from clipmill.clips.vectors import VectorStep
from clipmill.engine.job import main


class ScoreLabels(VectorStep, Scorer):
    """A column for each label, typically 15-35 as for `match`, and `label`."""

    columns = ("label",)
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.columns = (*settings["labels"], *ScoreLabels.columns)

    def load(self):
        self.labels = Labels(self.settings, self.device)

    def prepare(self, row):
        return self.labels.prepare(self.pictures(row))

    def conclude(self, row, rest, answers):
        self.remember(row, answers)
        return self.labels.conclude(rest, answers)


if __name__ == "__main__":
    main(ScoreLabels, __doc__)
