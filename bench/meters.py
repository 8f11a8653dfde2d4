"""What the GPU benchmark measures with: which batches a network gets, when it runs, and how long its answers are."""

import time
import zlib
from collections import Counter


class Network:
    """Watches a network (an nn.Module): its calls by the shape of their input, and the time that they take on a CPU.

    With `examples`, the largest input of each shape is held, so that `bare` can give it again.
    """

    def __init__(self, module, examples: bool = True):
        self.module, self.examples, self.holds = module, {}, examples
        self.reset()
        module.register_forward_pre_hook(self._begin, with_kwargs=True)
        module.register_forward_hook(self._end)

    def reset(self) -> None:
        """Count from nothing."""
        self.rows, self.busy = Counter(), 0.0

    def _begin(self, _, given, named):
        first = next(value for value in (*given, *named.values()) if hasattr(value, "shape"))
        shape = tuple(first.shape[1:])
        self.rows[shape] += len(first)
        if self.holds and len(first) > self.examples.get(shape, (0,))[0]:
            self.examples[shape] = len(first), given, named
        self.began = time.perf_counter()

    def _end(self, *_):
        self.busy += time.perf_counter() - self.began

    def bare(self, clock, times: int) -> dict:
        """Seconds of the bare network for a row of each shape: `times` full batches that lie on the device."""
        found = {}
        for shape, (rows, given, named) in list(self.examples.items()):
            clock(lambda g=given, n=named: self.module(*g, **n))
            found[shape] = clock(lambda g=given, n=named: [self.module(*g, **n) for _ in range(times)]) / times / rows
        return found


class Answers:
    """Stands in for a model's `generate`: each answer ends after a number of tokens that depends on its prompt and
    pictures, as a trained model's would. It counts what was asked and what was computed.

    `shortest` and `longest` (tokens) bound the numbers, which are spread evenly.
    """

    WORDS = " the a cat dog sits runs in on red blue house tree man woman walks slowly and under bright sky"

    def __init__(self, model, tokenizer, shortest: int, longest: int):
        self.model, self.generate = model, model.generate
        self.shortest, self.longest = shortest, longest
        self.words = sorted(set(tokenizer(self.WORDS, add_special_tokens=False)["input_ids"]))
        self.end = tokenizer.eos_token_id
        self.examples = {}
        self.reset()
        model.generate = self

    def reset(self) -> None:
        """Count from nothing."""
        self.rows, self.slots, self.forced = Counter(), 0, set()

    def __call__(self, **given):
        rows, prompt = given["input_ids"].shape
        lengths = [self.length(given, row, rows) for row in range(rows)]
        self.rows[prompt] += rows
        self.slots += rows * max(lengths)
        self.forced |= set(lengths)
        if rows > self.examples.get(prompt, (0,))[0]:
            self.examples[prompt] = rows, given
        return self.ending(given, lengths)

    def length(self, given: dict, row: int, rows: int) -> int:
        """The tokens of a row's answer."""
        pixels = next(value for name, value in given.items() if name.startswith("pixel_values"))
        mine = pixels.reshape(rows, -1)[row].float()
        digest = zlib.crc32(f"{float(mine.mean()):.6f} {float(mine.std()):.6f}".encode())
        return self.shortest + digest % (self.longest - self.shortest + 1)

    def ending(self, given: dict, lengths: list[int]):
        """`generate` whose rows end after so many tokens each."""
        ends = Ends(lengths, given["input_ids"].shape[1], self.words, self.end, given["input_ids"].device)
        return self.generate(**given | {"logits_processor": [*(given.get("logits_processor") or []), ends]})

    def bare(self, clock, tokens: int) -> dict:
        """Seconds for a row of each length of prompt, in full batches of equal prompts, all of so many tokens."""
        found = {}
        for prompt, (rows, given) in list(self.examples.items()):
            found[prompt] = clock(lambda g=given, n=rows: self.ending(g, [tokens] * n)) / rows
        return found


class Ends:
    """Scores of the next token that let each row end at its length, not before and not later, and say plain words."""

    def __init__(self, lengths: list[int], prompt: int, words: list[int], end: int, device):
        import torch

        self.prompt, self.end = prompt, end
        self.lengths, self.words = torch.tensor(lengths, device=device), torch.tensor(words, device=device)

    def __call__(self, input_ids, scores):
        import torch

        out = torch.full_like(scores, -torch.inf)
        out[:, self.words] = scores[:, self.words].clamp(min=torch.finfo(scores.dtype).min)
        due = self.lengths <= input_ids.shape[1] - self.prompt + 1
        out[:, self.words] = out[:, self.words].masked_fill(due[:, None], -torch.inf)
        out[:, self.end] = torch.where(due, 0.0, -torch.inf).to(scores.dtype)
        return out


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union of spans (begin, end)."""
    total, until = 0, None
    for begin, end in sorted(spans):
        if until is None or begin > until:
            total, until = total + end - begin, end
        elif end > until:
            total, until = total + end - until, end
    return total


def idle_share(run, device: str) -> float:
    """The share of the time of `run()` in which no kernel runs on the device, by torch's profiler. Copies are no
    kernels. On a CPU: in which this thread runs no operator of torch."""
    import torch
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device != "cpu"
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as seen:
        began = time.perf_counter_ns()
        run()
        if on_gpu:
            torch.cuda.synchronize()
        took = time.perf_counter_ns() - began
    spans = [
        (event.start_ns(), event.end_ns())
        for event in seen.profiler.kineto_results.events()
        if event.device_type() == kind
        and not event.is_user_annotation()
        and not event.name().startswith(("Memcpy", "Memset", "ProfilerStep"))
    ]
    return max(0.0, 1 - covered(spans) / took)
