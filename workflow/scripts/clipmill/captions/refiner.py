"""A second model that rewrites cleaned captions: from their words alone, or with the pictures in view."""

import re

from clipmill.captions.answers import echoes, heard
from clipmill.captions.caption import Caption, Request
from clipmill.captions.checks import problem
from clipmill.captions.generation import TextGenerator
from clipmill.captions.prompts import CLIP, CORRECT
from clipmill.captions.sampling import GREEDY
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.engine import weights
from clipmill.engine.step import Step
from clipmill.videos.frames import Store, shots

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

    def __init__(self, step: Step | None = None):
        """It has no settings and needs no device."""

    def prepare(self, text: str, row: dict) -> None:
        """Nothing has to be prepared."""

    def rewrite(self, texts: list[str], prepared: list) -> list[str]:
        """The captions as they were."""
        return texts


class Refiner:
    """Any chat model that transformers loads, including a single GGUF file.

    `step.settings` holds the `refine` block: model, revision, max_tokens, batch. Greedy; TextGenerator keeps it stable.
    """

    def __init__(self, step: Step):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        settings, device = step.settings["refine"], step.device
        folder = weights.resolve(settings["model"], settings, "refine.model")
        packed = sorted(folder.glob("*.gguf"))
        options = {"gguf_file": packed[0].name} if packed else {}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        # Tensor by tensor to the device: the model is never whole in the memory of the host.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": device}, **options).eval()
        self.generator = TextGenerator(model, self.tokenizer, int(settings["batch"]), device)
        self.max_tokens = settings["max_tokens"]

    def prepare(self, text: str, row: dict) -> dict:
        """The model's inputs for a caption."""
        return self.generator.padded(self._inputs(text))

    def rewrite(self, texts: list[str], prepared: list) -> list[str]:
        """The rewritten captions: only the first sentence where the rest is bad, unchanged where that is bad too."""
        said = [heard(rewrite) for rewrite in self.generator.run(prepared, self.max_tokens)]
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


class VisionRefiner:
    """Any model that can caption: it corrects a caption with the clip's frames at `refine.frames` in view.

    `step.settings` holds the `refine` block and `frames_from`. An answer that fails the checks leaves the caption as it
    was.
    """

    def __init__(self, step: Step):
        refine = step.settings["refine"]
        self.moments = refine["frames"]
        self.store = Store(step.store_folder, step.videos, step.settings["frames_from"]["source"])
        self.captioner = TransformersCaptioner(refine | AS_CAPTIONER, step.device, "refine.model")

    def prepare(self, text: str, row: dict) -> tuple:
        """The model's inputs for a caption and its clip's frames, and the question."""
        length = 0.0 if row["num_frames"] == "1" else float(row["end"]) - float(row["start"])
        seen = shots(self.store, row, [moment * length for moment in self.moments])
        kind = "video" if length else "image"
        ask = f"{CLIP if length else ''}{CORRECT}\n\n{text}"
        return self.captioner.prepare(Request(seen, kind, ask, length, row)), ask

    def rewrite(self, texts: list[str], prepared: list) -> list[str]:
        """The corrected captions; those as they were that the model says nothing good about."""
        said = self.captioner.caption([inputs for inputs, _ in prepared])
        return [
            text if echoes(answer.text, ask) or problem(heard(answer), CHECKS) else heard(answer).text
            for text, answer, (_, ask) in zip(texts, said, prepared, strict=True)
        ]


AS_CAPTIONER = {
    "trust_remote_code": False, "fps": None, "max_pixels": None, "system": None, "sampling": GREEDY,
    "chat_template_kwargs": {}, "dtype": "auto", "tp_size": 1, "tp_backend": "transformers",
}  # fmt: skip
"""The settings of a captioner that `refine` has no keys for."""
REFINERS = {"none": Unrefined, "vision": VisionRefiner, "*": Refiner}
"""The refiner of each `refine.model`, `none` standing for null, `vision` for any with `refine.frames`; `*`: any
other."""


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
