"""Clean captions: take off what a captioner says beside the picture; reject a caption of which nothing is left.

The opening phrase, then the cleaning, then the empty ones; each has its switch. With `refine.model` a text model
rewrites what is left; where it loops, is cut off or says nothing, the cleaned caption stays.
"""

from clipmill import models
from clipmill.cleaning import clean_caption
from clipmill.refiner import Refiner
from clipmill.step import ItemError, Step, main


class CleanCaptions(Step):
    """`text`, cleaned and, if so configured, rewritten."""

    columns = ("text",)
    reads = ("text",)

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.refine = settings["refine"]
        self.batch = int(self.refine["batch"]) if self.refine["model"] else 256

    def load(self):
        if self.refine["model"]:
            folder = models.resolve(self.refine["model"], self.refine, "refine.model")
            self.refiner = Refiner(folder, self.refine, self.device)

    def prepare(self, row):
        text = clean_caption(row["text"], self.settings["prefix"], self.settings["clean"])
        if self.settings["empty"] and not text:
            raise ItemError("caption is empty", row["text"])
        return text

    def compute(self, rows, prepared):
        if self.refine["model"]:
            prepared = self.refiner.rewrite(prepared)
        return [{"text": text} for text in prepared]


if __name__ == "__main__":
    main(CleanCaptions, __doc__)
