"""Score captions: `match`, how well a caption fits its clip.

100 x cosine by an open_clip model, or with the embedded stand-in the share (0-100) of the caption's claims that hold.
"""

from clipmill.captions.matching import MATCHERS
from clipmill.clips.vectors import VectorStep
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject


class ScoreMatch(VectorStep):
    """`match`: the mean over a few frames of a clip."""

    columns = ("match",)
    depends_on = ("start_frame", "end_frame", "num_frames", "text", "crop")
    asks = True

    def load(self):
        kind = MATCHERS.get(self.settings["model"], MATCHERS["*"])
        self.model = kind(self.settings, self.device)

    def prepare(self, row):
        text = row["text"].strip()
        if not text:
            raise Reject("no caption to match")
        return self.model.prepare(text, self.pictures(row))

    def conclude(self, row, rest, answers):
        self.remember(row, answers)
        return {"match": self.model.conclude(rest, answers)}


if __name__ == "__main__":
    main(ScoreMatch, __doc__)
