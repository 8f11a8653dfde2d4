"""Parquet: the table of pairs with types, for pandas, DuckDB, Spark and the like."""

from collections import Counter
from collections.abc import Iterator

from clipmill.release import typed_table
from clipmill.release.pairs import Pair
from clipmill.release.typed_table import TypedTable
from clipmill.release.writer import Writer

ROWS = 1_000_000
"""Rows per file."""


class Parquet(Writer):
    """Numbered files per split and bucket."""

    name = "parquet"
    holds_clips = False

    def write(self, found: Iterator[Pair]) -> None:
        parts: dict[str, TypedTable] = {}
        counts: Counter[str] = Counter()
        for part, pair in self.placed(found):
            if counts[part] % ROWS == 0:
                if part in parts:
                    parts[part].close()
                parts[part] = self.table(part, counts[part] // ROWS)
            if pair:
                parts[part].add(pair.row)
                counts[part] += 1
        for table in parts.values():
            table.close()

    def table(self, part: str, number: int) -> TypedTable:
        """A new file of a part."""
        return TypedTable(self.folder / f"{part}-{number:05d}.parquet", self.columns)

    def held(self) -> Iterator[str]:
        for path in self.folder.glob("*.parquet"):
            yield from typed_table.read(path, self.columns.names["id"])
