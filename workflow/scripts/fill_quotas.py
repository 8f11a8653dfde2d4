"""Fill quotas: of the clips that pass the thresholds, those that the target of the selection leaves out.

Example: python workflow/scripts/fill_quotas.py --clips clips.csv --shards 00000.csv --out quotas.csv \\
             --groups groups.csv --targets targets.csv \\
             --target '{"clips": 1000, "hours": null, "share": null, "balance": [], "order": "aes"}'
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
from clipmill.clips import clusters, quotas
from clipmill.engine import rejects, tables

LEFT_OUT = ("id", "group", "place", "stay")
"""A clip that is left out, its group, its place there, and how many of the group stay."""
GROUPS = ("group", "clips", "stay")
TARGETS = ("share", "clips", "hours", "least", "most")
"""What another target would give: its clips and hours, and those of the smallest and of the largest group."""


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--duplicates", type=Path, nargs="*", default=[], help="the table of find_duplicates")
    parser.add_argument("--clusters", type=Path, nargs="*", default=[], help="the table of find_clusters")
    parser.add_argument("--target", type=json.loads, required=True, help="the block `select.target`, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the table to write of clips that are left out")
    parser.add_argument("--groups", type=Path, required=True, help="the table to write of groups")
    parser.add_argument("--targets", type=Path, required=True, help="the table to write of other targets")
    args = parser.parse_args()
    known = [*tables.columns(args.clips), *tables.columns(args.shards[0])]
    known += [name for path in args.clusters for name in tables.columns(path)[1:]]
    if unknown := [name for name in quotas.columns(args.target) if name not in known]:
        said = ", ".join(dict.fromkeys(name for name in known if name not in rejects.COLUMNS))
        raise SystemExit(f"select.target: there is no column {unknown[0]}; the columns are {said}")
    worse = {row["id"] for path in args.duplicates for row in tables.read(path)}
    names = ["id", "start", "end", *quotas.columns(args.target)]
    rows = tables.balanced(args.clips, tables.concatenate(args.shards))
    of = clusters.held(args.clusters)
    rows = ({**row, **of.get(row["id"], dict.fromkeys(clusters.COLUMNS, ""))} for row in rows) if of else rows
    passed = [[row[name] for name in names] for row in rows if not rejects.is_reject(row) and row["id"] not in worse]
    frame = pd.DataFrame(passed, columns=names).loc[:, lambda some: ~some.columns.duplicated()]
    found = quotas.entering(frame, args.target)
    groups = quotas.groups(found)
    stay = dict(zip(groups["group"], groups["stay"], strict=True))
    left = found[~found["stays"]].sort_values("id")
    rows = ({**row, "stay": stay[row["group"]]} for row in left[["id", "group", "place"]].to_dict("records"))
    tables.write(args.out, LEFT_OUT, rows)
    tables.write(args.groups, GROUPS, groups.to_dict("records"))
    others = ({name: tables.number(value) for name, value in row.items()} for row in quotas.ladder(found))
    tables.write(args.targets, TARGETS, others)
    print(f"fill_quotas: {len(found) - len(left)} of {len(found)} clips stay, of {len(groups)} groups", file=sys.stderr)


if __name__ == "__main__":
    main()
