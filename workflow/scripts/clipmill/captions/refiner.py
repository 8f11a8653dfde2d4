"""A text model that rewrites cleaned captions as fluent sentences."""

import re

from clipmill.captions.answers import heard
from clipmill.captions.caption import Caption
from clipmill.captions.checks import problem
from clipmill.captions.generation import TextGenerator
from clipmill.engine import weights

TASK = (
    "You rewrite captions of videos and pictures. Answer with one fluent English sentence that keeps every fact of the "
    "caption, adds none, and does not speak of the video, the picture or the caption."
)
EXAMPLE = (
    "a woman in a red coat. she walks over a bridge. the bridge is old. snow falls. it is an image of winter",
    "A woman in a red coat walks over an old bridge while snow falls.",
)
KEPT_SHARE = 0.5
"""A rewrite must keep this share of the caption's words of four letters or more (by their first four)."""
CHECKS = {"loop": True, "cut_off": True, "refusal": True, "language": "en"}


class Unrefined:
    """Stands for `refine.model: null`: captions stay as they are."""

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """It has no settings and needs no device."""

    def rewrite(self, texts: list[str]) -> list[str]:
        """The captions as they were."""
        return texts


class Refiner:
    """Any chat model that transformers loads, including a single GGUF file.

    `settings` is the `refine` block: model, revision, max_tokens, batch. Greedy; TextGenerator keeps
    it stable.
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = weights.resolve(settings["model"], settings, "refine.model")
        packed = sorted(folder.glob("*.gguf"))
        options = {"gguf_file": packed[0].name} if packed else {}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **options).to(device).eval()
        self.generator = TextGenerator(model, self.tokenizer, int(settings["batch"]), device)
        self.max_tokens = settings["max_tokens"]

    def rewrite(self, texts: list[str]) -> list[str]:
        """The rewritten captions: only the first sentence where the rest is bad, unchanged where that is bad too."""
        items = [self.generator.padded(self._inputs(text)) for text in texts]
        said = [heard(rewrite) for rewrite in self.generator.run(items, self.max_tokens)]
        return [_usable(caption, text) or text for caption, text in zip(said, texts, strict=True)]

    def _inputs(self, text: str) -> dict:
        from jinja2 import TemplateError

        question, answer = EXAMPLE
        turns = [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": text},
        ]
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
        try:
            chat = [{"role": "system", "content": TASK}, *turns]
            return dict(self.tokenizer.apply_chat_template(chat, **options))
        except TemplateError:
            # Some chat templates have no system turn: the task goes before the first question.
            turns[0] = {"role": "user", "content": f"{TASK}\n\n{question}"}
            return dict(self.tokenizer.apply_chat_template(turns, **options))


REFINERS = {"none": Unrefined, "*": Refiner}
"""The refiner of each `refine.model`, `none` standing for null; `*`: any other."""


def _usable(rewrite: Caption, text: str) -> str:
    """A rewrite without a problem that keeps most words of `text`, or its first sentence if that does, otherwise ""."""
    first = re.match(r".+?[.!?](?=\s|$)", rewrite.text)
    for part in (rewrite, *([Caption(first[0], "stop")] if first else [])):
        if not problem(part, CHECKS) and _kept(part.text, text) >= KEPT_SHARE:
            return part.text
    return ""


def _kept(rewrite: str, text: str) -> float:
    """Share (0-1) of a text's longer words that a rewrite also has."""
    before, after = ({word[:4] for word in re.findall(r"\w{4,}", part.lower())} for part in (text, rewrite))
    return len(before & after) / len(before) if before else 1.0
