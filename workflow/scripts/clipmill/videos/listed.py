"""The files of a listing, each in few bytes: a list may name millions."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from clipmill.engine import tables, vouch
from clipmill.videos.sources import COLUMNS


class Listed(Mapping):
    """A row of the listing: reads like a dict of its columns, all texts. `root` ends with a separator."""

    __slots__ = ("bytes", "id", "kind", "mtime", "relpath", "root")

    def __init__(self, identity: str, root: str, relpath: str, kind: str, size: int, mtime: int | str):
        self.id, self.root, self.relpath, self.kind, self.bytes, self.mtime = identity, root, relpath, kind, size, mtime

    def __getitem__(self, name: str) -> str:
        if name == "path":
            return self.root + self.relpath
        if name not in COLUMNS:
            raise KeyError(name)
        return str(getattr(self, name))

    def get(self, name: str, default: str = "") -> str:
        """The text of a column; `default` where there is no such column."""
        return self[name] if name in COLUMNS else default

    def texts(self) -> dict[str, str]:
        """The row as a dict."""
        named = {"id": self.id, "path": self.root + self.relpath, "relpath": self.relpath, "kind": self.kind}
        return named | {"bytes": str(self.bytes), "mtime": str(self.mtime)}

    def __iter__(self) -> Iterator[str]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)


class Remembered:
    """The identities of an earlier run, which are asked for in the order of their paths; a damaged memo is a forgotten
    memo."""

    def __init__(self, memo: Path):
        self.rows: Iterator[dict] = iter(())
        with contextlib.suppress(vouch.Damaged):
            vouch.check_if_vouched(memo)
            self.rows = tables.read(memo) if memo.exists() else self.rows
        self.row = next(self.rows, None)

    def of(self, relpath: str, size: int, mtime: int | str) -> str:
        """The id of a file of this size and time (elsewhere: entity tag); "" where it is not remembered."""
        while self.row and self.row["relpath"] < relpath:
            self.row = next(self.rows, None)
        row = self.row
        same = row and mtime != "" and (row["relpath"], row["bytes"], row["mtime"]) == (relpath, str(size), str(mtime))
        return row["id"] if same else ""
