"""Score coherence: `coherence`, the least cosine between the CLIP vectors of any two frames of a clip.

1 where a clip shows one thing throughout; low where its scene changes on the way, as Panda-70M (Chen et al., CVPR 2024)
drops clips by the embeddings of their ends. The frames' vectors are those of the aesthetic score.
"""

import numpy as np
from clipmill.clips.embeddings import OpenClip, joined
from clipmill.clips.scorer import Scorer
from clipmill.clips.vectors import VectorStep
from clipmill.engine.job import main


class ScoreCoherence(VectorStep, Scorer):
    """`coherence`, -1 to 1; a still image has none."""

    columns = ("coherence",)
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def load(self):
        rows = self.settings.get("batch", 1) * len(self.settings["frames"])
        self.clip = OpenClip(self.settings, "score.aesthetic", self.device, rows=rows)

    def prepare(self, row):
        return self.clip.asked(self.pictures(row))

    def conclude(self, row, rest, answers):
        self.remember(row, answers)
        if row["num_frames"] == "1":
            return {"coherence": None}
        vectors = joined(rest, answers).astype(np.float64)
        # Element by element: a matrix product's rounding would depend on the machine.
        cosines = (vectors[:, None] * vectors[None]).sum(axis=2)
        return {"coherence": min(1.0, float(cosines.min()))}


if __name__ == "__main__":
    main(ScoreCoherence, __doc__)
