"""What Snakemake itself costs as a plan grows: seconds and memory of a dry run over made-up shards.

    PYTHONPATH=workflow/scripts:tests/kit python bench/plans.py

A tiny run is made first. Then its second phase is given so many shards: `to do` is a dry run in which every job of them
is still to run, `done` one in which the table of each is there. A real run holds the same plan in memory.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from clipmill.engine import tables
from clipmill.plan.config import check, load
from clipmill.plan.pipeline import Pipeline
from mill import ROOT, Mill, footage
from processes import measured

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def main() -> None:
    """Make the run, then plans of growing size; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 100, 500, 2000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mill = Mill(Path(folder) / "mill", score={"ocr": {"enabled": True}}, shards={"max": 10_000})
        footage(mill.videos, videos=1)
        mill.run("scores")
        print("| shards | jobs | to do: s | MB | done: s | MB |\n|---|---|---|---|---|---|")
        for count in args.shards:
            planned(mill, count)
            report(mill, count)


def names(mill: Mill) -> list[Path]:
    """The folders of the tables of the phase's rules."""
    pipeline = Pipeline(check(mill.config, SCHEMA), load(SCHEMA))
    return [
        mill.folder / Path(pipeline.table(name)).parent
        for name, rule in pipeline.rules.items()
        if name.startswith("clips.") and rule.enabled
    ]


def planned(mill: Mill, count: int) -> None:
    """Give the phase so many shards, none of which has a table."""
    plan = mill.results / "plan" / "clips"
    shards = [f"{number:05d}" for number in range(count)]
    rows = list(tables.read(plan / "00000.csv"))
    for shard in shards[1:]:
        tables.write(plan / f"{shard}.csv", rows[0], rows)
    manifest = next(tables.read(plan / "manifest.csv"))
    tables.write(plan / "manifest.csv", manifest, [manifest | {"shard": shard} for shard in shards])
    for folder in names(mill):
        shutil.rmtree(folder, ignore_errors=True)


def report(mill: Mill, count: int) -> None:
    """Print the line of a plan."""
    to_do = dry_run(mill)
    folders = names(mill)
    for folder in folders:
        for number in range(count):
            tables.write(folder / f"{number:05d}.csv", ["id"], [])
    done = dry_run(mill)
    print(f"| {count} | {count * len(folders)} | {to_do[0]:.1f} | {to_do[1]} | {done[0]:.1f} | {done[1]} |", flush=True)


def dry_run(mill: Mill) -> tuple[float, int]:
    """CPU seconds and most MB of a dry run of `scores`."""
    return measured(mill.command("-n", "--quiet", "all", "--", "scores"), mill.folder)


if __name__ == "__main__":
    main()
