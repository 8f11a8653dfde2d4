"""Gather the captions of the selected clips: tables/texts.csv, which says why a clip has none.

Example: python workflow/scripts/gather_texts.py --selected selected.csv --shards 00000.csv --out texts.csv
"""

import argparse
from pathlib import Path

from clipmill.captions.gathering import Others, said
from clipmill.engine import blocks, files, joins, rejects, tables

COLUMNS = ("id", "relpath", "start", "end", "text")


def main() -> None:
    """Parse the command line and gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selected", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--captioners", nargs="*", default=[], help="names of the other captioners")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="their shards' tables, in the same order")
    parser.add_argument("--sources", type=Path, help="not used: a caption has no file")
    parser.add_argument("--append", help="not used: these are the captions themselves")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    args = parser.parse_args()
    others = Others(args.captioners, args.more)
    columns = dict.fromkeys([*COLUMNS, *said(tables.columns(args.shards[0])), *others.columns, *rejects.COLUMNS])
    rows = joins.balanced(args.selected, args.shards, columns)
    with files.whole(args.out) as file:
        out = blocks.Writer(file, columns)
        for found in others.beside(rows, args.selected):
            out.write(found)


if __name__ == "__main__":
    main()
