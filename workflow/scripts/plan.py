"""Plan a phase: cut its table into shards of about equal remaining cost, and write the manifest that names them.

An item costs the most expensive step that the memo does not hold for it yet. The shard tables are written beside
the manifest, only where their bytes change; the same question (table, target, memos) gets the same shards.

Example: python workflow/scripts/plan.py --table clips.csv --manifest plan/clips/manifest.csv --minutes 30 --max 2000 \\
             --steps score_flow=results/memo/score_flow/0a1b
"""

import argparse
import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from clipmill import tables
from clipmill.code import digest
from clipmill.costs import seconds
from clipmill.memo import Memo

PROBES = 16
REMEMBERED = 1e-4
"""What an item costs that needs no computing, so that ranges of such items are finite, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the table to cut into shards")
    parser.add_argument("--manifest", type=Path, required=True, help="the list of shards to write, last of all")
    parser.add_argument("--minutes", type=float, required=True, help="how long a shard's job should last")
    parser.add_argument("--devices", type=int, default=1, help="GPUs (or cores) of a job, which share a shard")
    parser.add_argument("--max", type=int, required=True, help="the most shards")
    parser.add_argument("--steps", nargs="+", default=[], metavar="STEP=MEMO", help="the phase's steps and their memos")
    args = parser.parse_args()
    memos = [step.partition("=")[::2] for step in args.steps]
    folder = args.manifest.parent
    target = args.minutes * 60 * args.devices
    question = digest(file_digest(args.table), target, args.max, memos)
    shards = answered(folder / "plan.json", question)
    if shards is None:
        shards = write_shards(args.table, folder, ranges(costs(args.table, memos), target, args.max))
        tables.write_if_changed(folder / "plan.json", json.dumps({"question": question, "shards": shards}, indent=1))
    tables.write(args.manifest, ("shard", "first", "last", "items", "seconds"), shards)
    print(f"plan: {sum(s['items'] for s in shards)} items in {len(shards)} shards", file=sys.stderr)


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def answered(path: Path, question: str) -> list[dict] | None:
    """The shards of the last plan, if it answered this question and its shard tables are still there."""
    if not path.exists():
        return None
    old = json.loads(path.read_text())
    there = all((path.parent / f"{shard['shard']}.csv").exists() for shard in old["shards"])
    return old["shards"] if there and old["question"] == question else None


def costs(table: Path, memos: list[tuple[str, str]]) -> list[float]:
    """The remaining cost of each row, in seconds."""
    held = [(step, Memo(folder, ()).ids()) for step, folder in memos]

    def cost(row: dict) -> float:
        missing = [step for step, ids in held if row["id"] not in ids]
        return max([REMEMBERED, *(seconds(step, row) for step in missing)])

    if "scan_videos" not in dict(memos):
        return list(map(cost, tables.read(table)))
    with ThreadPoolExecutor(PROBES) as pool:  # files are opened: a pool, which would cost ten million clips 18 GB
        return list(pool.map(cost, tables.read(table)))


def ranges(costs: list[float], target: float, most: int) -> list[tuple[int, float]]:
    """(items, cost) of each shard: contiguous ranges of about equal cost, none empty, unless there is nothing."""
    total = sum(costs)
    count = max(1, min(most, len(costs), round(total / target + 0.5)))
    out, items, cost, done = [], 0, 0.0, 0.0
    for value in costs:
        if items and done + cost + value / 2 > total * (len(out) + 1) / count:
            out.append((items, cost))
            items, done, cost = 0, done + cost, 0.0
        items, cost = items + 1, cost + value
    return [*out, (items, cost)]


def write_shards(table: Path, folder: Path, ranges: list[tuple[int, float]]) -> list[dict]:
    """Write each shard's table where its bytes change; returns the rows of the manifest."""
    names, rows, shards = tables.columns(table), tables.read(table), []
    for number, (items, cost) in enumerate(ranges):
        mine = list(islice(rows, items))
        shard = f"{number:05d}"
        tables.write_if_changed(folder / f"{shard}.csv", tables.text(names, mine))
        ends = {"first": mine[0]["id"], "last": mine[-1]["id"]} if mine else {"first": "", "last": ""}
        shards.append({"shard": shard, **ends, "items": items, "seconds": round(cost, 1)})
    return shards


if __name__ == "__main__":
    main()
