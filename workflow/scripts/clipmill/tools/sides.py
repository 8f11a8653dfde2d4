"""What `make diff` compares: a results folder, an earlier selection of one, a release, or a table of pairs."""

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

TABLES = ("meta.csv", "pairs.parquet", "pairs.csv")
"""Names of a table of pairs in a folder."""
NEEDED = ("id", "text")
"""Columns that a table of pairs must have."""


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
        found = [path / name for name in TABLES if (path / name).is_file()]
        if not found:
            fail(f"{path} is neither a results folder nor a release: it holds none of {', '.join(TABLES)}")
        path = found[0]
    if not path.is_file():
        fail(f"{path}: no such file or folder. Name a results folder, a release, or a table of pairs")
    if path.suffix == ".parquet":
        return of_parquet(path)
    return of_pairs(path, tables.columns(path), lambda: tables.read(path))


def of_parquet(path: Path) -> Side:
    """A table of pairs as Parquet, or a file of a history."""
    try:
        names, told = pq.read_schema(path).names, (pq.read_metadata(path).metadata or {}).get(selection.ABOUT)
    except (OSError, pa.ArrowException) as error:
        fail(f"{path} cannot be read: {error}")
    if told:
        try:
            return Side(str(path), lambda: selection.recalled(path), selection.about(path))
        except vouch.Damaged as error:
            fail(f"{path} {error.why}: name another selection")
    wanted = [name for name in (*NEEDED, "relpath", "frames_digest") if name in names]

    def rows() -> Iterator[dict]:
        for part in pq.ParquetFile(path).iter_batches(selection.ROWS, columns=wanted):
            yield from part.to_pylist()

    return of_pairs(path, names, rows)


def of_pairs(path: Path, names: list[str], rows: Callable[[], Iterator[dict]]) -> Side:
    """A table that holds pairs and nothing else."""
    if missing := [name for name in NEEDED if name not in names]:
        fail(f"{path} is no table of pairs: it has no column {' or '.join(missing)}")
    account = account_of(path.with_name("run.json"))
    return Side(
        str(path), lambda: in_order(map(selection.of_pair, rows())), account, False, "frames_digest" in names
    )  # fmt: skip


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
    """A run.json; nothing where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def before(path: Path) -> Side:
    """The selection that a results folder had before its last run. Ends with a plain message where there is none."""
    here = side(path)
    current, kept = here.account.get("selection"), selection.history(path)
    if not here.knows_why:
        fail(f"{path} is no results folder: name another selection to compare it with, B=...")
    earlier = kept[:-1] if kept and current and kept[-1].name[6:].startswith(f"{current}_") else kept
    if not earlier:
        fail(f"{path} keeps no earlier selection: it has had one run, or none that changed anything")
    return of_parquet(earlier[-1])
