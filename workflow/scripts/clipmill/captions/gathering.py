"""What several captioners say of the same clips, in one row."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.engine import blocks, joins, tables

OWN = "text"
"""How the names of a captioner's columns begin."""


class Others:
    """The shards' tables of the other captioners: those of one after those of another."""

    def __init__(self, captioners: list[str], shards: list[Path]):
        count = len(shards) // max(1, len(captioners))
        self.tables = [shards[number * count : (number + 1) * count] for number in range(len(captioners))]
        heads = [tables.columns(paths[0]) for paths in self.tables]
        self.names = [
            {column: f"{OWN}_{captioner}{column.removeprefix(OWN)}" for column in said(head)}
            for captioner, head in zip(captioners, heads, strict=True)
        ]
        """For each captioner its columns, and what they are called beside those of `caption`."""
        self.columns = [name for names in self.names for name in names.values()]

    def beside(self, rows: Iterator[pa.RecordBatch], selected: Path) -> Iterator[pa.RecordBatch]:
        """Blocks of these rows with what each captioner says of them; "" where it is nothing of use. `selected`: the
        table that the shards were cut from."""
        streams = [
            joins.balanced(selected, paths, ["id", *names, "reason"])
            for paths, names in zip(self.tables, self.names, strict=True)
        ]
        for found, *others in joins.beside(rows, *streams):
            more = {}
            for names, other in zip(self.names, others, strict=True):
                lost = pc.not_equal(other["reason"], "")
                more |= {new: pc.if_else(lost, "", other[name]) for name, new in names.items()}
            yield blocks.changed(found, more)


def said(columns: list[str]) -> list[str]:
    """Those columns of a captioner's table that it fills."""
    return [name for name in columns if name == OWN or name.startswith(f"{OWN}_")]
