"""Tables with types: columns of numbers are numbers, all others text, in files of one schema."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.release.columns import WHOLE, Columns

ROWS = 50_000
"""Rows of a row group: those of one are in memory."""


class TypedTable:
    """A Parquet file that is written row by row."""

    def __init__(self, path: Path, columns: Columns, before: tuple[str, ...] = ()):
        """`before`: columns of text that come first, and that `add` is given."""
        self.columns = columns
        own = [(new, kind(columns, name)) for name, new in columns.names.items()]
        self.schema = pa.schema([*((name, pa.string()) for name in before), *own])
        self.rows: list[dict] = []
        self.file = pq.ParquetWriter(path, self.schema, compression="zstd")

    def add(self, row: dict[str, str], **before: str) -> None:
        """Add a row of meta.csv."""
        self.rows.append(self.columns.values(row) | before)
        if len(self.rows) == ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows at hand."""
        if self.rows:
            self.file.write_table(pa.Table.from_pylist(self.rows, self.schema))
            self.rows = []

    def close(self) -> None:
        """End the file."""
        self.flush()
        self.file.close()


def kind(columns: Columns, name: str) -> pa.DataType:
    """The type of a column of meta.csv."""
    return pa.int64() if name in WHOLE else pa.float64() if name in columns.fractions else pa.string()


def read(path: Path, column: str) -> Iterator[str]:
    """The values of a column of text."""
    for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
        yield from batch.column(0).to_pylist()
