"""Runs a network on batches of one fixed shape, so that an item's result never depends on its neighbours."""

import sys
from collections.abc import Callable

CPU_ROWS = 4
"""Rows per batch on a CPU, whatever the configuration says: a batch of one to three uses other kernels than a larger
one and differs in the last bits, and more rows are not faster."""


class Batches:
    """Calls `run` on batches of exactly `rows` items, the last one filled up with zeros.

    On a GPU a batch goes there on a stream of copies, while the batch before it is computed, and its results come back
    on the stream that computes them: on that of copies they would hold up the next batch. Both through pinned memory
    (`pinned`), which torch keeps and uses again when a copy has ended. `run` must not wait for the device, as a copy
    from ordinary memory does (such as an index made of a list): a batch is queued while the one before is computed.
    A batch that does not fit is halved from then on. On a CPU `rows` is CPU_ROWS, or 1 with `single` (for networks
    whose items are large enough to keep a core busy alone).
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
        while (running := self._begun(items[: self.rows])) is None:
            self.halve()
        self.computed += self.rows
        return running

    def _begun(self, chunk: list) -> "Running | None":
        """A batch that has begun; None where it does not fit. Raises OutOfMemoryError where there is no smaller one."""
        import torch

        try:
            with torch.inference_mode():
                return Running(self.begin(chunk), len(chunk))
        except torch.OutOfMemoryError:
            if self.rows <= self.least:
                raise
        # Here the error is forgotten, and with it what the network held when it was raised.
        return None

    def begin(self, chunk: list):
        """What the network says of these items, on the device: (rows, ...)."""
        return self.run(self.there(chunk, self.rows))

    def kind(self, tensor) -> tuple:
        """What tells items apart that cannot be in one batch."""
        return tuple(tensor.shape), tensor.dtype

    def pinned(self, tensor):
        """A CPU tensor in memory from which a GPU copies by itself. A worker calls this: it copies, too."""
        return tensor if self.device == "cpu" else tensor.pin_memory()

    def there(self, tensors: list, rows: int):
        """CPU tensors of one shape as one tensor of so many rows on the device, the last ones zeros."""
        import torch

        def joined():
            whole = torch.empty((rows, *tensors[0].shape), dtype=tensors[0].dtype, device=self.device)
            whole[len(tensors) :].zero_()
            if self.device == "cpu":
                torch.stack(tensors, out=whole[: len(tensors)])
            else:
                for row, tensor in zip(whole, tensors, strict=False):
                    row.copy_(tensor, non_blocking=True)
            return whole

        return self.ahead(joined)

    def ahead(self, make: Callable):
        """What `make` puts on the device; on a GPU on the stream of copies, for the stream that computes."""
        import torch

        if self.device == "cpu":
            return make()
        self.copies = self.copies or torch.cuda.Stream(self.device)
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.copies):
            made = make()
        computing.wait_stream(self.copies)
        # Its memory belongs to the other stream, and is not to be used again before this one has read it.
        made.record_stream(computing)
        return made

    def halve(self) -> None:
        """Go on with half the rows."""
        import torch

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
            # A thread that waits for it leaves its core to those that prepare.
            self.ended = torch.cuda.Event(blocking=True)
            self.ended.record(torch.cuda.current_stream(out.device))

    def result(self):
        """(count, ...) on the CPU, float32, as soon as the device has computed it."""
        if self.ended:
            self.ended.synchronize()
        return self.out
