"""Embed clips: `vector`, the mean of the CLIP vectors of a clip's frames, by which clips are compared and clustered.

The frames' vectors are those of the aesthetic score, computed once for both.
"""

from clipmill.clips import neighbours
from clipmill.clips.embeddings import OpenClip, joined
from clipmill.clips.scorer import Scorer
from clipmill.clips.vectors import VectorStep
from clipmill.engine.job import main


class EmbedClips(VectorStep, Scorer):
    """`vector`: of length 1, 16 bits for each number, base64."""

    columns = ("vector",)
    depends_on = ("start_frame", "end_frame", "num_frames", "crop")
    asks = True

    def load(self):
        rows = self.settings["batch"] * len(self.settings["frames"])
        self.clip = OpenClip(self.settings, "score.aesthetic", self.device, rows=rows)

    def prepare(self, row):
        return self.clip.asked(self.pictures(row))

    def conclude(self, row, rest, answers):
        self.remember(row, answers)
        return {"vector": neighbours.packed(joined(rest, answers))}


if __name__ == "__main__":
    main(EmbedClips, __doc__)
