"""Tables: CSV files with one row an item, sorted by id, every value kept as the text it was written as."""

import contextlib
import csv
import io
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from numbers import Integral, Real
from pathlib import Path

csv.field_size_limit(sys.maxsize)

REJECT = ("stage", "reason", "detail")
"""A row whose `reason` is not empty is a reject: it is carried along untouched until a gather takes it out."""


REJECTS = ("id", "relpath", "start", "end", *REJECT)
"""The columns of a table of rejects."""


class TableError(Exception):
    """A table that breaks a promise: not sorted, twice the same id, books that do not balance."""


@contextlib.contextmanager
def whole(path: str | Path, mode: str = "w"):
    """Open `path` for writing under a temporary name in its folder; flush and rename it when the block succeeds.

    A reader sees the old file or the whole new one. The temporary name holds host and pid, so that two writers of
    one path do not meet, and so that `stale` can tell whose it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(temporary, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def stale(path: Path) -> bool:
    """Whether `path` is a temporary file of `whole` on this host whose writer is dead."""
    name, _, rest = path.name.partition(f".{socket.gethostname()}.")
    pid = rest.removesuffix(".tmp")
    return bool(name) and rest.endswith(".tmp") and pid.isdigit() and not _alive(int(pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_if_changed(path: str | Path, text: str) -> bool:
    """Write `text` whole to `path` unless it holds these very bytes; tell whether it was written."""
    path = Path(path)
    if path.exists() and path.read_bytes() == text.encode():
        return False
    with whole(path) as file:
        file.write(text)
    return True


def read(path: str | Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as dicts of strings, in bounded memory."""
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def columns(path: str | Path) -> list[str]:
    """The column names of a table."""
    with open(path, encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


class _Lines:
    """Ends each row by a newline alone. The csv module of Python 3.11 quotes a carriage return (a name may hold one)
    only where it is a part of its line end."""

    def __init__(self, file):
        self.file = file

    def write(self, row: str) -> None:
        self.file.write(row.removesuffix("\r\n") + "\n")


def writer(file, names: Iterable[str]) -> csv.DictWriter:
    """A writer of rows with the columns `names` (other keys are left out), its header written."""
    out = csv.DictWriter(_Lines(file), list(names), restval="", extrasaction="ignore", lineterminator="\r\n")
    out.writeheader()
    return out


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
                raise TableError(f"{path}: id {row['id']} comes after {last}: rows are not sorted, or twice there")
            last = row["id"]
            yield row


def balanced(table: str | Path, rows: Iterable[dict]) -> Iterator[dict]:
    """Yield `rows`, checking that they are the rows of `table`, id by id: the books of a gather.

    Raises TableError at the first row lost or added.
    """
    for before, after in zip_longest(read(table), rows):
        if before is None or after is None or before["id"] != after["id"]:
            raise TableError(
                f"the books do not balance: {table} has the row {before and before['id']} where its shards have "
                f"{after and after['id']}. Run again with -R of this phase's plan rule; its work folder may be damaged"
            )
        yield after


def is_reject(row: dict) -> bool:
    """Whether a rule has already rejected this row."""
    return bool(row.get("reason"))


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
