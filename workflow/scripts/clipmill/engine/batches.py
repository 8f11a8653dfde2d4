"""Runs a network on batches of one fixed shape, so that an item's result never depends on its neighbours."""

import sys
from collections.abc import Callable

CPU_ROWS = 4
"""Rows per batch on a CPU, whatever the configuration says: a batch of one to three uses other kernels than a larger
one and differs in the last bits, and more rows are not faster."""


def per_clip(run: Callable, clips: list[list]) -> list[list]:
    """`run`, a function from items to as many results, on the items of all clips at once; a list of results per clip.

    A clip may have no items.
    """
    items = [item for clip in clips for item in clip]
    results = iter(run(items) if items else ())
    return [[next(results) for _ in clip] for clip in clips]


class Batches:
    """Calls `run` on batches of exactly `rows` items, the last one filled up with zeros.

    On a GPU tensors go through pinned memory, and a batch that does not fit is halved from then on. On a CPU `rows` is
    CPU_ROWS, or 1 with `single` (for networks whose items are large enough to keep a core busy alone).
    """

    def __init__(self, run: Callable, rows: int, device: str, single: bool = False):
        self.run, self.device = run, device
        self.least = 1 if single else CPU_ROWS
        self.rows = self.least if device == "cpu" else max(self.least, rows)

    def __call__(self, items: list):
        """`items`: CPU tensors of one shape, at least one. Returns (len(items), ...) on the CPU, float32."""
        import torch

        done, results = 0, []
        with torch.inference_mode():
            while done < len(items):
                try:
                    chunk = items[done : done + self.rows]
                    results.append(self.run(self.batch(chunk))[: len(chunk)].float().cpu())
                    done += len(chunk)
                except torch.OutOfMemoryError:
                    self.halve()
        return torch.cat(results)

    def batch(self, chunk: list):
        """These items as one tensor of `rows` rows on the device."""
        import torch

        on_gpu = self.device != "cpu"
        whole = torch.zeros((self.rows, *chunk[0].shape), dtype=chunk[0].dtype, pin_memory=on_gpu)
        torch.stack(chunk, out=whole[: len(chunk)])
        return whole.to(self.device, non_blocking=on_gpu)

    def halve(self) -> None:
        """Go on with half the rows. Raises the current error where there is no smaller batch."""
        import torch

        if self.rows <= self.least:
            raise
        self.rows = max(self.least, self.rows // 2)
        torch.cuda.empty_cache()
        print(f"out of GPU memory: continuing with {self.rows} rows per batch", file=sys.stderr)
