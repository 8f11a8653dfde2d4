"""One shard of one step: recall what is remembered, compute what is missing, write one row per row read."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from clipmill.engine import accounts, files, rejects, tables, vouch, weights
from clipmill.engine.arguments import arguments
from clipmill.engine.compute import Compute, changed
from clipmill.engine.fetched import Sources
from clipmill.engine.fingerprints import digest
from clipmill.engine.memo import TRIED_AGAIN, Memo
from clipmill.engine.progress import Progress
from clipmill.engine.ranks import Ranks
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step, change_of_source

FLUSH_SECONDS = 60
FIRST_FLUSH = 2
"""Seconds after which a job first writes what it has; then at 4, 8, 16 ..., so that a short job shows its progress."""
AGAIN = ("changed", "unreachable")
"""Faults for which the next run runs a job again."""
STOP = (signal.SIGTERM, signal.SIGINT)


class Terminated(BaseException):
    """A signal to stop came: what is computed is written before the process ends."""


def main(kind: type[Step], description: str) -> None:
    """The command line of a step's script."""
    args = arguments(description)
    settings = json.loads(args.settings)
    for number in STOP:
        signal.signal(number, _terminate)
    ranks = Ranks(1 if args.ask else kind.ranks_of_a_copy(settings))
    step = kind(settings, args.results, Sources(args.videos), args.store)
    try:
        job = Job(step, args, ranks)
    except vouch.Damaged as error:
        raise SystemExit(f"{step.name}: {error}") from error
    try:
        run(job)
    except SystemExit as stop:
        print(stop, file=sys.stderr)
        _leave(1)
    _leave(0)


def run(job: "Job") -> None:
    """Run a job. However it ends, what it computed is kept."""
    try:
        job.run()
    except Terminated as stop:
        job.close()
        name = signal.Signals(stop.args[0]).name
        print(f"{job.name}: ended by {name}; {job.computed} computed items are kept in the memo", file=sys.stderr)
        job.step.close()
        _leave(128 + stop.args[0])
    except SystemExit:
        with contextlib.suppress(OSError):
            job.close()
        raise
    except (OSError, MemoryError) as error:
        with contextlib.suppress(OSError):
            job.close()
        if isinstance(error, vouch.Damaged):
            raise SystemExit(f"{job.name}: {error}") from error
        raise SystemExit(f"{job.name}: the environment failed, not an item: {type(error).__name__}: {error}") from error
    finally:
        job.step.close()


def _leave(status: int) -> None:
    """End the process at once: a thread of it may never end, and the threads of libraries that are still there when it
    ends in the usual way abort it now and then."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _terminate(number: int, _) -> None:
    for other in STOP:
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(number)


class Job:
    """One shard of one step in one process."""

    def __init__(self, step: Step, args: argparse.Namespace, ranks: Ranks):
        self.step, self.args, self.ranks = step, args, ranks
        step.log = accounts.place(args.results, args.out).with_suffix(".log")
        self.name = f"{step.name} {args.table.stem}"
        self.memo = Memo(args.memo, (*step.columns, *step.remembers))
        self.rows = list(tables.read(args.table))
        self.items = [row for row in self.rows if not rejects.is_reject(row) and step.at_hand(row) is None]
        listed = weights.listed(args.models)
        self.model = digest(weights.digests(listed, args.block))
        step.shared, step.models = args.shared, listed.get(args.block, [])
        self.fresh: list[dict] = []
        self.computed = 0
        self.began = self.flushed = time.monotonic()
        self.progress = Progress(self.name, args.out, self.rows, ranks)

    def run(self) -> None:
        """Recall, compute and write; rank 0 assembles the table when all ranks are done."""
        known = self.recall(faults=False)
        # Rank 0 decides what is missing: a rank that reads the memo later may see more and number the batches
        # differently.
        mine = [row["id"] for row in self.items if self.key(row) not in known]
        wanted = set(json.loads(self.ranks.agree("missing", json.dumps(mine))))
        missing = [row for row in self.items if row["id"] in wanted]
        if missing and self.args.ask:
            _leave(os.EX_TEMPFAIL)
        self.progress.begin(len(missing), sum(held["fault"] != "" for held in known.values()))
        if missing:
            self.step.device = self.ranks.device()  # here, for to find a GPU takes torch
            compute = Compute(self.step, self.name, self.args, self.ranks, len(self.rows), self.keep)
            compute.run(missing, self.progress, after_batch=self.flush_in_time)
        self.flush()
        # Before the account, which counts what ended processes used.
        self.step.close()
        self.ranks.wait("computed")
        if self.ranks.rank == 0:
            self.assemble(missing)
        self.ranks.wait("assembled")

    def key(self, row: dict) -> tuple[str, str]:
        """What an item is remembered by: its id, and a digest of everything else that its result depends on."""
        values = [row.get(name, "") for name in (*self.step.depends_on, "digest")]
        return row["id"], digest(values, self.model)

    def recall(self, faults: bool) -> dict[tuple[str, str], dict]:
        """The remembered rows of this shard that still hold; faults that are tried again only if `faults`."""
        if not self.rows:
            return {}
        rows = {self.key(row): row for row in self.items}
        known = self.memo.recall(self.rows[0]["id"], self.rows[-1]["id"])
        return {
            key: held
            for key, held in known.items()
            if key in rows
            and (faults or not tried_again(held["fault"], self.args.item_minutes))
            and self.step.same_source(rows[key], held)
            and (held["fault"] or self.step.valid(rows[key], held))
        }

    def keep(self, row: dict, values: dict) -> None:
        """Take the values of an item; they are written by the next flush."""
        if self.step.reads_source and (why := change_of_source(self.step, row)):
            values = changed(why)
        identity, key = self.key(row)
        text = {name: tables.number(value) for name, value in (self.step.stamp(row) | values).items()}
        self.fresh.append({**text, "id": identity, "key": key})
        self.computed += 1

    def flush(self) -> None:
        """Write what was computed since the last flush as a part file."""
        if self.ranks.leads:
            self.step.write()
            self.memo.write(self.fresh)
            faults = [row.get("fault", "") for row in self.fresh]
            lasting = [fault for fault in faults if not tried_again(fault, self.args.item_minutes)]
            self.progress.keep(len(lasting), sum(fault != "" for fault in lasting))
        self.fresh, self.flushed = [], time.monotonic()

    def flush_in_time(self) -> None:
        """Flush if the last flush was more than FLUSH_SECONDS ago; in the first minute more often."""
        if time.monotonic() - self.flushed > min(FLUSH_SECONDS, max(FIRST_FLUSH, self.flushed - self.began)):
            self.flush()

    def close(self) -> None:
        """Keep what is computed and say that the job has stopped."""
        self.ranks.leave()
        try:
            self.flush()
        finally:
            self.progress.stop()

    def assemble(self, missing: list[dict]) -> None:
        """Write the table: every row that came in, with its new columns or its reason; and the job's account."""
        known = self.recall(faults=True)
        lost = [row["id"] for row in self.items if self.key(row) not in known]
        if lost:
            raise SystemExit(f"{self.name}: {len(lost)} results are not in the memo, e.g. that of {lost[0]}; run again")
        names = columns_of(self.step, self.args.table)
        rejected, own_files = 0, []
        with files.whole(self.args.out, belonging=own_files) as file:
            out = tables.writer(file, names)
            for row in self.rows:
                if held := known.get(self.key(row)):
                    row = outcome(self.step, row, held)
                    rejected += rejects.is_reject(row)
                    own_files += [] if rejects.is_reject(row) else belonging(self.step, self.args.results, row, held)
                elif not rejects.is_reject(row):
                    row |= self.step.at_hand(row)
                out.writerow(row)
        vouch.note_again(self.args.out, any(held["fault"] in AGAIN for held in known.values()))
        computed = [known[self.key(row)] for row in missing]
        account(self, len(missing), rejected, self.step.counts(computed))
        self.progress.finish(rejected)


def account(job: Job, missing: int, rejected: int, more: dict) -> None:
    """Report what a job did, to the log and to the file that is summed after the run."""
    seconds, items = time.monotonic() - job.began, len(job.items)
    counts = {"items": items, "computed": missing, "remembered": items - missing, "rejects": rejected} | more
    accounts.write(job.args.results, job.args.out, counts, seconds, job.ranks.size)
    print(
        f"{job.name}: {items} items, {missing} computed, {items - missing} remembered, "
        f"{rejected} rejects, {seconds:.1f} s",
        file=sys.stderr,
    )


def columns_of(step: Step, table: Path) -> list[str]:
    """The columns of the table that a step makes of a table."""
    names = step.passes_on([name for name in tables.columns(table) if name not in rejects.COLUMNS])
    return [*names, *(name for name in step.columns if name not in names), *rejects.COLUMNS]


def outcome(step: Step, row: dict, held: dict) -> dict:
    """The row with its new columns, or as a reject; `held`: what is remembered of it."""
    reject = partial(rejects.rejected, row, step.name)
    if held["fault"]:
        return reject(held["reason"], held["detail"])
    values = {name: held[name] for name in (*step.columns, *step.remembers) if name in held}
    try:
        return {**row, **step.finish(row, values)}
    except Reject as error:
        return reject(error.reason, error.detail)


def belonging(step: Step, results: Path, row: dict, held: dict) -> list[tuple[str, str]]:
    """(path from the results folder, state) of the file of a row, where it has one."""
    file = step.file_of(row, held)
    return [(os.path.relpath(file, results), held["written"])] if file else []


def tried_again(fault: str, minutes: float) -> bool:
    """Whether an item with this fault is computed when its job runs again; `minutes`: what an item may now take."""
    kind, _, given = fault.partition(" ")
    return kind in TRIED_AGAIN or (kind == "stalled" and float(given) < minutes)
