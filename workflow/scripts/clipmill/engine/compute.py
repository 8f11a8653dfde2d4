"""Computes the missing items of a shard: batches drawn from the ranks' queue, prepared in threads, faults contained."""

import argparse
import contextlib
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm import tqdm

from clipmill.engine.ranks import Ranks
from clipmill.engine.rejects import Reject
from clipmill.engine.shown import shown, shown_lines
from clipmill.engine.step import Step

REPORT_SECONDS = 30
AHEAD = 2
"""Batches that are prepared while one is computed."""


class Compute:
    """The items of one job that must be computed.

    `args` holds `threads` and `max_error_share`; `items` is the job's total number of rows; `keep` is
    called with each row and its values: its columns, or `fault`, `reason` and `detail`.
    """

    def __init__(self, step: Step, name: str, args: argparse.Namespace, ranks: Ranks, items: int, keep: Callable):
        self.step, self.name, self.args, self.ranks, self.items, self.keep = step, name, args, ranks, items, keep
        self.done = self.unexpected = 0
        self.began = self.reported = time.monotonic()

    def run(self, missing: list[dict], after_batch: Callable) -> None:
        """Draw batches until none is left, prepare the next ones meanwhile, and call `after_batch` after each.

        Raises SystemExit where more than `max_error_share` of the job's items failed unexpectedly.
        """
        self.step.load()
        batches = self.step.batches(missing)
        bar = tqdm(total=len(missing), desc=self.name, unit="item", disable=not sys.stderr.isatty())
        pool = ThreadPoolExecutor(max_workers=max(1, self.args.threads))
        try:
            for batch, futures in self.ahead(batches, pool):
                self.one_batch(batch, futures)
                bar.update(len(batch))
                self.report(len(missing))
                after_batch()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            bar.close()

    def ahead(self, batches: list[list[dict]], pool: ThreadPoolExecutor) -> Iterator[tuple[list[dict], list[Future]]]:
        """Each batch that this rank draws, with the futures of its items; a few are in preparation at any time."""
        waiting: deque = deque()
        while True:
            while sum(len(batch) for batch, _ in waiting) < max(AHEAD * self.step.batch, self.args.threads):
                if (number := self.ranks.draw()) >= len(batches):
                    break
                waiting.append((batches[number], self.submit(batches[number], pool)))
            if not waiting:
                return
            yield waiting.popleft()

    def submit(self, batch: list[dict], pool: ThreadPoolExecutor) -> list[Future]:
        """The futures of a batch: one per item, or one for all where the step computes in threads."""
        if self.step.in_threads:
            return [pool.submit(attempt, self.step, batch, [None] * len(batch))]
        return [pool.submit(self.step.prepare, row) for row in batch]

    def one_batch(self, batch: list[dict], futures: list[Future]) -> None:
        """Compute a batch from its futures and keep every result and fault."""
        if self.step.in_threads:
            with self.faults(batch):
                self.keep_all(batch, futures[0].result())
            return
        good, prepared = [], []
        for row, future in zip(batch, futures, strict=True):
            with self.faults([row]):
                prepared.append(future.result())
                good.append(row)
        if good:
            self.keep_all(good, attempt(self.step, good, prepared))

    def keep_all(self, rows: list[dict], results: list[dict | Exception]) -> None:
        """Keep the result or fault of each row."""
        for row, values in zip(rows, results, strict=True):
            with self.faults([row]):
                if isinstance(values, Exception):
                    raise values
                self.keep_one(row, values)

    def keep_one(self, row: dict, values: dict) -> None:
        """Keep the values of a row and count it."""
        self.keep(row, values)
        self.done += 1

    @contextlib.contextmanager
    def faults(self, rows: list[dict]):
        """Turn an exception into a reject of these rows, unless it is the environment's."""
        try:
            yield
        except Reject as error:
            for row in rows:
                self.keep_one(row, {"fault": "item", "reason": error.reason, "detail": error.detail})
        except (OSError, MemoryError):
            raise
        except Exception as error:
            for row in rows:
                print(f"{self.name}: {row['id']} ({shown(row.get('relpath', ''))}) failed", file=sys.stderr)
                self.keep_one(row, {"fault": "unexpected", "reason": "unexpected error", "detail": repr(error)[:500]})
            print(shown_lines(traceback.format_exc()), file=sys.stderr)
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

    def report(self, total: int) -> None:
        """Print a line of progress every half minute, for the log."""
        now = time.monotonic()
        if now - self.reported > REPORT_SECONDS and not sys.stderr.isatty():
            self.reported = now
            line = tqdm.format_meter(self.done * self.ranks.size, total, now - self.began, unit="item", ncols=0)
            print(f"{self.name}: {line}", file=sys.stderr, flush=True)


def attempt(step: Step, rows: list[dict], prepared: list) -> list[dict | Exception]:
    """A result or fault for each row. A batch that fails is halved and tried again: its fault is one item's."""
    try:
        return step.compute(rows, prepared)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if len(rows) == 1:
            return [error]
    middle = len(rows) // 2
    halves = (slice(None, middle), slice(middle, None))
    return [result for half in halves for result in attempt(step, rows[half], prepared[half])]
