"""Caption clips: `text` says what a clip shows, from a few of its stored frames.

A captioner sees the frames at the moments that `caption.frames` names (a still image: itself, once) and the prompt,
and nothing else: no sound, no file name, no score. The stand-in also reads the clip's flow and text boxes.
"""

from clipmill import attributes, frames, models
from clipmill.captioners import Request, ServerCaptioner, TransformersCaptioner
from clipmill.checks import Caption, problem
from clipmill.step import ItemError, Step, main

EMBEDDED = "attributes"


class CaptionClips(Step):
    """`text` by the embedded stand-in, a model loaded by transformers, or an OpenAI-compatible server."""

    columns = ("text",)
    reads = ("start_frame", "end_frame", "start", "end", "num_frames")

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.served = bool(settings["server"]["url"])
        self.embedded = settings["model"] == EMBEDDED and not self.served
        if self.embedded:
            self.reads = (*self.reads, "flow", "ocr")
        if self.served:
            # A batch is asked for at once: enough requests to keep the server busy until the slowest answer.
            self.batch = max(self.batch, 4 * settings["server"]["concurrency"])

    def load(self):
        if self.served:
            self.captioner = ServerCaptioner(self.settings)
        elif not self.embedded:
            folder = models.resolve(self.settings["model"], self.settings, "caption.model")
            self.captioner = TransformersCaptioner(folder, self.settings, self.device)

    def prepare(self, row):
        still = row["num_frames"] == "1"
        pictures = frames.read(self.store, row, [0.5] if still else self.settings["frames"])
        if self.embedded:
            return attributes.caption(pictures, row)
        seconds = 0.0 if still else float(row["end"]) - float(row["start"])
        request = Request(pictures, "image" if still else "video", seconds)
        return request, self.captioner.prepare(request)

    def compute(self, rows, prepared):
        if self.embedded:
            return [{"text": text} for text in prepared]
        checks = self.settings["checks"]
        captions = self.captioner.caption([inputs for _, inputs in prepared])
        bad = [at for at, caption in enumerate(captions) if problem(caption, checks)]
        if bad:
            inputs = [self.captioner.prepare(prepared[at][0], again=True) for at in bad]
            for at, caption in zip(bad, self.captioner.caption(inputs, again=True), strict=True):
                captions[at] = caption
        return [outcome(caption, checks) for caption in captions]


def outcome(caption: Caption, checks: dict) -> dict | ItemError:
    """A caption's column, or the reason why it is rejected with what was said."""
    reason = problem(caption, checks)
    return ItemError(reason, caption.text) if reason else {"text": caption.text}


if __name__ == "__main__":
    main(CaptionClips, __doc__)
