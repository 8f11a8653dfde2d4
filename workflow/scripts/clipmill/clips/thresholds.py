"""Thresholds: which rows stay, and why the others do not."""

import argparse
import json
import math
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from clipmill.engine import rejects, tables
from clipmill.engine.progress import Tally
from clipmill.videos import lists

STAGE = "select_clips"
NOT_CHOSEN, DUPLICATE, BELOW_QUOTA = "not chosen", "duplicate", "below quota"
BEYOND_LIMITS = (NOT_CHOSEN, DUPLICATE, BELOW_QUOTA)
"""Reasons of the selection that are no limit of a column."""
VIDEO_ONLY = frozenset(
    {
        "coherence",
        "flow",
        "flow_camera",
        "flow_object",
        "ocr_overlay",
        "ocr_corner",
        "fps",
        "combed",
        "frozen",
        "slideshow",
        "black",
        "flashes",
        "vfr",
        "bitrate",
        "loudness",
        "silence",
    }
)
"""Columns that a still image does not have, so that their thresholds do not apply to it."""


def main(stage: str, description: str) -> None:
    """The command line of `select_clips` and `select_pairs`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the shard to select from")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="tables of scores of the same rows")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, one row per row read")
    parser.add_argument("--ids", type=Path, nargs="*", default=[], help="a list of the ids that stay")
    parser.add_argument("--select", default="{}", help="thresholds as JSON: {column: {min: x, max: y}}")
    args = parser.parse_args()
    thresholds = json.loads(args.select)
    names = tables.columns(args.table)
    for path in args.scores:
        names += [name for name in tables.columns(path) if name not in names]
    if unknown := sorted(thresholds.keys() - set(names)):
        raise SystemExit(f"select.{unknown[0]}: there is no such column; the columns are {', '.join(names)}")
    names = [*(name for name in names if name not in rejects.COLUMNS), *rejects.COLUMNS]
    rows = (decided(row, thresholds, stage) for row in joined(args.table, args.scores))
    if args.ids:
        kept = {row.get("id", "") for path in args.ids for _, row in lists.rows(path)}
        rows = (chosen(row, kept, stage) for row in rows)
    rows = Tally(rows, stage)
    tables.write(args.out, names, rows)
    rows.finished(args.out)


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


def chosen(row: dict, kept: set[str], stage: str) -> dict:
    """The row, made a reject if its id is not among those that `chosen` keeps."""
    if rejects.is_reject(row) or row["id"] in kept:
        return row
    return rejects.rejected(row, stage, NOT_CHOSEN, "its id is not in the list that `chosen` names")


def decided(row: dict, thresholds: dict, stage: str) -> dict:
    """The row, made a reject if it fails any threshold; the reason is the first one, the detail names all."""
    if rejects.is_reject(row):
        return row
    failed = [found for column, limits in sorted(thresholds.items()) if (found := failure(row, column, limits))]
    if not failed:
        return row
    return rejects.rejected(row, stage, failed[0][0], "; ".join(detail for _, detail in failed))


def failure(row: dict, column: str, limits: dict) -> tuple[str, str] | None:
    """(reason, detail) where the row's value of `column` is missing or outside `limits`: `min` and `max` (included),
    `is` and `in` (texts, compared letter by letter)."""
    value = row.get(column, "")
    if value == "":
        if row.get("kind") == "image" and column in VIDEO_ONLY:
            return None
        return f"no {column}", f"{column} is missing"
    for name, kept in (("is", [limits.get("is")]), ("in", limits.get("in"))):
        if limits.get(name) is not None and value not in kept:
            return f"{column} not as select.{column}.{name} asks", f"{column} {value}"
    low, high = limits.get("min"), limits.get("max")
    if (low is not None or high is not None) and not is_number(value):
        return f"{column} is no number", f"{column} {value}"
    if low is not None and float(value) < low:
        return f"{column} below {tables.number(float(low))}", f"{column} {value} < {tables.number(float(low))}"
    if high is not None and float(value) > high:
        return f"{column} above {tables.number(float(high))}", f"{column} {value} > {tables.number(float(high))}"
    return None


def is_number(text: str) -> bool:
    """Whether a text, which may come from a list, is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
