"""Label clips: for each entry of `score.labels` 100 x the cosine of a clip's frames and the entry's text, and `label`,
the entry that fits best.

The frames' vectors are those of the aesthetic score, computed once for both.
"""

import numpy as np
from clipmill.clips.vector_scorer import VectorScorer
from clipmill.engine.job import main


class ScoreLabels(VectorScorer):
    """A column for each label, typically 15-35 as for `match`, and `label`.

    Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
    """

    columns = ("label",)

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.names = tuple(settings["labels"])
        self.columns = (*self.names, *ScoreLabels.columns)

    def load(self):
        super().load()
        tokens = [self.clip.tokens(text) for text in self.settings["labels"].values()]
        self.texts = np.stack([vector.numpy() for vector in self.clip.texts(tokens)])

    def score(self, row, vectors):
        # Element by element: a matrix product's rounding would depend on how many rows it has.
        cosines = (vectors[:, None] * self.texts[None]).sum(axis=2, dtype=np.float64).mean(axis=0)
        found = {name: 100 * float(cosine) for name, cosine in zip(self.names, cosines, strict=True)}
        return found | {"label": max(self.names, key=found.__getitem__)}


if __name__ == "__main__":
    main(ScoreLabels, __doc__)
