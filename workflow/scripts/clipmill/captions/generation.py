"""Text from a transformers model; an item's text does not depend on the other items of its batch."""

import sys

from clipmill.captions.caption import Caption
from clipmill.engine.batches import CPU_ROWS

LENGTH_STEP = 64
"""Prompts are padded to a multiple of this many tokens, whatever else is in the batch."""


class TextGenerator:
    """Greedy generation with a model that is loaded and on its device.

    Items of one shape run together, their prompts padded on the left to a length of their own (`padded`), in batches of
    `batch` rows, at least CPU_ROWS: so on a CPU with one thread a text is bit-stable. On a GPU every batch has the
    full number of rows. A batch that does not fit in memory is halved and tried again.
    """

    def __init__(self, model, tokenizer, batch: int, device: str):
        import torch

        self.model, self.tokenizer, self.device = model, tokenizer, device
        self.rows = max(CPU_ROWS, batch)
        ends = model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        self.ends = torch.tensor([ends] if isinstance(ends, int) else ends)
        self.pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def padded(self, inputs: dict) -> dict:
        """An item's tensors (first dimension 1), those with a token dimension padded to a multiple of LENGTH_STEP."""
        from torch.nn.functional import pad

        shape = inputs["input_ids"].shape
        more = -shape[1] % LENGTH_STEP
        return {
            name: pad(value, (more, 0), value=self.pad if name == "input_ids" else 0) if value.shape == shape else value
            for name, value in inputs.items()
        }

    def run(self, items: list[dict], max_tokens: int, penalty: float = 1.0) -> list[Caption]:
        """The texts of padded items, in their order: at most `max_tokens` tokens, with a repetition penalty."""
        groups: dict[tuple, list[int]] = {}
        for index, inputs in enumerate(items):
            groups.setdefault(tuple((name, tuple(value.shape)) for name, value in inputs.items()), []).append(index)
        texts: dict[int, Caption] = {}
        for group in groups.values():
            said = self._same_shape([items[index] for index in group], max_tokens, penalty)
            texts.update(zip(group, said, strict=True))
        return [texts[index] for index in range(len(items))]

    def _same_shape(self, items: list[dict], max_tokens: int, penalty: float) -> list[Caption]:
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

    def _batch(self, items: list[dict], max_tokens: int, penalty: float) -> list[Caption]:
        import torch

        rows = min(self.rows, CPU_ROWS) if self.device == "cpu" else self.rows
        filled = items + [items[-1]] * (rows - len(items))
        inputs = {name: torch.cat([item[name] for item in filled]).to(self.device) for name in items[0]}
        pixels = {name: value.to(self.model.dtype) for name, value in inputs.items() if value.is_floating_point()}
        options = {"repetition_penalty": penalty} if penalty != 1.0 else {}
        with torch.inference_mode():
            out = self.model.generate(
                **{**inputs, **pixels}, max_new_tokens=max_tokens, do_sample=False, pad_token_id=self.pad, **options
            )
        new = out[: len(items), inputs["input_ids"].shape[1] :].cpu()
        texts = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        ended = torch.isin(new, self.ends).any(dim=1).tolist()
        return [Caption(text.strip(), "stop" if end else "length") for text, end in zip(texts, ended, strict=True)]
