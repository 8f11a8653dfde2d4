"""Progress: how far a job is, for people who watch: a line of JSON beside its table, and a bar or lines in its log.

The file is `.<shard>.progress` in the folder of the rule's tables, replaced every few seconds while the job runs:

    of        the shard: first id, last id, number of rows
    state     "running", "stopped" (no table came of it), or "finished"
    done      rows that need no computing any more: what the memo keeps, and what was rejected before
    total     rows
    left      rows that are still to compute (those that are computed and not yet kept left out)
    rate      items a second since the model was loaded
    computed  items that this attempt has computed
    rejects   rows that this rule has rejected so far
    time      when this was written, in seconds since 1970
    host      where

No result depends on it, so a disk that refuses it stops nothing, and it is not flushed to the disk.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from numbers import Real
from pathlib import Path

from clipmill.engine import rejects
from clipmill.engine.files import temporary
from clipmill.engine.ranks import Ranks

PERIOD = 2
"""Seconds between two looks at whether there is something new to write."""
BEAT = 30
"""Seconds after which a job that has nothing new says that it runs."""
REPORT_SECONDS = 30
"""Seconds between two lines in a log."""
KINDS = {"of": list, "state": str} | dict.fromkeys(
    ("done", "total", "left", "rate", "computed", "rejects", "time"), Real
)
"""What a job's progress holds, of which kind."""


def place(table: Path) -> Path:
    """Where the progress of the job that makes this table stands."""
    return table.with_name(f".{table.stem}.progress")


def identity(rows: list[dict]) -> list:
    """What tells a shard from one of the same number of another plan: first id, last id, rows."""
    return [rows[0]["id"], rows[-1]["id"], len(rows)] if rows else ["", "", 0]


def replace(path: Path, record: dict) -> None:
    """Write a line of JSON in place of the file. A disk that refuses is none of the job's business."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        draft.write_text(json.dumps(record) + "\n", encoding="utf-8")
        os.replace(draft, path)


def read(path: Path, kinds: dict[str, type] = KINDS) -> dict | None:
    """A line of JSON that `replace` wrote, with values of these kinds; None where there is none, or a damaged one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if all(isinstance(record[name], kind) for name, kind in kinds.items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stamp() -> dict:
    """When and where a record is written."""
    return {"time": round(time.time(), 1), "host": socket.gethostname()}


class Tally:
    """Counts the rows of a shard and those that `stage` rejects, for rules that compute nothing."""

    def __init__(self, stage: str):
        self.stage, self.of, self.rejects = stage, ["", "", 0], 0

    def count(self, first: str, last: str, rows: int, rejected: int) -> None:
        """Count so many rows from one id to another."""
        self.of = [self.of[0] or first, last, self.of[2] + rows]
        self.rejects += rejected

    def each(self, rows: Iterable[dict]) -> Iterator[dict]:
        """Pass on rows and count them."""
        for row in rows:
            self.count(row["id"], row["id"], 1, rejects.is_reject(row) and row["stage"] == self.stage)
            yield row

    def finished(self, table: Path) -> None:
        """Note that the table is written."""
        counts = {"done": self.of[2], "total": self.of[2], "left": 0, "rate": 0, "computed": 0}
        replace(place(table), {"of": self.of, "state": "finished", **counts, "rejects": self.rejects, **stamp()})


class Progress:
    """How far a job is, counted over all its ranks. The first rank writes the file."""

    def __init__(self, name: str, table: Path, rows: list[dict], ranks: Ranks):
        self.name, self.ranks, self.place, self.of = name, ranks, place(table), identity(rows)
        self.missing = self.known_rejects = 0
        self.state = "running"
        self.bar = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.began = self.reported = time.monotonic()

    def begin(self, missing: int, known_rejects: int) -> None:
        """Start to write: so many items are not remembered, and so many are remembered as rejects."""
        self.missing, self.known_rejects = missing, known_rejects
        if self.ranks.rank == 0:
            self.thread.start()

    def start(self) -> None:
        """Start the clock: the model is loaded."""
        from tqdm import tqdm

        self.began = self.reported = time.monotonic()
        self.bar = tqdm(total=self.missing, desc=self.name, unit="item", disable=not sys.stderr.isatty())

    def add(self, items: int) -> None:
        """Count items that this rank has computed."""
        done = self.ranks.total("done", items if self.ranks.leads else 0)
        self.bar.update(items)
        now = time.monotonic()
        if now - self.reported > REPORT_SECONDS and not sys.stderr.isatty():
            self.reported = now
            line = self.bar.format_meter(done, self.missing, now - self.began, unit="item", ncols=0)
            print(f"{self.name}: {line}", file=sys.stderr, flush=True)

    def keep(self, items: int, faults: int) -> None:
        """Count items of this rank that the memo keeps now, and those of them that are rejects."""
        self.ranks.total("kept", items)
        self.ranks.total("faults", faults)

    def finish(self, rejects: int) -> None:
        """The table is written, with so many rejects of this rule."""
        self.state = "finished"
        self.stop(rejects=rejects, done=self.of[2], left=0)

    def stop(self, **known: int) -> None:
        """Write for the last time."""
        if self.bar is not None:
            self.bar.close()
        if self.thread.is_alive():
            self.over.set()
            self.thread.join(PERIOD)  # not longer: the store that it asks may be gone
            self.state = "finished" if self.state == "finished" else "stopped"
            replace(self.place, self.record() | {"state": self.state} | known | stamp())

    def record(self) -> dict:
        """What is to be written now."""
        done, kept, faults = (self.ranks.total(name, 0) for name in ("done", "kept", "faults"))
        return {
            "of": self.of,
            "state": self.state,
            "done": self.of[2] - self.missing + kept,
            "total": self.of[2],
            "left": self.missing - done,
            "rate": round(done / max(1e-3, time.monotonic() - self.began), 3),
            "computed": done,
            "rejects": self.known_rejects + faults,
        }

    def _run(self) -> None:
        written, at = None, 0.0
        while True:
            record = self.record()
            news = {name: value for name, value in record.items() if name != "rate"}
            if news != written or time.monotonic() - at > BEAT:
                replace(self.place, record | stamp())
                written, at = news, time.monotonic()
            if self.over.wait(PERIOD):
                return
