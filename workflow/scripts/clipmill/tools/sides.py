"""What `make diff` compares: a results folder, an earlier selection of one, a release, or a table of pairs."""

import heapq
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.engine import tables, vouch
from clipmill.release import selection

TABLES = ("meta.csv", "pairs.parquet", "parquet/*.parquet", "csv/*.csv", "huggingface/**/metadata.parquet", "*.parquet")
"""Where a folder has its pairs: the first of these that is there."""
NEEDED = ("id", "text")
"""Columns that a table of pairs must have."""
OTHERS = ("relpath", "frames_digest")
"""Columns of a table of pairs that are read where they are there."""


@dataclass(frozen=True)
class Side:
    """One of two selections."""

    name: str
    records: Callable[[], Iterator[dict]]
    """Its records (selection.RECORD), sorted by id."""
    account: dict = field(default_factory=dict)
    """Its run.json; empty where there is none."""
    knows_why: bool = True
    """Whether it says why a clip is no pair; a table of pairs does not."""
    has_pixels: bool = True
    """Whether it names the pixels of its pairs."""


def fail(message: str) -> NoReturn:
    """End with a plain message and status 2: nothing was compared."""
    print(message, file=sys.stderr)
    sys.exit(2)


def side(path: Path) -> Side:
    """What lies at `path`. Ends with a plain message where it holds no pairs."""
    if path.is_dir() and all((path / name).exists() for name in ("meta.csv", "rejects.csv", "tables/listing.csv")):
        account = account_of(path / "run.json")
        if not account:
            fail(f"{path} has no run.json, so its run is not finished: run its command again")
        return Side(str(path), lambda: selection.records(path), account)
    if path.is_dir():
        found = next(filter(None, (sorted(path.glob(pattern)) for pattern in TABLES)), None)
        if not found:
            fail(f"{path} is neither a results folder nor a release: it holds none of {', '.join(TABLES)}")
        return of_pairs(path, found, account_of(path / "run.json") or account_of(path / "release.json"))
    if not path.is_file():
        fail(f"{path}: no such file or folder. Name a results folder, a release, or a table of pairs")
    if path.suffix == ".parquet" and selection.ABOUT in (schema(path).metadata or {}):
        return of_history(path)
    return of_pairs(path, [path], account_of(path.with_name("run.json")))


def of_history(path: Path) -> Side:
    """An earlier selection of a results folder."""
    try:
        return Side(str(path), lambda: selection.recalled(path), selection.about(path))
    except vouch.Damaged as error:
        fail(f"{path} {error.why}: name another selection")


def of_pairs(place: Path, paths: list[Path], account: dict) -> Side:
    """Tables that hold pairs and nothing else. The account of a release says how it has renamed their columns."""
    given = account.get("columns", {})
    names = {name: given.get(name, name) for name in (*NEEDED, *OTHERS)}
    for path in paths:
        there = schema(path).names if path.suffix == ".parquet" else tables.columns(path)
        if missing := [names[name] for name in NEEDED if names[name] not in there]:
            fail(f"{path} is no table of pairs: it has no column {' or '.join(missing)}")
    has_pixels = names["frames_digest"] in there

    def records() -> Iterator[dict]:
        return heapq.merge(*(in_order(of_table(path, names)) for path in paths), key=lambda record: record["id"])

    return Side(str(place), records, account, False, has_pixels)


def schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file. Ends with a plain message where it is none."""
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        fail(f"{path} cannot be read: {error}")


def of_table(path: Path, names: dict[str, str]) -> Iterator[dict]:
    """The records of a table of pairs; `names` has its own names of our columns."""
    for row in rows_of_parquet(path, list(names.values())) if path.suffix == ".parquet" else tables.read(path):
        yield selection.of_pair({name: row.get(own) for name, own in names.items()})


def rows_of_parquet(path: Path, names: list[str]) -> Iterator[dict]:
    """The rows of a Parquet file, with those of these columns that it has, in bounded memory."""
    file = pq.ParquetFile(path)
    for part in file.iter_batches(selection.ROWS, columns=[name for name in names if name in file.schema_arrow.names]):
        yield from part.to_pylist()


def in_order(records: Iterator[dict]) -> Iterator[dict]:
    """Records sorted by id. A release may have another order: then all of them are sorted in memory."""
    first = list(islice(records, selection.ROWS))
    if all(before["id"] <= after["id"] for before, after in pairwise(first)):
        return checked(chain(first, records))
    return iter(sorted(chain(first, records), key=lambda record: record["id"]))


def checked(records: Iterator[dict]) -> Iterator[dict]:
    """The records, whose order is checked on the way."""
    last = ""
    for record in records:
        if record["id"] < last:
            fail(f"the pairs are not sorted by id: {record['id']} comes after {last}. Sort the table first")
        last = record["id"]
        yield record


def account_of(path: Path) -> dict:
    """A run.json, or a release.json as one: what both tell. Nothing where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if "configuration" not in found:
            found |= {"configuration": {"select": found["thresholds"]}, "models": {"": found["models"]}}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return found


def before(path: Path) -> Side:
    """The selection that a results folder had before its last run. Ends with a plain message where there is none."""
    here = side(path)
    current, kept = here.account.get("selection"), selection.history(path)
    if not here.knows_why:
        fail(f"{path} is no results folder: name another selection to compare it with, B=...")
    earlier = kept[:-1] if kept and current and kept[-1].name[6:].startswith(f"{current}_") else kept
    if not earlier:
        fail(f"{path} keeps no earlier selection: it has had one run, or none that changed anything")
    return of_history(earlier[-1])
