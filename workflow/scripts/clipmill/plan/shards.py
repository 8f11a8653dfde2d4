"""Shards: contiguous ranges of a table, of about equal remaining cost."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from clipmill.engine import files, tables, vouch
from clipmill.engine.memo import Memo
from clipmill.plan.costs import seconds

PROBES = 16
"""Files that are opened at the same time to guess their cost."""
REMEMBERED = 1e-4
"""Seconds charged for an item that needs no computing, so that ranges of such items are finite, too."""


def answered(path: Path, question: str) -> list[tuple[int, float]] | None:
    """The ranges of the last plan, if it answered this question."""
    try:
        old = json.loads(vouch.content(path))
    except (FileNotFoundError, vouch.Damaged):
        return None
    if old["question"] != question:
        return None
    return [(shard["items"], shard["seconds"]) for shard in old["shards"]]


def costs(table: Path, memos: list[tuple[str, str]]) -> list[float]:
    """The remaining cost of each row, in seconds."""
    held = [(step, Memo(folder, ()).ids()) for step, folder in memos]

    def cost(row: dict) -> float:
        missing = [step for step, ids in held if row["id"] not in ids]
        return max([REMEMBERED, *(seconds(step, row) for step in missing)])

    if "scan_videos" not in dict(memos):
        return list(map(cost, tables.read(table)))
    with ThreadPoolExecutor(PROBES) as pool:  # for opening files only: ten million clips would take 18 GB
        return list(pool.map(cost, tables.read(table)))


def without(extras: Sequence[str], table: Path) -> list[str]:
    """The columns of a table that map rules see."""
    return [name for name in tables.columns(table) if name not in extras]


def content(table: Path, extras: Sequence[str]) -> str:
    """A digest of a table without its `extras`: a plan does not depend on them."""
    if not extras:
        return files.sha256(table)
    names, hasher = without(extras, table), vouch.hasher()
    for row in tables.read(table):
        hasher.update(repr([row[name] for name in names]).encode())
    return hasher.hexdigest()


def ranges(costs: list[float], target: float, most: int) -> list[tuple[int, float]]:
    """(items, cost) of each shard: contiguous ranges of about equal cost, none empty unless the table is."""
    total = sum(costs)
    count = max(1, min(most, len(costs), round(total / target + 0.5)))
    out, items, cost, done = [], 0, 0.0, 0.0
    for value in costs:
        if items and done + cost + value / 2 > total * (len(out) + 1) / count:
            out.append((items, cost))
            items, done, cost = 0, done + cost, 0.0
        items, cost = items + 1, cost + value
    return [*out, (items, cost)]


def write_shards(table: Path, folder: Path, ranges: list[tuple[int, float]], extras: Sequence[str] = ()) -> list[dict]:
    """Write each shard's table where its bytes change; returns the rows of the manifest.

    Columns that no map rule needs (`extras`) are left out, and stand in a table next to it.
    """
    names, rows, shards = without(extras, table), tables.read(table), []
    for number, (items, cost) in enumerate(ranges):
        mine = list(islice(rows, items))
        shard = f"{number:05d}"
        files.write_if_changed(folder / f"{shard}.csv", tables.text(names, mine))
        if extras:
            files.write_if_changed(folder / f"{shard}.extras.csv", tables.text(["id", *extras], mine))
        ends = {"first": mine[0]["id"], "last": mine[-1]["id"]} if mine else {"first": "", "last": ""}
        shards.append({"shard": shard, **ends, "items": items, "seconds": round(cost, 1)})
    return shards
