"""Accounts: a line per finished job of a map rule, in `<results>/logs/<phase>.<rule>/<shard>.jsonl`."""

import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import remote

NUMBERS = ("items", "computed", "remembered", "rejects", "seconds", "cpu_seconds", "gpus")
"""What every record counts."""


def write(results: Path, table: Path, counts: dict, seconds: float, ranks: int) -> None:
    """Add the account of a job that is ending.

    `table`: the table that it wrote, whose path names the rule and the shard; `counts`: its items, and how many were
    computed, remembered and rejected; `seconds`: how long it ran. The CPU seconds of this process, and of those that it
    started and that have ended, stand for those of each of its `ranks`; `max_mb` is the most memory that one used.
    """
    path = place(results, table)
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    record = {
        "rule": path.parent.name,
        "shard": path.stem,
        **counts,
        **({"fetched_bytes": remote.Moved.bytes} if remote.Moved.bytes else {}),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in usage) * ranks, 2),
        "max_mb": max(use.ru_maxrss for use in usage) // 1024,
        "gpus": int(os.environ.get("CLIPMILL_GPUS", 0)),
        "ended": round(time.time(), 1),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def place(results: Path, table: Path) -> Path:
    """The file of the accounts of the job that writes a table (`<phase>.<rule>/<digest>/<shard>.csv`); its log lies
    beside it."""
    return results / "logs" / table.parent.parent.name / f"{table.stem}.jsonl"


def read(results: Path) -> Iterator[tuple[str, dict]]:
    """(rule without its phase, record) of every job that has finished in this results folder; damaged lines, which no
    result depends on, are left out."""
    for path in sorted((results / "logs").glob("*.*/*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if record := _record(line):
                yield record["rule"].partition(".")[2], record


def _record(line: str) -> dict | None:
    """The record of a line; None where the line is damaged."""
    try:
        record = json.loads(line)
        numbers = [record[name] for name in NUMBERS]
        whole = isinstance(record["rule"], str) and all(isinstance(number, int | float) for number in numbers)
    except (ValueError, KeyError, TypeError):
        return None
    return record if whole else None
