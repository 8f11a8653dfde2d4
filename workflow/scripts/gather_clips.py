"""Gather the scored and selected shards: all scores, the selected clips, and the rejects.

Example: python workflow/scripts/gather_clips.py --clips clips.csv --shards 00000.csv \\
             --scores scores.csv --selected selected.csv --rejects rejects.csv
"""

import argparse
from pathlib import Path

from clipmill import tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    for name in ("scores", "selected", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    names = [name for name in tables.columns(args.shards[0]) if name not in tables.REJECT]
    with (
        tables.whole(args.scores) as scores,
        tables.whole(args.selected) as selected,
        tables.whole(args.rejects) as rejects,
    ):
        to_scores, to_selected = tables.writer(scores, names), tables.writer(selected, names)
        to_rejects = tables.writer(rejects, tables.REJECTS)
        for row in tables.balanced(args.clips, tables.concatenate(args.shards)):
            to_scores.writerow(row)
            (to_rejects if tables.is_reject(row) else to_selected).writerow(row)


if __name__ == "__main__":
    main()
