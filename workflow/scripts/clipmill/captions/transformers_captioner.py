"""Captions by a vision-language model that transformers loads."""

import sys
import zlib
from typing import NamedTuple

import numpy as np

from clipmill.captions import families
from clipmill.captions.caption import Caption, Request
from clipmill.captions.chat import Chat
from clipmill.captions.generation import TextGenerator
from clipmill.captions.tensor_parallel import load_model
from clipmill.engine import weights
from clipmill.engine.shown import shown
from clipmill.videos.frames import Shot

PENALTY = 1.15
"""Least repetition penalty of a second attempt."""
SAME_SCORES = 0.02
"""Largest difference that padding may make to a model's first scores, as a share of their spread: bfloat16 rounds to
less."""

LACKING = "a package that it needs is not installed (for weights in 4 or 8 bit caption.engine: vllm brings its own)"


class Prepared(NamedTuple):
    """The model's inputs for one item, on the CPU, and the seed of what is drawn for it."""

    inputs: dict
    seed: int


class TransformersCaptioner:
    """Any image- or video-text-to-text model that transformers loads, used through its processor and chat template.

    Frames go in as a video, with their true times, where the processor and the model can take one, otherwise as images.
    Each item is preprocessed alone. Raises ModelUnusable where the model cannot answer about a picture.

    `settings` is the `caption` block. With tp_size above 1 the process must be one of torchrun's ranks; every tp_size
    consecutive ranks hold one copy.
    """

    uses = ()
    """Columns of a row that it looks at."""
    threads = None
    """It needs a model in this process, and no threads of its own."""
    lanes = 2
    """While the model answers one batch, the answers to the one before are made words, judged and kept."""

    def __init__(self, settings: dict, device: str = "cpu", key: str = "caption.model"):
        import torch
        from transformers import AutoModelForImageTextToText

        self.settings, self.key = settings, key
        folder = weights.resolve(settings["model"], settings, key)
        families.check(folder, key, settings["model"])
        self.chat = Chat(folder, settings)
        dtype = settings["dtype"]
        dtype = (torch.float32 if device == "cpu" else torch.bfloat16) if dtype == "auto" else getattr(torch, dtype)
        options = {"dtype": dtype, "trust_remote_code": settings["trust_remote_code"]}
        try:
            model = load_model(AutoModelForImageTextToText, folder, options, settings, device)
        except ImportError as error:
            raise families.ModelUnusable(key, settings["model"], f"{LACKING}: {shown(str(error))[:300]}") from error
        self.generator = TextGenerator(
            model, self.chat.processor.tokenizer, int(settings["batch"]), device, settings["sampling"]
        )
        self.model_name = weights.named(folder, settings)
        self._say_what_is_set_aside()
        self._try_out()

    def prepare(self, request: Request, again: bool = False) -> Prepared:
        """The model's inputs for one item, its prompt padded on the left."""
        inputs = self.chat.tensors(request, again)
        seed = f"{self.settings['sampling']['seed']} {(request.row or {}).get('id')} {request.ask} {again}"
        return Prepared(self.generator.padded(inputs), zlib.crc32(seed.encode()))

    def caption(self, prepared: list[Prepared], again: bool = False) -> list[Caption]:
        """The captions of items, in their order. `again`: with a repetition penalty and twice the tokens."""
        limit = self.settings["max_tokens"] * (2 if again else 1)
        inputs, seeds = zip(*prepared, strict=True)
        said = self.generator.run(list(inputs), limit, PENALTY if again else 1.0, seeds)
        return [caption._replace(model=self.model_name) for caption in said]

    def setup(self) -> dict:
        """What may change single words besides the model and its settings."""
        generator = self.generator
        found = {"device": self._card(), "dtype": str(generator.model.dtype).removeprefix("torch.")}
        found |= {"rows": generator.rows, "tp_size": int(self.settings["tp_size"])}
        return found | ({"halved": True} if generator.rows < generator.full else {})

    def _card(self) -> str:
        import torch

        return torch.cuda.get_device_name() if self.generator.device != "cpu" else "cpu"

    def _say_what_is_set_aside(self) -> None:
        found = self.generator.set_aside
        if found:
            listed = ", ".join(f"{name}: {value}" for name, value in found.items())
            print(
                f"`{self.key}`: generation_config.json of {self.settings['model']} says {listed}; caption.sampling "
                "decides instead",
                file=sys.stderr,
            )

    def _try_out(self) -> None:
        """Ask about a grey picture and three: a model that fails is refused; one that fails with a video sees images;
        one whose answer depends on padding gets none.

        The first call also settles the tokenizer's padding and truncation, after which threads may share it.
        """
        grey = [Shot(float(second), None, np.full((64, 64, 3), 60 * second, np.uint8)) for second in (1, 2, 3)]
        try:
            alone = self.chat.tensors(Request(grey[:1], "image", "What is this?"))
            self._check_padding(alone)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            why = f"asked about one picture it fails: {type(error).__name__}: {shown(str(error))[:300]}"
            raise families.ModelUnusable(self.key, self.settings["model"], why) from error
        if self.chat.takes_video:
            try:
                self._check_padding(self.chat.tensors(Request(grey, "video", "What is this?", 4.0)))
            except Exception as error:
                self.chat.takes_video = False
                why = f"{type(error).__name__}: {shown(str(error))[:200]}"
                print(f"`{self.key}`: frames go in as images, for the model fails with a video: {why}", file=sys.stderr)

    def _check_padding(self, inputs: dict) -> None:
        generator = self.generator
        plain, padded = generator.scores(inputs), generator.scores(generator.padded(inputs))
        spread = float(plain.max() - plain.min()) or 1.0
        if float((plain - padded).abs().max()) > SAME_SCORES * spread:
            generator.step = 1
            print(f"`{self.key}`: padding changes what the model says, so prompts are not padded", file=sys.stderr)
