"""Gather the scored and selected shards: all scores, the selected clips, and the rejects.

Example: python workflow/scripts/gather_clips.py --clips clips.csv --extras extras.csv --shards 00000.csv \\
             --scores scores.csv --selected selected.csv --rejects rejects.csv
"""

import argparse
from pathlib import Path

from clipmill.clips import clusters, duplicates
from clipmill.clips.thresholds import BELOW_QUOTA, STAGE
from clipmill.engine import files, rejects, tables
from clipmill.videos.extras import KEYS


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--extras", type=Path, required=True, help="a table of the list's other columns")
    for name in ("scores", "selected", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    parser.add_argument("--duplicates", type=Path, nargs="*", default=[], help="the table of find_duplicates")
    parser.add_argument("--quotas", type=Path, nargs="*", default=[], help="the table of fill_quotas")
    parser.add_argument("--clusters", type=Path, nargs="*", default=[], help="the table of find_clusters")
    args = parser.parse_args()
    of = clusters.held(args.clusters)
    left_out = {row["id"]: row for path in args.quotas for row in tables.read(path)}
    better = {row["id"]: row for path in args.duplicates for row in tables.read(path)}
    extras = tables.columns(args.extras)[len(KEYS) :]
    names = [name for name in tables.columns(args.shards[0]) if name not in (*rejects.COLUMNS, *extras)]
    names += [*(clusters.COLUMNS if args.clusters else ()), *extras]
    with (
        files.whole(args.scores) as scores,
        files.whole(args.selected) as selected,
        files.whole(args.rejects) as rejected,
    ):
        to_scores, to_selected = tables.writer(scores, names), tables.writer(selected, names)
        to_rejects = tables.writer(rejected, [*rejects.TABLE, *extras])
        for row in tables.balanced(args.clips, tables.concatenate(args.shards)):
            if found := better.get(row["id"]):
                row = duplicates.reject(row, found)
            if found := left_out.get(row["id"]):
                where = f"number {found['place']} of {found['group']}, of which {found['stay']} stay"
                row = rejects.rejected(row, STAGE, BELOW_QUOTA, where)
            if found := of.get(row["id"]):
                row = {**row, **found}
            to_scores.writerow(row)
            (to_rejects if rejects.is_reject(row) else to_selected).writerow(row)


if __name__ == "__main__":
    main()
