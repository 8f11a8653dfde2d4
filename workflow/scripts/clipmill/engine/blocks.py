"""Tables in blocks of columns, for what looks at every row of a run: the same bytes as `tables` at a tenth of its cost.

A block is an Arrow record batch of texts, tens of thousands of rows of it. pyarrow takes 0.15 CPU-s to import, so a
job over few rows is cheaper with `tables`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from clipmill.engine import tables, vouch
from clipmill.engine.tables import TableError

PIECE = 1 << 22
"""Bytes of a table that are in memory at the same time, unless a row is longer."""
GUARD = b"-\n"
"""A line that is skipped: pyarrow would take a mark of byte order away from the first letters that it gets."""
SPECIAL = (b",", b'"', b"\n", b"\r")
"""A cell that holds one of these is quoted."""


def read(path: str | Path, names: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table in blocks, in bounded memory: these columns, all by default; one that the table lacks
    is empty.

    Raises vouch.Damaged, at its end at the latest, where the table is not as it was written.
    """
    there = tables.columns(path)
    names = there if names is None else list(names)
    known = [name for name in names if name in there]
    options = {
        "parse_options": csv.ParseOptions(newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(there, pa.string()), include_columns=known or there[:1]
        ),
    }
    for rows in _without_head(_whole_rows(vouch.pieces(path, PIECE))):
        rows = GUARD + rows
        reading = csv.ReadOptions(use_threads=False, block_size=len(rows) + 1, column_names=there, skip_rows=1)
        try:
            found = csv.read_csv(pa.BufferReader(rows), reading, **options).combine_chunks()
        except pa.ArrowInvalid as error:
            vouch.check_if_vouched(path)
            raise TableError(f"{path}: {error}") from error
        if found.num_rows:
            yield block({name: found[name].chunk(0) for name in known}, names, found.num_rows)


def _without_head(parts: Iterator[bytes]) -> Iterator[bytes]:
    """These rows without the first one, that of the columns' names."""
    first = next(parts, b"")
    end = first.find(b"\n") + 1
    while first.count(b'"', 0, end) % 2:
        end = first.find(b"\n", end) + 1
    if first := first[end:] if end else b"":
        yield first
    yield from parts


def _whole_rows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, divided where a row ends."""
    rest = b""
    for piece in pieces:
        rest += piece
        if end := _end(rest):
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _end(rows: bytes) -> int:
    """Where the last whole row ends, 0 without one: at a new line that an even number of quotes comes before."""
    end = rows.rfind(b"\n") + 1
    odd = rows.count(b'"', 0, end) % 2
    while odd:
        before = rows.rfind(b"\n", 0, end - 1) + 1
        odd ^= rows.count(b'"', before, end) % 2
        end = before
    return end


def block(given: dict[str, pa.Array], names: Sequence[str], count: int | None = None) -> pa.RecordBatch:
    """A block with these columns, in this order; those that are not given are empty. `count`: its rows, if none is."""
    empty = pa.repeat("", len(next(iter(given.values()))) if count is None else count)
    return pa.record_batch([given.get(name, empty) for name in names], names=list(names))


def columns(rows: pa.RecordBatch) -> dict[str, pa.Array]:
    """The columns of a block by name."""
    return dict(zip(rows.schema.names, rows.columns, strict=True))


def changed(rows: pa.RecordBatch, others: dict[str, pa.Array]) -> pa.RecordBatch:
    """A block with these columns in place of its own, or besides them."""
    found = columns(rows) | others
    return block(found, list(found))


def placed(where: pa.BooleanArray, texts: Sequence[str]) -> pa.StringArray:
    """A column that has these texts, one after the other, `where` it is true, and is empty elsewhere."""
    return pc.replace_with_mask(pa.repeat("", len(where)), where, pa.array(texts, pa.string()))


class Writer:
    """Writes blocks as `tables.Writer` writes rows: other columns than its own are left out, one that a block lacks is
    empty. `file`: one of `files.whole`."""

    def __init__(self, file, names: Iterable[str]):
        self.file, self.names = file.buffer, list(names)
        self.file.write(tables.text(self.names, ()).encode())

    def write(self, rows: pa.RecordBatch) -> None:
        """Write the rows of a block."""
        self.file.write(text(rows, self.names))


def text(rows: pa.RecordBatch, names: Sequence[str]) -> bytes:
    """These columns of a block as lines of a table."""
    if not rows.num_rows:
        return b""
    cells = block(columns(rows), names, rows.num_rows).columns
    plain = _lines(cells)
    letters = np.frombuffer(plain, np.uint8)
    found = [np.count_nonzero(letters == letter[0]) for letter in SPECIAL]
    if len(cells) > 1 and found == [len(rows) * (len(cells) - 1), 0, len(rows), 0]:  # no cell holds one
        return plain
    cells = [_quoted(column) for column in cells]
    if len(cells) == 1:  # a line without a letter would be no row
        cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
    return _lines(cells)


def _lines(cells: Sequence[pa.StringArray]) -> bytes:
    """Cells of rows, one after the other as they are."""
    return _bytes(pc.binary_join_element_wise(*cells[:-1], joined(cells[-1], "\n"), ","))


def _quoted(column: pa.StringArray) -> pa.StringArray:
    """The cells of a column as they stand in a table."""
    held = _bytes(column)
    if not any(letter in held for letter in SPECIAL):
        return column
    plain = pc.replace_substring(column, '"', '""') if b'"' in held else column
    return pc.if_else(pc.match_substring_regex(column, '[,"\\r\\n]'), joined('"', plain, '"'), column)


def joined(*parts: pa.Array | str) -> pa.Array:
    """Texts one after the other, row by row; null where one of them is."""
    return pc.binary_join_element_wise(*parts, "")


def _bytes(column: pa.StringArray) -> bytes:
    """All texts of a column without nulls, one after the other."""
    _, offsets, values = column.buffers()
    if values is None:
        return b""
    first, last = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]].tolist()
    return values.slice(first, last - first).to_pybytes()


def count(path: str | Path) -> int:
    """The rows of a table."""
    return sum(map(len, read(path, ["id"])))


def divided(stream: Iterator[pa.RecordBatch], counts: Iterable[int]) -> Iterator[list[pa.RecordBatch]]:
    """Yield the blocks of so many rows, then of so many more, and so on; and read the rest."""
    held = None
    for count in counts:
        parts = []
        while count and (held := held or next(stream, None)):
            parts.append(held.slice(0, count))
            held, count = held.slice(count), count - len(parts[-1])
        yield parts
    deque(stream, maxlen=0)  # a damaged table says so at its end


def concatenate(paths: Iterable[str | Path], names: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the blocks of shards one after the other; `names`, if given, holds "id".

    Raises TableError where ids do not rise strictly: shards are contiguous ranges of a sorted table.
    """
    last = ""
    names = names and list(names)
    for path in paths:
        for rows in read(path, names):
            ids = rows["id"]
            before = pa.concat_arrays([pa.array([last]), ids[:-1]])
            wrong = pc.index(pc.greater(ids, before), False).as_py()
            if wrong >= 0:
                vouch.check_if_vouched(path)
                raise TableError(tables.unsorted(path, ids[wrong].as_py(), before[wrong].as_py()))
            last = ids[-1].as_py()
            yield rows
