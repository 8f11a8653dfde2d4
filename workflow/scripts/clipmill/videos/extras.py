"""The other columns of a list, which go with every row that comes from it: text, byte for byte."""

from collections import deque
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from clipmill.engine import tables

KEYS = ("id", "row", "span")
"""The first columns of tables/extras.csv: a file's id, the number of the list's row, and its span. The list's own
columns follow."""


class Extras:
    """tables/extras.csv, which has the rows of a list that are used, sorted by the id of their file."""

    def __init__(self, table: Path):
        self.table = table
        self.names = tables.columns(table)[len(KEYS) :]

    def beside(self, rows: Iterator[dict]) -> Iterator[tuple[dict, list[dict]]]:
        """Each of these rows of files, sorted by id, with the rows of the list that name it: none for a folder."""
        groups = groupby(tables.read(self.table), key=lambda entry: entry["id"])
        identity, entries = next(groups, ("", ()))
        for row in rows:
            while identity and identity < row["id"]:
                identity, entries = next(groups, ("", ()))
            yield row, list(entries) if identity == row["id"] else []
        deque(groups, maxlen=0)  # a damaged table says so at its end

    def common(self, entries: list[dict]) -> dict[str, str]:
        """The values of a file: those in which all of its rows agree."""
        first = entries[0] if entries else {}
        agree = {name for name in self.names if all(entry[name] == first[name] for entry in entries)}
        return {name: first.get(name, "") if name in agree else "" for name in self.names}
