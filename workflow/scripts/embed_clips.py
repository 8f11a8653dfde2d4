"""Embed clips: `vector`, the mean of the CLIP vectors of a clip's frames, by which clips are compared and clustered.

The frames' vectors are those of the aesthetic score, computed once for both.
"""

from clipmill.clips import neighbours
from clipmill.clips.vector_scorer import VectorScorer
from clipmill.engine.job import main


class EmbedClips(VectorScorer):
    """`vector`: of length 1, 16 bits for each number, base64."""

    columns = ("vector",)

    def score(self, row, vectors):
        return {"vector": neighbours.packed(vectors)}


if __name__ == "__main__":
    main(EmbedClips, __doc__)
