"""Score captions: `match`, how well a caption fits its clip.

100 x cosine by an open_clip model, or with the embedded stand-in the share (0-100) of the caption's claims that hold.
"""

from clipmill import attributes, frames
from clipmill.step import ItemError, Step, main

EMBEDDED = "attributes"


class ScoreMatch(Step):
    """`match`: the mean over a few frames of a clip."""

    columns = ("match",)
    reads = ("start_frame", "end_frame", "num_frames", "text")

    def load(self):
        self.embedded = self.settings["model"] == EMBEDDED
        if not self.embedded:
            from clipmill.matching import ClipMatch

            self.model = ClipMatch(self.settings, self.device)

    def prepare(self, row):
        text = row["text"].strip()
        if not text:
            raise ItemError("no caption to match")
        pictures = frames.read(self.store, row, [0.5] if row["num_frames"] == "1" else self.settings["frames"])
        if self.embedded:
            return sum(attributes.match(text, picture) for picture in pictures) / len(pictures)
        return self.model.prepare(text, pictures)

    def compute(self, rows, prepared):
        scores = prepared if self.embedded else self.model.scores(prepared)
        return [{"match": score} for score in scores]


if __name__ == "__main__":
    main(ScoreMatch, __doc__)
