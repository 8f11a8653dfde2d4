"""The memo: what a step remembers of each item, as parquet part files sorted by id."""

import contextlib
import io
import os
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.engine import vouch
from clipmill.engine.files import whole

TRIED_AGAIN = ("unexpected", "changed", "unreachable")
"""Faults of items that are computed when their job runs again."""
FIELDS = ("id", "key", "fault", "reason", "detail")
"""What every part file has besides a step's own columns. `key` is a digest of the values that the result depends on;
`fault` is empty, "item" (the item's own, remembered), "stalled" with the minutes that it was given, or one of
TRIED_AGAIN."""

EMPTY = pa.schema([(name, pa.string()) for name in FIELDS])
"""That of a part without rows. Its table is made where it is needed: pyarrow imports pandas for it."""
TRIES = 20


class Memo:
    """The remembered rows of one step with one fingerprint, under one folder.

    All columns are strings, as tables hold them. A part's name is `<first id>_<last id>_<digest>.parquet`, so that a
    range of ids opens only the parts that overlap it, that two writers of the same rows write the same file, and that
    a damaged part is known: the digest is that of the file's bytes. Parts are only added, and merged (see `merging`):
    who finds that one has gone meanwhile looks again.
    """

    def __init__(self, folder: str | Path, columns: Iterable[str]):
        self.folder = Path(folder)
        self.columns = [*FIELDS, *columns]

    def parts(self) -> list[tuple[str, str, Path]]:
        """(first id, last id, path) of each part file, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [entry for entry in os.scandir(self.folder) if entry.name.endswith(".parquet")]
        found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
        return [(*entry.name.split("_", 2)[:2], self.folder / entry.name) for entry in found]

    def recall(
        self, first: str, last: str, wanted: Container[tuple[str, str]] | None = None
    ) -> dict[tuple[str, str], dict[str, str]]:
        """What is remembered of the ids from `first` to `last`, by (id, key): the newest; no fault over a result.
        `wanted`: the only ones that are held."""
        return _looked_again(lambda: self._recalled(first, last, wanted))

    def _recalled(self, first: str, last: str, wanted: Container | None) -> dict[tuple[str, str], dict[str, str]]:
        known: dict[tuple[str, str], dict[str, str]] = {}
        for low, high, path in self.parts():
            if low <= last and first <= high:
                table = read(path, self.columns)
                for row in table.slice(*_places(table["id"], first, last)).to_pylist():
                    key = row["id"], row["key"]
                    is_wanted = wanted is None or key in wanted
                    if is_wanted and not (key in known and row["fault"] in TRIED_AGAIN):
                        known[key] = row
        return known

    def ids(self) -> set[str]:
        """All ids remembered (not the unexpected faults, which are tried again)."""
        return _looked_again(lambda: {one for _, _, path in self.parts() for one in _ids(path).to_pylist()})

    def held(self, asked: Iterable[pa.StringArray]) -> Iterator[pa.BooleanArray]:
        """Which of these ids, which rise from block to block, are remembered (see `ids`). Of the memo, only parts that
        overlap a block are in memory."""
        parts, opened = _looked_again(self.parts), {}
        for ids in asked:
            first, last = ids[0].as_py(), ids[-1].as_py()
            try:
                opened = _opened(parts, first, last, opened)
            except FileNotFoundError:
                parts = _looked_again(self.parts)
                opened = _opened(parts, first, last, opened)
            known = [part.slice(*_places(part, first, last)) for part in opened.values()]
            yield pc.is_in(ids, value_set=pa.chunked_array(known, pa.string()).combine_chunks())

    def write(self, rows: list[dict[str, str]]) -> None:
        """Write one part file with these rows."""
        if rows:
            rows = sorted(rows, key=lambda row: (row["id"], row["key"]))
            columns = {name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in self.columns}
            self.write_part(pa.table(columns))

    def write_part(self, table: pa.Table, time: int | None = None, mark: str = "") -> Path:
        """Write a part file with these rows, sorted by id: last changed at this time (nanoseconds) if one is given, and
        with this mark before the digest in its name."""
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        ids = table["id"]
        path = self.folder / f"{ids[0]}_{ids[-1]}_{mark}{vouch.digest_of(content.getbuffer())}.parquet"
        with whole(path, "wb") as file:
            file.write(content.getbuffer())
            file.flush()
            if time is not None:
                os.utime(file.fileno(), ns=(time, time))
        return path


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Columns of a part file, all by default, sorted by id; a damaged part is a forgotten part, and has no rows."""
    content = io.BytesIO(path.read_bytes())
    if vouch.digest_in_name(path) != vouch.digest_of(content.getbuffer()):
        print(f"memo: {path} is damaged and forgotten: what it held is computed again", file=sys.stderr)
        return EMPTY.empty_table()
    try:
        # Not pq.read_table, which imports pandas.
        found = pq.ParquetFile(content, pre_buffer=False).read(columns, use_threads=False)
        return (found.select(columns) if columns else found).combine_chunks()
    except (pa.ArrowException, KeyError) as error:
        print(f"memo: {path} has other columns and is forgotten: {error}", file=sys.stderr)
        return EMPTY.empty_table()


def _ids(path: Path) -> pa.StringArray:
    """The ids of a part that are remembered, rising."""
    table = read(path, ["id", "fault"])
    tried_again = pc.is_in(table["fault"], value_set=pa.array(TRIED_AGAIN))
    return table["id"].filter(pc.invert(tried_again)).combine_chunks()


def _opened(
    parts: list[tuple[str, str, Path]], first: str, last: str, before: dict[Path, pa.StringArray]
) -> dict[Path, pa.StringArray]:
    """The ids of those parts that may hold ids from `first` to `last`; those in `before` are not read again."""
    near = [path for low, high, path in parts if low <= last and first <= high]
    return {path: before[path] if path in before else _ids(path) for path in near}


def _places(ids: pa.Array, first: str, last: str) -> tuple[int, int]:
    """Where the ids from `first` to `last` begin among these, which rise, and how many they are."""
    begin = bisect_left(ids, first, key=lambda one: one.as_py())
    return begin, bisect_right(ids, last, begin, key=lambda one: one.as_py()) - begin


def _looked_again(look: Callable):
    """What `look` gives, if need be at a later try: a part that was there may have been merged meanwhile."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            return look()
    return look()
