"""Clean captions: remove phrases that do not describe the picture; reject captions that end up empty.

The opening phrase goes first, then the text is cleaned, then empty captions are rejected; each pass has its own switch.
With `refine.model` a text model rewrites what is left, or with `refine.frames` a vision-language model corrects it by
the pictures. Where it loops, is cut off or says nothing, the cleaned caption stays.
"""

from clipmill.captions.cleaning import clean_caption
from clipmill.captions.refiner import REFINERS
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step


class CleanCaptions(Step):
    """`text`, cleaned and, if so configured, rewritten."""

    columns = ("text",)
    depends_on = ("text",)

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.refine = settings["refine"]
        self.sees = bool(self.refine["model"] and self.refine["frames"])
        self.batch = int(self.refine["batch"]) if self.refine["model"] else 256
        if self.sees:
            self.depends_on = ("text", "start_frame", "end_frame", "start", "end", "num_frames", "crop")

    def load(self):
        kind = "vision" if self.sees else self.refine["model"] or "none"
        self.refiner = REFINERS.get(kind, REFINERS["*"])(self)

    def prepare(self, row):
        text = clean_caption(row["text"], self.settings["prefix"], self.settings["clean"])
        if self.settings["empty"] and not text:
            raise Reject("caption is empty", row["text"])
        return text, self.refiner.prepare(text, row)

    def compute(self, rows, prepared):
        texts, inputs = zip(*prepared, strict=True)
        return [{"text": text} for text in self.refiner.rewrite(list(texts), list(inputs))]


if __name__ == "__main__":
    main(CleanCaptions, __doc__)
