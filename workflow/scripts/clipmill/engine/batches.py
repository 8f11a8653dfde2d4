"""Runs a network on batches of one fixed shape, so that an item's result never depends on its neighbours."""

import sys
from collections.abc import Callable

CPU_ROWS = 4
"""Rows per batch on a CPU, whatever the configuration says: a batch of one to three uses other kernels than a larger
one and differs in the last bits, and more rows are not faster."""


class Batches:
    """Calls `run` on batches of exactly `rows` items, the last one filled up with zeros.

    On a GPU a batch goes there and its results come back through pinned memory, on a stream of copies, while the batch
    before it is computed; torch keeps the pinned memory and uses it again when a copy has ended. A batch that does not
    fit is halved from then on. On a CPU `rows` is CPU_ROWS, or 1 with `single` (for networks whose items are large
    enough to keep a core busy alone).
    """

    def __init__(self, run: Callable, rows: int, device: str, single: bool = False):
        self.run, self.device = run, device
        self.least = 1 if single else CPU_ROWS
        self.rows = self.least if device == "cpu" else max(self.least, rows)
        self.computed = 0
        self.copies = None

    def __call__(self, items: list):
        """`items`: CPU tensors of one shape, at least one. Returns (len(items), ...) on the CPU, float32."""
        import torch

        done, results = 0, []
        while done < len(items):
            running = self.start(items[done:])
            results.append(running.result())
            done += running.count
        return torch.cat(results)

    def start(self, items: list) -> "Running":
        """Begin a batch of the first `rows` of these CPU tensors of one shape; its `count` says how many those are."""
        import torch

        while True:
            chunk = items[: self.rows]
            try:
                with torch.inference_mode():
                    running = Running(self.run(self.batch(chunk)), len(chunk))
            except torch.OutOfMemoryError:
                self.halve()
            else:
                self.computed += self.rows
                return running

    def batch(self, chunk: list):
        """These items as one tensor of `rows` rows on the device."""
        import torch

        on_gpu = self.device != "cpu"
        whole = torch.empty((self.rows, *chunk[0].shape), dtype=chunk[0].dtype, pin_memory=on_gpu)
        torch.stack(chunk, out=whole[: len(chunk)])
        whole[len(chunk) :].zero_()
        if not on_gpu:
            return whole
        self.copies = self.copies or torch.cuda.Stream(self.device)
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.copies):
            there = whole.to(self.device, non_blocking=True)
        computing.wait_stream(self.copies)
        there.record_stream(computing)
        return there

    def halve(self) -> None:
        """Go on with half the rows. Raises the current error where there is no smaller batch."""
        import torch

        if self.rows <= self.least:
            raise
        self.rows = max(self.least, self.rows // 2)
        torch.cuda.empty_cache()
        print(f"out of GPU memory: continuing with {self.rows} rows per batch", file=sys.stderr)


class Running:
    """A batch that a device may still be computing; the first `count` of its rows are results."""

    def __init__(self, out, count: int):
        import torch

        self.count, self.ended = count, None
        out = out[:count].float()
        if out.device.type == "cpu":
            self.out = out
        else:
            self.out = torch.empty(out.shape, dtype=out.dtype, pin_memory=True).copy_(out, non_blocking=True)
            self.ended = torch.cuda.Event()
            self.ended.record(torch.cuda.current_stream(out.device))

    def result(self):
        """(count, ...) on the CPU, float32, as soon as the device has computed it."""
        if self.ended:
            self.ended.synchronize()
        return self.out
