"""Tables: CSV files with one row per item, sorted by id; every value is kept as the text it was written as."""

import csv
import io
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from numbers import Integral, Real
from pathlib import Path

from clipmill.engine import vouch
from clipmill.engine.files import whole

csv.field_size_limit(sys.maxsize)

MEASURES = ("num_frames", "height", "width", "aspect_ratio", "fps", "resolution")
"""The reference's columns of a video's or a clip's size and length: frames, pixels, height / width, frames per second,
height x width."""


class TableError(Exception):
    """A table that breaks a promise: rows not sorted, an id that appears twice, books that do not balance."""


def read(path: str | Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as dicts of strings, in bounded memory.

    Raises vouch.Damaged, at its end at the latest, where the table is not as it was written.
    """
    yield from vouch.rows(path)


def columns(path: str | Path) -> list[str]:
    """The column names of a table. Raises vouch.Damaged where they cannot be read."""
    with open(path, encoding="utf-8", newline="") as file:
        try:
            return next(csv.reader(file), [])
        except ValueError:
            vouch.check_if_vouched(path)
            raise


class Writer:
    """Writes rows, dicts of texts and numbers, as lines of a table: other keys than its columns are left out, and what
    a row lacks is empty."""

    def __init__(self, file, names: Iterable[str]):
        self.file, self.names = file, list(names)
        self.rows, self.quoted = csv.writer(file, lineterminator="\n"), csv.writer(self, lineterminator="\r\n")
        self.put(self.names)

    def writerow(self, row: Mapping) -> None:
        """Write a row."""
        get = row.get
        self.put([get(name, "") for name in self.names])

    def put(self, cells: list) -> None:
        """Write the cells of a row."""
        try:
            plain = "\r" not in "".join(cells)
        except TypeError:  # numbers or None
            plain = "\r" not in "".join(map(str, cells))
        (self.rows if plain else self.quoted).writerow(cells)

    def writerows(self, rows: Iterable[Mapping]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)

    def write(self, row: str) -> None:
        """Write a row in which a cell holds a carriage return: Python 3.11 quotes it only where it is part of the line
        ending, which then is replaced."""
        self.file.write(row.removesuffix("\r\n") + "\n")


def writer(file, names: Iterable[str]) -> Writer:
    """A writer of rows with the columns `names`, its header written."""
    return Writer(file, names)


def text(names: Iterable[str], rows: Iterable[dict]) -> str:
    """A small table as one string."""
    with io.StringIO(newline="") as file:
        writer(file, names).writerows(rows)
        return file.getvalue()


def write(path: str | Path, names: Iterable[str], rows: Iterable[dict]) -> int:
    """Write a table whole; returns the number of rows."""
    count = 0
    with whole(path) as file:
        out = writer(file, names)
        for row in rows:
            out.writerow(row)
            count += 1
    return count


def concatenate(paths: Iterable[str | Path]) -> Iterator[dict[str, str]]:
    """Yield the rows of shards one after the other.

    Raises TableError where ids do not rise strictly: shards are contiguous ranges of a sorted table.
    """
    last = ""
    for path in paths:
        for row in read(path):
            if row["id"] <= last:
                vouch.check_if_vouched(path)
                raise TableError(unsorted(path, row["id"], last))
            last = row["id"]
            yield row


def balanced(table: str | Path, rows: Iterable[dict]) -> Iterator[dict]:
    """Yield `rows` with what else `table` has, checking that they are its rows, id by id: the books of a gather.

    Raises TableError at the first row lost or added.
    """
    for before, after in zip_longest(read(table), rows):
        if before is None or after is None or before["id"] != after["id"]:
            vouch.check_if_vouched(table)
            deque(rows, maxlen=0)  # a damaged shard says so at its end
            raise TableError(unbalanced(table, before and before["id"], after and after["id"]))
        yield {**before, **after}


def unsorted(path: str | Path, after: str, before: str) -> str:
    """What is said of a row, by its id, that does not come after the one before it."""
    return f"{path}: id {after} comes after {before}: the rows are not sorted, or one appears twice"


def unbalanced(table: str | Path, before: str | None, after: str | None) -> str:
    """What is said of the first row, by its id, that a table has and its shards have not, or the other way round."""
    return (
        f"the books do not balance: {table} has the row {before} where its shards have {after}. "
        "Run the same command with -R of this phase's plan rule"
    )


def number(value: object) -> str:
    """A value as tables hold it: floats with at most 4 decimals, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Real) and not isinstance(value, Integral):
        if value != value:
            return ""
        text = f"{value:.4f}".rstrip("0").rstrip(".")
        return "0" if text in ("-0", "") else text
    return str(value)
