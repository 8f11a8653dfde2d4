"""Selecting: scores are joined to a shard, and thresholds applied; row by row or, of a large table, in blocks."""

import argparse
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from clipmill.clips.thresholds import BETWEEN, chosen, decided, failure, not_chosen
from clipmill.engine import files, rejects, tables
from clipmill.engine.progress import Tally
from clipmill.engine.shown import shown
from clipmill.videos import lists

LARGE = 4_500_000
"""Bytes of a table from which blocks are cheaper: some 14,000 rows cost as much as the import of pyarrow
(`bench/tables.py --small`)."""
HELD = 1 << 20
"""Different values of a column whose verdicts are held."""


def main(stage: str, description: str) -> None:
    """The command line of `select_clips` and `select_pairs`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the shard to select from")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="tables of scores of the same rows")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, one row per row read")
    parser.add_argument("--ids", type=Path, nargs="*", default=[], help="a list of the ids that stay")
    parser.add_argument("--select", type=json.loads, default={}, help="thresholds: {column: {min: x, max: y}}")
    args = parser.parse_args()
    names = list(dict.fromkeys(name for path in [args.table, *args.scores] for name in tables.columns(path)))
    if unknown := sorted(args.select.keys() - set(names)):
        raise SystemExit(f"select.{unknown[0]}: there is no such column; the columns are {', '.join(names)}")
    names = [*(name for name in names if name not in rejects.COLUMNS), *rejects.COLUMNS]
    kept = {row.get("id", "") for path in args.ids for _, row in lists.rows(path)} if args.ids else None
    write = in_blocks if args.table.stat().st_size > LARGE else in_rows
    write(args.out, names, args.table, args.scores, args.select, kept, stage).finished(args.out)


def in_rows(
    out: Path, names: list[str], table: Path, scores: list[Path], limits: dict, kept: set[str] | None, stage: str
) -> Tally:
    """Write the selection row by row. `kept`: the only ids that stay, if given."""
    rows = (decided(row, limits, stage) for row in joined(table, scores))
    if kept is not None:
        rows = (chosen(row, kept, stage) for row in rows)
    tally = Tally(stage)
    tables.write(out, names, tally.each(rows))
    return tally


def joined(table: Path, scores: list[Path]) -> Iterator[dict]:
    """Rows of `table` with the columns of the score tables; the first scorer that rejected a row says why.

    Raises TableError where a score table does not have the same rows.
    """
    for row, *others in zip_longest(tables.read(table), *map(tables.read, scores), fillvalue={"id": "none"}):
        for other in others:
            if other["id"] != row["id"]:
                raise tables.TableError(f"{table}: a table of scores has the row {other['id']} in place of {row['id']}")
            fresh = {name: value for name, value in other.items() if name not in rejects.COLUMNS}
            why = {} if rejects.is_reject(row) else {name: other.get(name, "") for name in rejects.COLUMNS}
            row = {**row, **fresh, **why}
        yield row


def in_blocks(
    out: Path, names: list[str], table: Path, scores: list[Path], limits: dict, kept: set[str] | None, stage: str
) -> Tally:
    """The same in blocks of columns: the same bytes."""
    from clipmill.engine import blocks, joins

    paths, last = [table, *scores], {}
    for number, path in enumerate(paths):  # of a column that several tables have, the last one counts
        last |= dict.fromkeys(tables.columns(path), number)
    own = [[name for name in last if last[name] == number and name not in ("id", *rejects.COLUMNS)]
           for number in range(len(paths))]  # fmt: skip
    streams = [blocks.read(path, ["id", *mine, *rejects.COLUMNS]) for path, mine in zip(paths, own, strict=True)]
    tally, verdicts = Tally(stage), {column: {} for column in limits}
    with files.whole(out) as file:
        to = blocks.Writer(file, names)
        try:
            for parts in joins.beside(*streams):
                columns = {"id": parts[0]["id"]}
                for part, mine in zip(parts, own, strict=True):
                    columns |= {name: part[name] for name in mine}
                rows = blocks.block(_judged(columns | _earlier(parts), verdicts, limits, kept, stage), names)
                tally.count(rows["id"][0].as_py(), rows["id"][-1].as_py(), len(rows), rejects.count(rows, stage))
                to.write(rows)
        except joins.Unequal as error:
            raise tables.TableError(f"{table}: a table of scores has other rows: {error.ids}") from None
    return tally


def _earlier(parts: tuple) -> dict:
    """Why the rows of tables side by side are rejects: what the first table says that has them so."""
    import pyarrow.compute as pc

    found = {name: parts[-1][name] for name in rejects.COLUMNS}
    for part in reversed(parts[:-1]):
        rejected = pc.not_equal(part["reason"], "")
        found = {name: pc.if_else(rejected, part[name], value) for name, value in found.items()}
    return found


def _judged(columns: dict, verdicts: dict, limits: dict, kept: set[str] | None, stage: str) -> dict:
    """The columns of rows, those made rejects that fail a threshold (see `decided`) or are not among `kept`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    said = [_failures(columns, column, limits[column], verdicts[column]) for column in sorted(limits)]
    if said:
        reason = pc.coalesce(*(reasons for reasons, _ in said))
        details = pc.binary_join_element_wise(*(pc.fill_null(details, "") for _, details in said), "")
        detail = pc.utf8_slice_codeunits(details, len(BETWEEN))
        columns |= rejects.rejected_where(columns, pc.is_valid(reason), stage, reason, detail)
    if kept is not None:
        away = pc.invert(pc.is_in(columns["id"], value_set=pa.array(sorted(kept), pa.string())))
        columns |= rejects.rejected_where(columns, away, stage, *not_chosen())
    return columns


def _failures(columns: dict, column: str, limits: dict, verdicts: dict) -> tuple:
    """(reasons, details after BETWEEN) of rows by one threshold, null where they pass it. `verdicts`: those of values
    that were seen before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(columns[column])
    values = coded.dictionary.to_pylist()
    if len(verdicts) > HELD:
        verdicts.clear()
    for value in values:
        if value not in verdicts:
            found = failure({column: value}, column, limits)
            verdicts[value] = (found[0], BETWEEN + shown(found[1])) if found else (None, None)
    found = [verdicts[value] for value in values]
    places = coded.indices
    if "kind" in columns and failure({column: "", "kind": "image"}, column, limits) is None:
        exempt = pc.and_(pc.equal(columns[column], ""), pc.equal(columns["kind"], "image"))
        places = pc.if_else(exempt, None, places)
    return tuple(pa.array([one[side] for one in found], pa.string()).take(places) for side in (0, 1))
