"""The memo: what a step remembers of each item, as parquet part files sorted by id."""

import io
import os
import sys
from collections.abc import Container, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.engine import vouch
from clipmill.engine.files import whole

TRIED_AGAIN = ("unexpected", "changed", "unreachable")
"""Faults of items that are computed when their job runs again."""
FIELDS = ("id", "key", "fault", "reason", "detail")
"""What every part file has besides a step's own columns. `key` is a digest of the values that the result depends on;
`fault` is empty, "item" (the item's own, remembered), "stalled" with the minutes that it was given, or one of
TRIED_AGAIN."""


class Memo:
    """The remembered rows of one step with one fingerprint, under one folder.

    All columns are strings, as tables hold them. A part's name is `<first id>_<last id>_<digest>.parquet`, so that a
    range of ids opens only the parts that overlap it, that two writers of the same rows write the same file, and that
    a damaged part is known: the digest is that of the file's bytes.
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
        known: dict[tuple[str, str], dict[str, str]] = {}
        for low, high, path in self.parts():
            if low <= last and first <= high:
                for row in _rows(path, self.columns):
                    key = row["id"], row["key"]
                    if wanted is not None and key not in wanted:
                        continue
                    if first <= row["id"] <= last and not (key in known and row["fault"] in TRIED_AGAIN):
                        known[key] = row
        return known

    def ids(self) -> set[str]:
        """All ids remembered (not the unexpected faults, which are tried again)."""
        known: set[str] = set()
        for _, _, path in self.parts():
            known |= {row["id"] for row in _rows(path, ["id", "fault"]) if row["fault"] not in TRIED_AGAIN}
        return known

    def write(self, rows: list[dict[str, str]]) -> None:
        """Write one part file with these rows."""
        if not rows:
            return
        rows = sorted(rows, key=lambda row: (row["id"], row["key"]))
        table = pa.table({name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in self.columns})
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        name = f"{rows[0]['id']}_{rows[-1]['id']}_{vouch.digest_of(content.getbuffer())}.parquet"
        with whole(self.folder / name, "wb") as file:
            file.write(content.getbuffer())


def _rows(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """The rows of a part file; a damaged part is a forgotten part."""
    content = io.BytesIO(path.read_bytes())
    if vouch.digest_in_name(path) != vouch.digest_of(content.getbuffer()):
        print(f"memo: {path} is damaged and forgotten: what it held is computed again", file=sys.stderr)
        return []
    try:
        # Not pq.read_table, which imports pandas.
        found = pq.ParquetFile(content, pre_buffer=False).read(columns, use_threads=False)
        return found.select(columns).to_pylist()
    except (pa.ArrowException, KeyError) as error:
        print(f"memo: {path} has other columns and is forgotten: {error}", file=sys.stderr)
        return []
