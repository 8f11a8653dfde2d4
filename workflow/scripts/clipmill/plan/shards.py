"""Shards: contiguous ranges of a table, of about equal remaining cost."""

import json
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import tee
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.engine import blocks, files, tables, vouch
from clipmill.engine.memo import Memo
from clipmill.plan.costs import of_clips, seconds

COLUMNS = ("kind", "path", "bytes", "num_frames", "resolution", "fps")
"""What costs depend on, of files and of clips."""

ROWS = 200_000
"""Rows of a shard, however cheap, if shards are about equal: a job holds its rows in memory, 3 kB each."""
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


def costs(table: Path, memos: list[tuple[str, str]]) -> array:
    """The remaining cost of each row, in seconds."""
    found = array("d")
    stream, *copies = tee(blocks.read(table, ("id", *COLUMNS)), 1 + len(memos))
    held = [Memo(memo, ()).held(rows["id"] for rows in ids) for (_, memo), ids in zip(memos, copies, strict=True)]
    with ThreadPoolExecutor(PROBES) as pool:
        for rows, *known in zip(stream, *held, strict=True):
            cost = np.full(len(rows), REMEMBERED)
            for (step, _), is_known in zip(memos, known, strict=True):
                missing = np.flatnonzero(~np.asarray(is_known))
                cost[missing] = np.maximum(cost[missing], _seconds(step, rows.take(pa.array(missing)), pool))
            found.frombytes(cost.tobytes())
    return found


def _seconds(step: str, rows: pa.RecordBatch, pool: ThreadPoolExecutor) -> np.ndarray | float:
    """What a step costs for each of these rows."""
    if step == "scan_videos":  # opens each file
        return np.array(list(pool.map(lambda row: seconds(step, row), rows.to_pylist())))

    def numbers(name: str) -> np.ndarray:
        texts = pc.if_else(pc.equal(rows[name], ""), "1", rows[name])
        return np.asarray(pc.cast(texts, pa.float64()))

    return of_clips(step, numbers)


def without(extras: Sequence[str], table: Path) -> list[str]:
    """The columns of a table that map rules see."""
    return [name for name in tables.columns(table) if name not in extras]


def content(table: Path, extras: Sequence[str]) -> str:
    """A digest of a table without its `extras`: a plan does not depend on them."""
    if not extras:
        known = vouch.read(table)
        return known.digest if known else vouch.digest(table)
    names, hasher = without(extras, table), vouch.hasher()
    for rows in blocks.read(table, names):
        hasher.update(blocks.text(rows, names))
    return hasher.hexdigest()


def ranges(costs: Sequence[float], target: float, most: int) -> list[tuple[int, float]]:
    """(items, cost) of each shard: contiguous ranges of about equal cost, none empty unless the table is."""
    total = sum(costs)
    count = max(1, min(most, len(costs), max(round(total / target + 0.5), ceil(len(costs) / ROWS))))
    out, items, cost, done, end = [], 0, 0.0, 0.0, total / count
    for value in costs:
        if items and done + cost + value / 2 > end:
            out.append((items, cost))
            items, done, cost = 0, done + cost, 0.0
            end = total * (len(out) + 1) / count
        items, cost = items + 1, cost + value
    return [*out, (items, cost)]


def write_shards(table: Path, folder: Path, ranges: list[tuple[int, float]], extras: Sequence[str] = ()) -> list[dict]:
    """Write each shard's table where its bytes change; returns the rows of the manifest.

    Columns that no map rule needs (`extras`) are left out, and stand in a table next to it.
    """
    names, shards = without(extras, table), []
    stream = blocks.divided(blocks.read(table), (items for items, _ in ranges))
    for number, (parts, (items, cost)) in enumerate(zip(stream, ranges, strict=True)):
        shard = f"{number:05d}"
        files.write_if_changed(folder / f"{shard}.csv", _text(parts, names))
        if extras:
            files.write_if_changed(folder / f"{shard}.extras.csv", _text(parts, ["id", *extras]))
        first, last = (str(parts[0]["id"][0]), str(parts[-1]["id"][-1])) if parts else ("", "")
        shards.append({"shard": shard, "first": first, "last": last, "items": items, "seconds": round(cost, 1)})
    return shards


def _text(parts: list[pa.RecordBatch], names: Sequence[str]) -> bytes:
    """These columns of blocks as a table."""
    return tables.text(names, ()).encode() + b"".join(blocks.text(rows, names) for rows in parts)
