"""Gather the scored and selected shards: all scores, the selected clips, and the rejects.

Example: python workflow/scripts/gather_clips.py --clips clips.csv --extras extras.csv --shards 00000.csv \\
             --scores scores.csv --selected selected.csv --rejects rejects.csv
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from clipmill.clips import clusters, duplicates
from clipmill.clips.thresholds import BELOW_QUOTA, DUPLICATE, STAGE
from clipmill.engine import blocks, files, joins, rejects, tables
from clipmill.engine.joins import Lookup
from clipmill.engine.shown import shown
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
    extras = tables.columns(args.extras)[len(KEYS) :]
    names = [name for name in tables.columns(args.shards[0]) if name not in (*rejects.COLUMNS, *extras)]
    names += [*(clusters.COLUMNS if args.clusters else ()), *extras]
    going = [
        *((Lookup(path, tables.columns(path)), DUPLICATE, duplicates.where) for path in args.duplicates),
        *((Lookup(path, tables.columns(path)), BELOW_QUOTA, place) for path in args.quotas),
    ]
    of = [Lookup(path, clusters.COLUMNS) for path in args.clusters]
    with (
        files.whole(args.scores) as scores,
        files.whole(args.selected) as selected,
        files.whole(args.rejects) as rejected,
    ):
        to_scores, to_selected = blocks.Writer(scores, names), blocks.Writer(selected, names)
        to_rejects = blocks.Writer(rejected, [*rejects.TABLE, *extras])
        for rows in joins.balanced(args.clips, args.shards, [*names, *rejects.TABLE]):
            rows = in_groups(without(rows, going), of)
            is_kept = pc.equal(rows["reason"], "")
            to_scores.write(rows)
            to_selected.write(rows.filter(is_kept))
            to_rejects.write(rows.filter(pc.invert(is_kept)))
        for table in [*(table for table, _, _ in going), *of]:
            table.finish()


def without(rows: pa.RecordBatch, going: list[tuple[Lookup, str, Callable[[dict], str]]]) -> pa.RecordBatch:
    """These rows, those of each of the tables as rejects: (table, reason, what a row of it says in detail)."""
    for table, reason, said in going:
        where, found = table.of(rows["id"])
        if found:
            detail = blocks.placed(where, [shown(said(one)) for one in found.to_pylist()])
            rows = blocks.changed(rows, rejects.rejected_where(rows, where, STAGE, reason, detail))
    return rows


def place(found: dict) -> str:
    """Where a clip stands in its group, of a row of the table of fill_quotas."""
    return f"number {found['place']} of {found['group']}, of which {found['stay']} stay"


def in_groups(rows: pa.RecordBatch, of: list[Lookup]) -> pa.RecordBatch:
    """These rows with the columns of tables of clusters."""
    for table in of:
        where, found = table.of(rows["id"])
        if found:
            rows = blocks.changed(rows, {name: blocks.placed(where, found[name]) for name in clusters.COLUMNS})
    return rows


if __name__ == "__main__":
    main()
