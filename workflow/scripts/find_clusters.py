"""Find clusters: the selected clips in semantic clusters, by their CLIP vectors.

Example: python workflow/scripts/find_clusters.py --vectors 00000.csv --selected 00000.csv --number 100 \\
             --out clusters.csv
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from clipmill.clips import clusters
from clipmill.clips.neighbours import Embedded
from clipmill.engine import rejects, tables


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, nargs="+", required=True, help="the tables of embed_clips, in order")
    parser.add_argument("--selected", type=Path, nargs="+", required=True, help="those of select_clips, in order")
    parser.add_argument("--duplicates", type=Path, nargs="*", default=[], help="the table of find_duplicates")
    parser.add_argument("--number", type=int, required=True, help="how many clusters there are at most")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    args = parser.parse_args()
    worse = {row["id"] for path in args.duplicates for row in tables.read(path)}
    passed = {row["id"] for row in tables.concatenate(args.selected) if not rejects.is_reject(row)} - worse
    clips = Embedded.of(row for row in tables.concatenate(args.vectors) if row["id"] in passed)
    order = np.argsort(np.array(clips.ids, str))
    of, sizes = clusters.clusters(clips.vectors[order], args.number)
    rows = zip([clips.ids[place] for place in order], of.tolist(), sizes.tolist(), strict=True)
    names = ("id", *clusters.COLUMNS)
    tables.write(args.out, names, (dict(zip(names, row, strict=True)) for row in rows))
    without = f", {len(passed) - len(order)} have no vector" if len(passed) > len(order) else ""
    print(f"find_clusters: {len(order)} clips in {len(set(of.tolist()))} clusters{without}", file=sys.stderr)


if __name__ == "__main__":
    main()
