"""Text from a transformers model; an item's text does not depend on the other items of its batch."""

import sys
import threading

from clipmill.captions import sampling as choice
from clipmill.captions.caption import Caption
from clipmill.engine.batches import CPU_ROWS

LENGTH_STEP = 64
"""Prompts are padded to a multiple of this many tokens, whatever else is in the batch."""


class TextGenerator:
    """Generation with a model that is loaded and on its device.

    Items of one shape run together, their prompts padded on the left to a length of their own (`padded`), in batches of
    `batch` rows, at least CPU_ROWS: so on a CPU with one thread a text is bit-stable. A batch that is not full gets
    copies of its last item, up to a power of two on a GPU. A batch that does not fit in memory is halved and tried
    again. Threads take turns at the model; what comes before and after is done side by side.

    `sampling`: the `caption.sampling` block. What the model's folder says about it is set aside, in `set_aside`.
    """

    def __init__(self, model, tokenizer, batch: int, device: str, sampling: dict = choice.GREEDY):
        import torch

        self.model, self.tokenizer, self.device, self.sampling = model, tokenizer, device, sampling
        self.rows = self.full = max(CPU_ROWS, batch)
        self.set_aside = choice.set_aside(model.generation_config)
        ends = model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        self.ends = torch.tensor([ends] if isinstance(ends, int) else ends)
        self.pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.step = LENGTH_STEP
        self.turn = threading.Lock()

    def padded(self, inputs: dict) -> dict:
        """An item's tensors (first dimension 1), those that run along the tokens padded to a multiple of LENGTH_STEP.

        A tensor runs along the tokens where its second dimension is the prompt's length, such as the cross-attention
        mask of Llama 3.2 Vision, which has two more.
        """
        from torch.nn.functional import pad

        rows, length = inputs["input_ids"].shape
        more = -length % self.step
        out = dict(inputs)
        for name, value in inputs.items() if more else ():
            if value.shape[:2] == (rows, length):
                fill = self.pad if name == "input_ids" else 0
                out[name] = pad(value, (*[0, 0] * (value.dim() - 2), more, 0), value=fill)
        return out

    def scores(self, inputs: dict):
        """The scores (vocabulary) of the first token of an answer to one item."""
        import torch

        with torch.inference_mode():
            out = self.model.generate(
                **self._on_device(inputs), max_new_tokens=1, do_sample=False, pad_token_id=self.pad,
                return_dict_in_generate=True, output_logits=True,
            )  # fmt: skip
        return out.logits[0][0].float()

    def run(self, items: list[dict], max_tokens: int, penalty: float = 1.0, seeds: list[int] = ()) -> list[Caption]:
        """The texts of padded items, in their order: at most `max_tokens` tokens, with at least this repetition
        penalty; `seeds`: one per item, used where tokens are drawn."""
        seeds = list(seeds) or [0] * len(items)
        groups: dict[tuple, list[int]] = {}
        for index, inputs in enumerate(items):
            groups.setdefault(tuple((name, tuple(value.shape)) for name, value in inputs.items()), []).append(index)
        texts: dict[int, Caption] = {}
        for group in groups.values():
            said = self._same_shape([(items[index], seeds[index]) for index in group], max_tokens, penalty)
            texts.update(zip(group, said, strict=True))
        return [texts[index] for index in range(len(items))]

    def _same_shape(self, items: list[tuple], max_tokens: int, penalty: float) -> list[Caption]:
        from torch import OutOfMemoryError

        said: list[Caption] = []
        while len(said) < len(items):
            part = items[len(said) : len(said) + self.rows]
            try:
                said += self._batch(part, max_tokens, penalty)
            except OutOfMemoryError:
                if self.rows == 1:
                    raise
                self.rows //= 2
                print(f"out of memory: continuing with {self.rows} items per batch", file=sys.stderr)
        return said

    def _batch(self, items: list[tuple], max_tokens: int, penalty: float) -> list[Caption]:
        import torch

        count = rows_for(len(items), self.rows, self.device)
        inputs, seeds = zip(*items + [items[-1]] * (count - len(items)), strict=True)
        prompt = inputs[0]["input_ids"].shape[1]
        joined = _joined(inputs)
        with self.turn, torch.inference_mode():
            out = self.model.generate(
                **self._on_device(joined), max_new_tokens=max_tokens, do_sample=False, pad_token_id=self.pad,
                logits_processor=choice.processors(self.sampling, prompt, list(seeds), self.device),
                **choice.options(self.sampling, penalty),
            )  # fmt: skip
            new = out[: len(items), prompt:].cpu()
        texts = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        ends = torch.isin(new, self.ends)
        lengths = torch.where(ends.any(dim=1), ends.int().argmax(dim=1) + 1, new.shape[1]).tolist()
        asked = [int(item["attention_mask"].sum()) if "attention_mask" in item else prompt for item in inputs]
        return [
            Caption(text.strip(), "stop" if end.any() else "length", tokens, length)
            for text, end, tokens, length in zip(texts, ends, asked, lengths, strict=False)
        ]

    def _on_device(self, inputs: dict) -> dict:
        """Tensors as the model takes them: those of floats in its own type."""
        there = {name: value.to(self.device) for name, value in inputs.items()}
        pixels = {name: value.to(self.model.dtype) for name, value in there.items() if value.is_floating_point()}
        return there | pixels


def _joined(items: tuple[dict, ...]) -> dict:
    """The tensors of items as those of one batch, on the CPU."""
    import torch

    return {name: torch.cat([item[name] for item in items]) for name in items[0]}


def rows_for(items: int, rows: int, device: str) -> int:
    """The rows of a batch of so many items, where a full batch has `rows`: on a CPU always CPU_ROWS (fewer use other
    kernels, and more are not faster), on a GPU the next power of two, so that few shapes occur and little is wasted."""
    if device == "cpu":
        return max(min(rows, CPU_ROWS), items)
    return min(rows, 1 << (items - 1).bit_length())
