"""Classify clips: a column (0-1) for each entry of `score.classifiers`, by image classification models.

All models run in one job, which reads each frame once.
"""

from clipmill.clips.classifiers import Classifier
from clipmill.clips.scorer import Scorer
from clipmill.engine.feeding import Asked
from clipmill.engine.job import main
from clipmill.videos import frames


class ScoreClassifiers(Scorer):
    """How sure each classifier is that a clip shows what it is asked for."""

    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.columns = tuple(entry["name"] for entry in settings["classifiers"])

    def load(self):
        self.classifiers = {entry["name"]: Classifier(entry, self.device) for entry in self.settings["classifiers"]}

    def moments_of(self, row: dict) -> dict[str, list[float]]:
        """The moments (0-1) at which each classifier looks at a clip."""
        still = row["num_frames"] == "1"
        return {entry["name"]: [0.5] if still else entry["frames"] for entry in self.settings["classifiers"]}

    def prepare(self, row):
        wanted = self.moments_of(row)
        moments = sorted({moment for mine in wanted.values() for moment in mine})
        seen = dict(zip(moments, frames.read(self.store, row, moments), strict=True))
        asked = {
            name: self.classifiers[name].prepare([seen[moment] for moment in wanted[name]]) for name in self.columns
        }
        inputs = [item for name in self.columns for item in asked[name].inputs]
        return Asked(inputs, [len(asked[name].inputs) for name in self.columns])

    def conclude(self, row, rest, answers):
        answers, found = iter(answers), {}
        for name, count in zip(self.columns, rest, strict=True):
            found[name] = self.classifiers[name].conclude(None, [next(answers) for _ in range(count)])
        return found


if __name__ == "__main__":
    main(ScoreClassifiers, __doc__)
