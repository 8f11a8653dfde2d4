"""Computes the missing items of a shard: batches drawn from the ranks' queue, prepared in threads, faults contained."""

import argparse
import contextlib
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from clipmill.engine import fetched, files, loops, remote
from clipmill.engine.loops import attempt
from clipmill.engine.progress import Progress
from clipmill.engine.ranks import Ranks
from clipmill.engine.rejects import Reject
from clipmill.engine.shown import shown, shown_lines
from clipmill.engine.step import Step, place_of_source
from clipmill.engine.workers import Stalled, Task, Workers

AHEAD = 2
"""Batches that are prepared while one is computed."""


class Compute:
    """The items of one job that must be computed.

    `args` holds `threads`, `item_minutes` and `max_error_share`; `items` is the job's total number of rows; `keep` is
    called with each row and its values: its columns, or `fault`, `reason` and `detail`.
    """

    def __init__(self, step: Step, name: str, args: argparse.Namespace, ranks: Ranks, items: int, keep: Callable):
        self.step, self.name, self.args, self.ranks, self.items, self._keep = step, name, args, ranks, items, keep
        self.threads = step.threads or max(1, args.threads)
        self.workers = Workers(self.threads, args.item_minutes * 60)
        self.unexpected = self.kept = 0

    def run(self, missing: list[dict], progress: Progress, after_batch: Callable) -> None:
        """Draw batches until none is left, prepare the next ones meanwhile, and call `after_batch` after each.

        Raises SystemExit where more than `max_error_share` of the job's items failed unexpectedly.
        """
        self.step.load()
        self.step.recall(missing)
        batches = self.step.batches(missing)
        progress.start()

        told = 0

        def done() -> None:
            nonlocal told
            if self.kept > told:
                progress.add(self.kept - told)
                told = self.kept
                after_batch()

        try:
            loops.of(self.step)(self, batches, done)
        finally:
            self.workers.close()

    def keep(self, row: dict, values: dict) -> None:
        """Keep the result or fault of a row."""
        self._keep(row, values)
        self.kept += 1

    def ahead(self, batches: list[list[dict]]) -> Iterator[tuple[list[dict], list[Task]]]:
        """Each batch that this rank draws, with the tasks of its items; a few are in preparation at any time."""
        waiting: deque = deque()
        while True:
            while sum(len(batch) for batch, _ in waiting) < max(AHEAD * self.step.batch, self.threads):
                if (number := self.ranks.draw()) >= len(batches):
                    break
                waiting.append((batches[number], self.submit(batches[number])))
            if not waiting:
                return
            yield waiting.popleft()

    def submit(self, batch: list[dict]) -> list[Task]:
        """The tasks that prepare the items of a batch."""
        prepare = (lambda row: self.step.prepare(row).pinned()) if self.step.asks else self.step.prepare
        return [self.workers.submit(self.reads(row), prepare, row) for row in batch]

    def whole(self, batch: list[dict]) -> Task:
        """The task that computes a batch, for a step that computes in threads."""
        return self.workers.submit(self.reads(batch[0]), attempt, self.step, batch, [None] * len(batch))

    def reads(self, row: dict) -> Callable[[], None]:
        """A check that the source of a row can be read, which raises OSError. A fetch says itself that it goes on."""
        return lambda: remote.is_remote(place_of_source(self.step, row)) or files.read_through(self.step.source(row))

    def in_threads(self, batch: list[dict], task: Task) -> None:
        """Keep what a worker computes of a batch. Where it stalls, each item is tried alone: the fault is of one."""
        with self.faults(batch):
            try:
                self.keep_all(batch, self.workers.result(task))
            except Stalled:
                if len(batch) == 1:
                    raise
                for row in batch:
                    self.in_threads([row], self.whole([row]))

    def keep_all(self, rows: list[dict], results: list[dict | Exception]) -> None:
        """Keep the result or fault of each row."""
        for row, values in zip(rows, results, strict=True):
            with self.faults([row]):
                if isinstance(values, Exception):
                    raise values
                self.keep(row, values)

    @contextlib.contextmanager
    def faults(self, rows: list[dict]):
        """Turn an exception into a fault of these rows, unless it is the environment's."""
        try:
            yield
        except Exception as error:
            fault = fault_of(self.step, self.name, self.args.item_minutes, rows, error)
            for row in rows:
                self.keep(row, fault)
            if fault["fault"] in ("unexpected", "unreachable"):
                self.unexpected += len(rows)
                self.check_share(error)

    def check_share(self, error: Exception) -> None:
        """Raise SystemExit where too many items failed unexpectedly; `error` is the last one's."""
        share = self.args.max_error_share
        if self.unexpected > share * self.items:
            raise SystemExit(
                f"{self.name}: {self.unexpected} of {self.items} items failed unexpectedly, more than the share "
                f"{share} that max_error_share allows; the last: {error!r}. The traceback is above."
            )


def fault_of(step: Step, name: str, minutes: float, rows: list[dict], error: Exception) -> dict:
    """What is kept of rows that failed in the job `name`. Raises `error` again where the environment is at fault."""
    if isinstance(error, Reject):
        return {"fault": "item", "reason": error.reason, "detail": fetched.told(error.detail)}
    if isinstance(error, Stalled):
        return stalled(minutes)
    if isinstance(error, remote.Unreachable):
        print(f"{name}: {error}", file=sys.stderr)
        return {"fault": "unreachable", "reason": "cannot be fetched", "detail": str(error)[:500]}
    if isinstance(error, FileNotFoundError) and are_gone(step, rows):
        return changed("the file is gone")
    if isinstance(error, OSError | MemoryError):
        raise error
    for row in rows:
        print(f"{name}: {row['id']} ({shown(row.get('relpath', ''))}) failed", file=sys.stderr)
    print(shown_lines("".join(traceback.format_exception(error))), file=sys.stderr)
    return {"fault": "unexpected", "reason": "unexpected error", "detail": fetched.told(repr(error))[:500]}


def are_gone(step: Step, rows: list[dict]) -> bool:
    """Whether the sources of these rows are gone, though their folder is there."""
    root = str(step.videos)
    its_folder_is_there = step.reads_source and (remote.is_remote(root) or any(Path(root).iterdir()))
    return its_folder_is_there and not any(fetched.exists(place_of_source(step, row)) for row in rows)


def changed(how: str) -> dict:
    """The fault of an item whose source is not the file that was listed; `how`: in words."""
    return {"fault": "changed", "reason": "changed during the run", "detail": how}


def stalled(minutes: float) -> dict:
    """The fault of an item that showed no progress for so long. It names the limit: a longer one tries again."""
    detail = f"no progress in {minutes:g} minutes; item_minutes in the configuration sets the limit"
    return {"fault": f"stalled {minutes:g}", "reason": "takes too long", "detail": detail}
