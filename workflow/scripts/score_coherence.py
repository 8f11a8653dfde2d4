"""Score coherence: `coherence`, the least cosine between the CLIP vectors of any two frames of a clip.

1 where a clip shows one thing throughout; low where its scene changes on the way, as Panda-70M (Chen et al., CVPR 2024)
drops clips by the embeddings of their ends. The frames' vectors are those of the aesthetic score.
"""

import numpy as np
from clipmill.clips.vector_scorer import VectorScorer
from clipmill.engine.job import main


class ScoreCoherence(VectorScorer):
    """`coherence`, -1 to 1; a still image has none."""

    columns = ("coherence",)

    def score(self, row, vectors):
        if row["num_frames"] == "1":
            return {"coherence": None}
        # Element by element: a matrix product's rounding would depend on the machine.
        exact = vectors.astype(np.float64)
        cosines = (exact[:, None] * exact[None]).sum(axis=2)
        return {"coherence": min(1.0, float(cosines.min()))}


if __name__ == "__main__":
    main(ScoreCoherence, __doc__)
