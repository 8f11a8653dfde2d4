"""Plan a phase: cut its table into shards of about equal remaining cost, and write the manifest that names them.

An item costs as much as its most expensive step that the memo does not hold yet. The shard tables are written next to
the manifest, only where their bytes change, so that a lost or damaged one is written again; the same question (table,
target, memos) gets the same shards.

Example: python workflow/scripts/plan.py --table clips.csv --manifest plan/clips/manifest.csv --minutes 30 --max 2000 \\
             --steps score_flow=results/memo/score_flow/0a1b
"""

import argparse
import json
import sys
from pathlib import Path

from clipmill.engine import files, merging, tables
from clipmill.engine.fingerprints import digest
from clipmill.engine.memo import Memo
from clipmill.plan import shards
from clipmill.videos.extras import KEYS


def main() -> None:
    """Parse the command line and write the plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the table to cut into shards")
    parser.add_argument("--manifest", type=Path, required=True, help="the list of shards to write, last of all")
    parser.add_argument("--minutes", type=float, required=True, help="how long a shard's job should last")
    parser.add_argument("--devices", type=int, default=1, help="GPUs (or cores) of a job, which share a shard")
    parser.add_argument("--max", type=int, required=True, help="the largest number of shards")
    parser.add_argument("--extras", type=Path, help="a table whose columns no map rule needs: a list's other columns")
    parser.add_argument("--needed", nargs="*", default=[], help="those of them that a map rule needs")
    parser.add_argument("--steps", nargs="+", default=[], metavar="STEP=MEMO", help="the phase's steps and their memos")
    args = parser.parse_args()
    memos = [step.partition("=")[::2] for step in args.steps]
    folder = args.manifest.parent
    target = args.minutes * 60 * args.devices
    others = tables.columns(args.extras)[len(KEYS) :] if args.extras else []
    extras = [name for name in others if name not in args.needed]
    for _, memo in memos:
        merging.merge(Memo(memo, ()))
    question = digest(shards.content(args.table, extras), target, args.max, memos)
    ranges = shards.answered(folder / "plan.json", question)
    if ranges is None:
        ranges = shards.ranges(shards.costs(args.table, memos), target, args.max)
    planned = shards.write_shards(args.table, folder, ranges, extras)
    files.write_if_changed(folder / "plan.json", json.dumps({"question": question, "shards": planned}, indent=1))
    tables.write(args.manifest, ("shard", "first", "last", "items", "seconds"), planned)
    print(f"plan: {sum(shard['items'] for shard in planned)} items in {len(planned)} shards", file=sys.stderr)


if __name__ == "__main__":
    main()
