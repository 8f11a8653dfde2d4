"""The machine under every map rule: recall what is remembered, compute what is missing, write one row for each row.

A step's script says only what is its own (see `Step`); `main` does the rest: memo, ranks, batches, faults, progress.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from clipmill import models, tables
from clipmill.code import digest
from clipmill.memo import Memo
from clipmill.ranks import Ranks

FLUSH_SECONDS = 60
REPORT_SECONDS = 30
STOP = (signal.SIGTERM, signal.SIGINT)
AHEAD = 2
"""Batches that are prepared while one is computed."""


class ItemError(Exception):
    """A fault of one item, which becomes a reject: a short `reason` (the same for all of its kind) and a detail."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, " ".join(detail.split())[:500]


class Terminated(BaseException):
    """A signal to stop came: what is computed is written before the process ends."""


class Step:
    """A function from an item to new columns. Subclass it in the script of the rule and call `main`."""

    columns: tuple[str, ...] = ()
    """What it adds to a row."""
    hidden: tuple[str, ...] = ()
    """What it remembers beside its columns, for `valid` and `finish`; not written to the table."""
    reads: tuple[str, ...] = ("start_frame", "end_frame")
    """The columns of a row, beside its id, that the result depends on."""
    narrow = False
    """Whether the table holds only the id and the step's columns (scorers) or the whole row."""
    parallel = False
    """Whether `compute` itself runs in the worker threads, a batch each (for steps without a model)."""

    def __init__(self, settings: dict, results: Path, videos: Path, store: Path, models: dict, device: str = "cpu"):
        self.settings, self.results, self.videos, self.models, self.device = settings, results, videos, models, device
        self.batch = int(settings.get("batch", 1))
        self._store = store

    @cached_property
    def store(self):
        """Where this step reads frames (a frames.Store)."""
        from clipmill.frames import Store

        return Store(self._store, self.videos, self.settings.get("frames_from", {}).get("source", "store"))

    def source(self, row: dict) -> Path:
        """The source file of a row."""
        return self.videos / row["relpath"]

    def load(self) -> None:
        """Build the model. Called once a process, and only when something is missing."""

    def prepare(self, row: dict) -> object:
        """Read and preprocess one item, in a worker thread. Raises ItemError where the item is at fault."""

    def compute(self, rows: list[dict], prepared: list) -> list[dict | ItemError]:
        """The new columns of a batch of items, one dict (or fault) for each row."""
        raise NotImplementedError

    def batches(self, rows: list[dict]) -> list[list[dict]]:
        """The batches in which items are computed."""
        size = max(1, self.batch)
        return [rows[at : at + size] for at in range(0, len(rows), size)]

    def valid(self, row: dict, remembered: dict) -> bool:
        """Whether what is remembered still holds, for a step that also writes a file."""
        return True

    def finish(self, row: dict, values: dict) -> dict:
        """The last, cheap part of a result, done for computed and remembered items alike and never remembered.

        May raise ItemError.
        """
        return values


def main(kind: type[Step], description: str) -> None:
    """The command line of a step's script."""
    args = _arguments(description)
    settings = json.loads(args.settings)
    for number in STOP:
        signal.signal(number, _terminate)
    ranks = Ranks(int(settings.get("tp_size", 1)))
    listed = json.loads(args.models.read_text()) if args.models else {}
    step = kind(settings, args.results, args.videos, args.store, listed, _device(ranks))
    job = _Job(step, args, ranks)
    try:
        job.run()
    except Terminated as told:
        job.flush()
        name = signal.Signals(told.args[0]).name
        print(f"{job.name}: ended by {name}; {job.computed} computed items are kept in the memo", file=sys.stderr)
        os._exit(128 + told.args[0])
    except (OSError, MemoryError) as error:
        with contextlib.suppress(OSError):
            job.flush()
        raise SystemExit(f"{job.name}: the environment failed, not an item: {type(error).__name__}: {error}") from error


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the table (shard) to read")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, one row for each row read")
    parser.add_argument("--memo", type=Path, required=True, help="folder of what this step remembers")
    parser.add_argument("--settings", default="{}", help="the step's configuration block, as JSON")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder")
    parser.add_argument("--videos", type=Path, default=Path("videos"), help="the folder that relpath starts from")
    parser.add_argument("--store", type=Path, default=Path("frames"), help="the folder of frame stores")
    parser.add_argument("--models", type=Path, help="the list of models that fetch_models wrote")
    workers = int(os.environ.get("CLIPMILL_THREADS", 1))
    parser.add_argument("--threads", type=int, default=workers, help="threads that prepare items")
    parser.add_argument("--max-error-share", type=float, default=0.5, help="unexpected faults that fail the job")
    return parser.parse_args()


def _terminate(number: int, _) -> None:
    for other in STOP:
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(number)


def _device(ranks: Ranks) -> str:
    """This rank's GPU where the job was given any; a CPU else. Does not import torch where no GPU can be."""
    if not os.path.exists("/dev/nvidiactl") or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "cpu"
    import torch

    return f"cuda:{ranks.local}" if torch.cuda.is_available() else "cpu"


class _Job:
    """One shard of one step in one process."""

    def __init__(self, step: Step, args: argparse.Namespace, ranks: Ranks):
        self.step, self.args, self.ranks = step, args, ranks
        self.name = f"{Path(sys.argv[0]).stem} {args.table.stem}"
        self.memo = Memo(args.memo, (*step.columns, *step.hidden))
        self.rows = list(tables.read(args.table))
        self.model = digest(models.digests(step.models, Path(sys.argv[0]).stem))
        self.fresh: list[dict] = []
        self.computed = self.unexpected = 0
        self.began = self.flushed = self.reported = time.monotonic()

    def run(self) -> None:
        known = self.recall(faults=False)
        open_rows = [row for row in self.rows if not tables.is_reject(row)]
        # One rank's word: another one may have looked later, when more was remembered, and count batches differently.
        mine = [row["id"] for row in open_rows if self.key(row) not in known]
        wanted = set(json.loads(self.ranks.agree("missing", json.dumps(mine))))
        missing = [row for row in open_rows if row["id"] in wanted]
        if missing:
            self.compute(missing)
        self.flush()
        self.ranks.wait("computed")
        if self.ranks.rank == 0:
            self.assemble(len(open_rows), len(missing))
        self.ranks.wait("assembled")

    def key(self, row: dict) -> tuple[str, str]:
        """What an item is remembered by: its id, and a digest of all else that its result depends on."""
        return row["id"], digest([row.get(name, "") for name in self.step.reads], self.model)

    def recall(self, faults: bool) -> dict[tuple[str, str], dict]:
        """The remembered rows of this shard that still hold; unexpected faults only if `faults`."""
        if not self.rows:
            return {}
        rows = {self.key(row): row for row in self.rows if not tables.is_reject(row)}
        known = self.memo.recall(self.rows[0]["id"], self.rows[-1]["id"])
        return {
            key: held
            for key, held in known.items()
            if key in rows
            and (faults or held["fault"] != "unexpected")
            and (held["fault"] or self.step.valid(rows[key], held))
        }

    def compute(self, missing: list[dict]) -> None:
        """Draw batches until none is left; prepare the next ones in threads meanwhile."""
        self.step.load()
        batches = self.step.batches(missing)
        shown = tqdm(total=len(missing), desc=self.name, unit="item", disable=not sys.stderr.isatty())
        pool = ThreadPoolExecutor(max_workers=max(1, self.args.threads))
        try:
            for batch, futures in self.ahead(batches, pool):
                self.one_batch(batch, futures)
                shown.update(len(batch))
                self.report(len(missing))
                if time.monotonic() - self.flushed > FLUSH_SECONDS:
                    self.flush()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            shown.close()

    def ahead(self, batches: list[list[dict]], pool: ThreadPoolExecutor) -> Iterator[tuple[list[dict], list[Future]]]:
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
        if self.step.parallel:
            return [pool.submit(self.attempt, batch, [None] * len(batch))]
        return [pool.submit(self.step.prepare, row) for row in batch]

    def one_batch(self, batch: list[dict], futures: list[Future]) -> None:
        if self.step.parallel:
            with self.faults(batch):
                self.keep_all(batch, futures[0].result())
            return
        good, prepared = [], []
        for row, future in zip(batch, futures, strict=True):
            with self.faults([row]):
                prepared.append(future.result())
                good.append(row)
        if good:
            self.keep_all(good, self.attempt(good, prepared))

    def attempt(self, rows: list[dict], prepared: list) -> list[dict | Exception]:
        """A result or fault for each row. A batch that fails is halved and tried again: its fault is one item's."""
        try:
            return self.step.compute(rows, prepared)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if len(rows) == 1:
                return [error]
        middle = len(rows) // 2
        halves = (slice(None, middle), slice(middle, None))
        return [result for half in halves for result in self.attempt(rows[half], prepared[half])]

    def keep_all(self, rows: list[dict], results: list[dict | Exception]) -> None:
        for row, values in zip(rows, results, strict=True):
            with self.faults([row]):
                if isinstance(values, Exception):
                    raise values
                self.keep(row, {name: tables.number(value) for name, value in values.items()})

    @contextlib.contextmanager
    def faults(self, rows: list[dict]):
        """Turn an exception into a reject of these rows, unless it is the environment's."""
        try:
            yield
        except ItemError as error:
            for row in rows:
                self.keep(row, {"fault": "item", "reason": error.reason, "detail": error.detail})
        except (OSError, MemoryError):
            raise
        except Exception as error:
            for row in rows:
                print(f"{self.name}: {row['id']} ({row.get('relpath', '')}) failed", file=sys.stderr)
                self.keep(row, {"fault": "unexpected", "reason": "unexpected error", "detail": repr(error)[:500]})
            traceback.print_exc()
            self.unexpected += len(rows)
            self.check_share(error)

    def check_share(self, error: Exception) -> None:
        share = self.args.max_error_share
        if self.unexpected > share * len(self.rows):
            self.flush()
            raise SystemExit(
                f"{self.name}: {self.unexpected} of {len(self.rows)} items failed unexpectedly, more than the share "
                f"{share} that max_error_share allows; the last: {error!r}. The traceback stands above."
            )

    def keep(self, row: dict, values: dict) -> None:
        identity, key = self.key(row)
        self.fresh.append({**values, "id": identity, "key": key})
        self.computed += 1

    def flush(self) -> None:
        """Write what was computed since the last time as a part file."""
        if self.ranks.leads:
            self.memo.write(self.fresh)
        self.fresh, self.flushed = [], time.monotonic()

    def report(self, total: int) -> None:
        """A line of progress every half minute, for the log."""
        now = time.monotonic()
        if now - self.reported > REPORT_SECONDS and not sys.stderr.isatty():
            self.reported = now
            line = tqdm.format_meter(self.computed * self.ranks.size, total, now - self.began, unit="item", ncols=0)
            print(f"{self.name}: {line}", file=sys.stderr, flush=True)

    def assemble(self, items: int, missing: int) -> None:
        """Write the table: every row that came in, with its new columns or its reason."""
        known, rejects = self.recall(faults=True), 0
        lost = [row["id"] for row in self.rows if not tables.is_reject(row) and self.key(row) not in known]
        if lost:
            raise SystemExit(f"{self.name}: {len(lost)} results are not in the memo, e.g. of {lost[0]}; run again")
        names = [name for name in tables.columns(self.args.table) if name not in tables.REJECT]
        names = ["id"] if self.step.narrow else names
        names = [*names, *(name for name in self.step.columns if name not in names), *tables.REJECT]
        stage = Path(sys.argv[0]).stem
        with tables.whole(self.args.out) as file:
            out = tables.writer(file, names)
            for row in self.rows:
                if not tables.is_reject(row):
                    row = {**row, **self.outcome(row, known[self.key(row)], stage)}
                    rejects += tables.is_reject(row)
                out.writerow(row)
        self.account(items, missing, rejects)

    def outcome(self, row: dict, held: dict, stage: str) -> dict:
        if held["fault"]:
            return {"stage": stage, "reason": held["reason"], "detail": held["detail"]}
        values = {name: held[name] for name in (*self.step.columns, *self.step.hidden) if name in held}
        try:
            return self.step.finish(row, values)
        except ItemError as error:
            return {"stage": stage, "reason": error.reason, "detail": error.detail}

    def account(self, items: int, missing: int, rejects: int) -> None:
        """Say what was done, to the log and to a file that `summarize` adds up."""
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        seconds = time.monotonic() - self.began
        record = {
            "rule": self.args.out.parent.parent.name,
            "shard": self.args.out.stem,
            "items": items,
            "computed": missing,
            "remembered": items - missing,
            "rejects": rejects,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in usage) * self.ranks.size, 2),
            "gpus": int(os.environ.get("CLIPMILL_GPUS", 0)),
            "ended": round(time.time(), 1),
        }
        folder = self.args.results / "logs" / record["rule"]
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{record['shard']}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        print(
            f"{self.name}: {items} items, {missing} computed, {items - missing} remembered, "
            f"{rejects} rejects, {seconds:.1f} s",
            file=sys.stderr,
        )
