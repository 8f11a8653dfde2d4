"""Caption clips: `text` says what a clip shows, from a few of its stored frames.

A captioner sees the frames at the moments that `caption.frames` names (a still image: itself, once) and the prompt,
and nothing else: no sound, no file name, no score. The stand-in also reads the clip's flow and text boxes.
"""

from clipmill.captions.answers import heard
from clipmill.captions.attributes import AttributesCaptioner
from clipmill.captions.caption import Caption, Request
from clipmill.captions.checks import problem
from clipmill.captions.server_captioner import ServerCaptioner
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.videos.frames import FrameStep

CAPTIONERS = {"attributes": AttributesCaptioner, "server": ServerCaptioner, "*": TransformersCaptioner}
"""The captioner of each `caption.model`, `server` standing for any with `caption.server.url`; `*`: any other."""


class CaptionClips(FrameStep):
    """`text` by the embedded stand-in, a model loaded by transformers, or an OpenAI-compatible server."""

    columns = ("text",)
    depends_on = ("start_frame", "end_frame", "start", "end", "num_frames", "crop")

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.kind = CAPTIONERS.get(settings["captioner"], CAPTIONERS["*"])
        self.depends_on = (*self.depends_on, *self.kind.uses)
        self.batch = max(self.batch, self.kind.least_batch(settings))

    def at_hand(self, row):
        """A caption that the list or a side-car file gives, unless the captioner's own is asked for."""
        return {"text": row["text"]} if row.get("text") and not self.settings.get("always") else None

    def load(self):
        self.captioner = self.kind(self.settings, self.device)

    def prepare(self, row):
        still = row["num_frames"] == "1"
        seconds = 0.0 if still else float(row["end"]) - float(row["start"])
        request = Request(self.pictures(row), "image" if still else "video", seconds, row)
        return request, self.captioner.prepare(request)

    def compute(self, rows, prepared):
        checks = self.settings["checks"]
        captions = [heard(said) for said in self.captioner.caption([inputs for _, inputs in prepared])]
        bad = [index for index, caption in enumerate(captions) if problem(caption, checks)]
        if bad:
            inputs = [self.captioner.prepare(prepared[index][0], again=True) for index in bad]
            for index, said in zip(bad, self.captioner.caption(inputs, again=True), strict=True):
                captions[index] = heard(said)
        return [outcome(caption, checks) for caption in captions]


def outcome(caption: Caption, checks: dict) -> dict | Reject:
    """A caption's column, or a reject with its reason and what was said."""
    reason = problem(caption, checks)
    return Reject(reason, caption.text) if reason else {"text": caption.text}


if __name__ == "__main__":
    main(CaptionClips, __doc__)
