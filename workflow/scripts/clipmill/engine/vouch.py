"""Vouching: every file that we write can be told from a damaged one.

A table or a JSON file has its sum beside it, in `.<name>.sum`:

    <digest> <bytes>                                  of the file itself
    <digest> <bytes> <time> <path from the results>   of each file that belongs to one of its rows (a clip, a store)
    <digest>                                          of the lines above

A digest is BLAKE2b of 16 bytes, as hex digits; a time is that of the last change, in nanoseconds.
"""

import contextlib
import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

BUFFER = 1 << 20
"""Bytes that are read at once."""
CHANGED = "is damaged (its content has changed)"
"""How a file is damaged whose size is as it was."""


class Damaged(OSError):
    """A file of ours is not as it was written. The message names it and says how it heals."""

    def __init__(self, path: str | Path, why: str):
        super().__init__(f"{path} {why}: run the same command again, it finds such files and makes them again")
        self.why = why


@dataclass(frozen=True)
class Sum:
    """What stands beside a table: its digest, its size in bytes, and the state of the files of its rows by path."""

    digest: str
    size: int
    files: dict[str, str]


def hasher():
    """A new hash of the kind that all sums have."""
    return hashlib.blake2b(digest_size=16)


def digest_of(content: bytes | memoryview) -> str:
    """The digest of bytes in memory."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest(path: str | Path) -> str:
    """The digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, hasher).hexdigest()


def digest_in_name(path: Path) -> str:
    """What the name of a part of the memo says of its content."""
    return path.stem.rpartition("_")[2]


def state(path: Path) -> str:
    """Digest, bytes and time of a file, as `fault` compares them."""
    status = path.stat()
    return f"{digest(path)} {status.st_size} {status.st_mtime_ns}"


def fault(path: Path, recorded: str) -> str | None:
    """How a file differs from its recorded state, in words; None where it does not.

    While size and time are as recorded, so is the content. A file of another time is read; where its content is as
    recorded (the folder was copied), it gets the recorded time back, so that it is read once only.
    """
    known, size, changed = recorded.split()
    try:
        status = path.stat()
    except FileNotFoundError:
        return "is missing"
    if status.st_size != int(size):
        return f"is damaged ({status.st_size} bytes in place of {size})"
    if status.st_mtime_ns == int(changed):
        return None
    if digest(path) != known:
        return CHANGED
    with contextlib.suppress(OSError):
        os.utime(path, ns=(status.st_atime_ns, int(changed)))
    return None


def place(path: str | Path) -> Path:
    """Where the sum of a file stands."""
    path = Path(path)
    return path.with_name(f".{path.name}.sum")


def vouched(place: Path) -> Path:
    """The file that a sum stands beside."""
    return place.with_name(place.name.removeprefix(".").removesuffix(".sum"))


def again(path: Path) -> Path:
    """Where a job notes that its table holds rows of sources that changed while it ran, or could not be fetched: the
    next run reads them."""
    return path.with_name(f".{path.name}.again")


def note_again(path: Path, wanted: bool) -> None:
    """Leave or remove that note."""
    again(path).unlink(missing_ok=True)
    if wanted:
        again(path).touch()


def text(path: Path, files: Iterable[tuple[str, str]] = ()) -> str:
    """The sum of the file at `path`; `files`: (path, state) of each file of its rows."""
    lines = f"{digest(path)} {path.stat().st_size}\n" + "".join(f"{state} {name}\n" for name, state in files)
    return f"{lines}{digest_of(lines.encode())}\n"


def read(path: str | Path) -> Sum | None:
    """The sum beside a file; None where there is none. Raises Damaged where the sum itself is damaged."""
    try:
        body, own = place(path).read_bytes().decode().removesuffix("\n").rsplit("\n", 1)
        if own != digest_of(f"{body}\n".encode()):
            raise ValueError
    except FileNotFoundError:
        return None
    except ValueError:
        raise Damaged(path, "is vouched for by nothing (its sum is damaged)") from None
    first, *others = body.split("\n")
    known, size = first.split()
    return Sum(known, int(size), dict(map(_entry, others)))


def _entry(line: str) -> tuple[str, str]:
    *recorded, name = line.split(" ", 3)
    return name, " ".join(recorded)


def check(path: str | Path) -> Sum:
    """The sum of a file that is as it was written. Raises Damaged where it is not, or where nothing vouches for it."""
    path = Path(path)
    known = read(path)
    if not path.exists():
        raise Damaged(path, "is missing")
    if known is None:
        raise Damaged(path, "is vouched for by nothing (its sum is missing)")
    _compare(path, known, path.stat().st_size, None)
    _compare(path, known, known.size, digest(path))
    return known


def check_named(path: Path) -> None:
    """Raise Damaged where a file, whose name holds its digest, is not as it was written."""
    if digest(path) != digest_in_name(path):
        raise Damaged(path, CHANGED)


def _compare(path: str | Path, known: Sum, size: int, found: str | None) -> None:
    if size != known.size:
        raise Damaged(path, f"is damaged ({size} bytes in place of {known.size})")
    if found is not None and found != known.digest:
        raise Damaged(path, CHANGED)


class _Hashed(io.RawIOBase):
    """A file being read, and the hash of what was read."""

    def __init__(self, file: io.RawIOBase):
        self.file, self.hash, self.size = file, hasher(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        """Read into `buffer`; returns the number of bytes."""
        count = self.file.readinto(buffer)
        self.hash.update(memoryview(buffer)[:count])
        self.size += count
        return count


def rows(path: str | Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV table, checked on the way: the last one is followed by Damaged where the table is not as it
    was written. A table without a sum (one written by hand) is not checked."""
    known = read(path)
    with open(path, "rb", buffering=0) as file:
        hashed = _Hashed(file)
        lines = io.TextIOWrapper(io.BufferedReader(hashed, BUFFER), encoding="utf-8", newline="")
        try:
            yield from csv.DictReader(lines)
        except (ValueError, csv.Error) as error:
            if known:
                raise Damaged(path, f"is damaged ({error})") from error
            raise
        if known:
            _compare(path, known, hashed.size, hashed.hash.hexdigest())


def pieces(path: str | Path, size: int) -> Iterator[bytes]:
    """The bytes of a table in pieces of this size, checked on the way like its `rows`."""
    known, found = read(path), hasher()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(size):
            found.update(piece)
            yield piece
        if known:
            _compare(path, known, file.tell(), found.hexdigest())


def check_if_vouched(path: str | Path) -> None:
    """Raise Damaged where a file has a sum and is not as it was written."""
    if read(path):
        check(path)


def content(path: str | Path) -> str:
    """The text of a small file. Raises Damaged where it is not as it was written; one without a sum is not checked."""
    check_if_vouched(path)
    return Path(path).read_text(encoding="utf-8")
