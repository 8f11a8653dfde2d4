"""Caption clips: `text` says what a clip shows, from a few of its stored frames.

A captioner sees the frames that `caption.frames` or `caption.fps` names (a still image: itself, once) with their times,
and the prompt, and nothing else: no sound, no file name, no score. The stand-in also reads the clip's flow and text
boxes. A clip that is longer than `caption.window_seconds` is captioned window by window; then the captioner joins them.
"""

import json
from collections import Counter

from clipmill.captions import asking, moments, prompts
from clipmill.captions.asking import ORIGIN, Answer, Question
from clipmill.captions.attributes import AttributesCaptioner
from clipmill.captions.caption import Request
from clipmill.captions.prompts import TEXT, WINDOWS
from clipmill.captions.server_captioner import ServerCaptioner
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.captions.vllm_captioner import VllmCaptioner
from clipmill.engine.job import main
from clipmill.engine.rejects import Reject
from clipmill.videos.frames import FrameStep

CAPTIONERS = {
    "attributes": AttributesCaptioner,
    "server": ServerCaptioner,
    "vllm": VllmCaptioner,
    "*": TransformersCaptioner,
}
"""The captioner of each `caption.model`, or of each `caption.engine` whose name stands here; `*`: any other model."""


class CaptionClips(FrameStep):
    """`text` by the embedded stand-in, a model that transformers or vLLM loads, or an OpenAI-compatible server."""

    remembers = (ORIGIN,)
    depends_on = ("start_frame", "end_frame", "start", "end", "num_frames", "crop")

    def __init__(self, settings, *rest):
        super().__init__(settings, *rest)
        self.kind = CAPTIONERS.get(settings["captioner"], CAPTIONERS["*"])
        self.columns = prompts.columns(settings)
        self.depends_on = (*self.depends_on, *self.kind.uses)
        self.origins: dict[str, str] = {}
        # The ranks of a split model must ask it for the same batches in the same order.
        self.lanes = self.kind.lanes if int(settings["tp_size"]) == 1 else 1
        if self.kind.threads:
            # Each clip's requests in a thread of its own: no answer waits for another.
            self.in_threads, self.batch, self.threads = True, 1, self.kind.threads(settings)

    def at_hand(self, row):
        """A caption that the list or a side-car file gives, unless the captioner's own is asked for."""
        given = bool(row.get(TEXT)) and not self.settings.get("always")
        return {name: row[TEXT] if name == TEXT else "" for name in self.columns} if given else None

    @staticmethod
    def ranks_of_a_copy(settings):
        return 1 if settings["captioner"] == "vllm" else int(settings["tp_size"])

    def load(self):
        self.captioner = self.kind(self.settings | {"log": str(self.log)}, self.device)

    def close(self):
        captioner = getattr(self, "captioner", None)
        if hasattr(captioner, "close"):
            captioner.close()

    def batches(self, rows):
        groups: dict[tuple, list[dict]] = {}
        for row in rows:
            groups.setdefault(moments.shape(row, self.settings), []).append(row)
        return [batch for group in groups.values() for batch in super(CaptionClips, self).batches(group)]

    def prepare(self, row):
        found = asking.questions(self.store, row, self.settings)
        # A server gets the bytes as they are stored.
        requests = [question.request for question in found] if self.in_threads else asking.with_pixels(found)
        return found, [self.captioner.prepare(request) for request in requests]

    def compute(self, rows, prepared):
        if self.in_threads:
            prepared = [self.prepare(row) for row in rows]
        asked = [question for found, _ in prepared for question in found]
        answers = iter(self.ask(asked, [inputs for _, each in prepared for inputs in each]))
        by_clip = [[(question, next(answers)) for question in found] for found, _ in prepared]
        joined = self.joined(rows, by_clip)
        return [self.outcome(*clip) for clip in zip(rows, by_clip, joined, strict=True)]

    def ask(self, asked: list[Question], inputs: list) -> list[Answer]:
        """The answers to questions."""
        return asking.ask(self.captioner, asked, inputs, self.settings)

    def joined(self, rows: list[dict], by_clip: list) -> list[Answer | None]:
        """For each clip one caption of the good ones of its windows; None where there are not several."""
        asked: dict[int, Question] = {}
        for number, (row, clip) in enumerate(zip(rows, by_clip, strict=True)):
            good = [(*question.span, answer.caption.text) for question, answer in _windows(clip) if not answer.reason]
            if len(good) > 1:
                request = Request([], "text", prompts.joining(good), good[-1][1], row)
                asked[number] = Question(TEXT, request, (0.0, good[-1][1]))
        inputs = [self.captioner.prepare(question.request) for question in asked.values()]
        said = dict(zip(asked, self.ask(list(asked.values()), inputs) if asked else [], strict=True))
        return [said.get(number) for number in range(len(rows))]

    def outcome(self, row: dict, clip: list[tuple[Question, Answer]], joined: Answer | None) -> dict | Reject:
        """A clip's columns, or a reject with its reason and what was said; what it took is noted for `stamp`."""
        took = [caption for _, answer in clip for caption in answer.took]
        self.origins[row["id"]] = asking.origin([*took, *(joined.took if joined else ())], self.captioner)
        windows = _windows(clip)
        good = [answer for _, answer in windows if not answer.reason]
        if not good:
            return Reject(windows[0][1].reason, windows[0][1].caption.text)
        # Where the joint caption is no good, the windows' captions follow each other.
        text = " ".join(answer.caption.text for answer in good)
        values = {TEXT: joined.caption.text if joined and not joined.reason else text, **good[0].fields}
        if self.settings["window_seconds"]:
            values[WINDOWS] = json.dumps([_shown(*pair) for pair in windows], ensure_ascii=False)
        others = {q.column: "" if answer.reason else answer.caption.text for q, answer in clip if q.column != TEXT}
        return values | others

    def stamp(self, row):
        return {ORIGIN: self.origins.pop(row["id"], "")}

    def finish(self, row, values):
        return {name: values.get(name, "") for name in self.columns}

    def counts(self, remembered):
        found: Counter = Counter()
        for held in remembered:
            origin = json.loads(held[ORIGIN] or "{}")
            found["halved"] += origin.get("halved", False)
            found["left_empty"] += sum(not held[name] for name in self.columns) if not held["fault"] else 0
            found.update({name: origin.get(name, 0) for name in ("requests", "prompt_tokens", "output_tokens")})
        return dict(found)


def _windows(clip: list[tuple[Question, Answer]]) -> list[tuple[Question, Answer]]:
    return [(question, answer) for question, answer in clip if question.column == TEXT]


def _shown(question: Question, answer: Answer) -> dict:
    """A window as it stands in the table: its seconds in the clip and its caption, or why there is none."""
    said = {"reason": answer.reason} if answer.reason else {"text": answer.caption.text}
    return {"start": round(question.span[0], 3), "end": round(question.span[1], 3), **said}


if __name__ == "__main__":
    main(CaptionClips, __doc__)
