"""Joining tables that are sorted by id, in blocks of columns: side by side, by their ids, or into one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.engine import tables, vouch
from clipmill.engine.blocks import block, columns, concatenate, read
from clipmill.engine.tables import TableError


class Unequal(TableError):
    """Tables side by side do not have the same rows: `ids` are the first that differ, None where a table has ended."""

    def __init__(self, ids: list[str | None]):
        super().__init__(f"these rows are not of one item: {ids}")
        self.ids = ids


def beside(*streams: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """Yield blocks of tables of the same rows, with the same ids, side by side. Raises Unequal where ids differ."""
    held = [next(stream, None) for stream in streams]
    while None not in held:
        count = min(rows.num_rows for rows in held)
        heads = [rows.slice(0, count) for rows in held]
        for other in heads[1:]:
            same = pc.equal(heads[0]["id"], other["id"])
            if not pc.all(same, min_count=0).as_py():
                place = pc.index(same, False).as_py()
                raise Unequal([rows["id"][place].as_py() for rows in heads])
        yield tuple(heads)
        held = [
            rows.slice(count) if rows.num_rows > count else next(stream, None)
            for rows, stream in zip(held, streams, strict=True)
        ]
    if held.count(None) < len(held):
        raise Unequal([rows and rows["id"][0].as_py() for rows in held])


def balanced(
    table: str | Path, paths: Sequence[str | Path], names: Iterable[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of shards with what else `table` has (these columns, all by default), checking that they are its
    rows, id by id: the books of a gather.

    Raises TableError at the first row lost or added.
    """
    there = dict.fromkeys(name for path in paths[:1] for name in tables.columns(path))
    own = tables.columns(table)
    names = list(dict.fromkeys(["id", *([*own, *there] if names is None else names)]))
    of_shards = [name for name in names if name in there]
    of_table = ["id", *(name for name in names[1:] if name in own and name not in there)]
    try:
        for before, after in beside(read(table, of_table), concatenate(paths, of_shards)):
            yield block(columns(before) | columns(after), names)
    except Unequal as error:
        for path in (table, *paths):
            vouch.check_if_vouched(path)
        raise TableError(tables.unbalanced(table, *error.ids)) from None


class Lookup:
    """Rows of a table, sorted by id, for the ids of another one that are asked for as they rise."""

    def __init__(self, path: str | Path, names: Iterable[str]):
        """`names`: its columns that are wanted besides "id"."""
        self.stream = read(path, dict.fromkeys(["id", *names]))
        self.held: pa.RecordBatch | None = next(self.stream, None)

    def finish(self) -> None:
        """Read the rest, so that a damaged table says so."""
        deque(self.stream, maxlen=0)

    def of(self, ids: pa.StringArray) -> tuple[pa.BooleanArray, pa.RecordBatch | None]:
        """Which of these ids the table has, and its rows of those."""
        parts, last = [self.held], ids[-1].as_py()
        while parts[-1] and parts[-1]["id"][-1].as_py() < last:
            parts.append(next(self.stream, None))
        parts = [part for part in parts if part]
        if not parts:
            return pa.repeat(False, len(ids)), None
        self.held = pa.concat_batches(parts)
        places = pc.index_in(ids, value_set=self.held["id"])
        found = self.held.take(pc.drop_null(places))
        left = pc.sum(pc.less_equal(self.held["id"], last), min_count=0).as_py()
        self.held = self.held.slice(left) if left < len(self.held) else next(self.stream, None)
        return pc.is_valid(places), found


def merged(
    streams: Iterable[Iterator[pa.RecordBatch]], key: Callable[[pa.RecordBatch], pa.StringArray]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of streams, all with the same columns, in the order in which `heapq.merge` gives them by the texts
    that `key` makes of them."""
    heads = [head for head in (_Head(filter(len, stream), key) for stream in streams) if head.rows]
    while heads:
        bound = min((head.keys[-1].as_py() for head in heads if head.following), default=None)
        taken = [head.take(bound) for head in heads]
        stuck = not any(len(rows) for rows, _ in taken)
        if not stuck:
            keys = pa.concat_arrays([keys for _, keys in taken])
            yield pa.concat_batches([rows for rows, _ in taken]).take(pc.array_sort_indices(keys))
        for head in heads:
            # Where all wait for the last key of some, these have to show what follows; the others hold enough.
            if not head.rows or (stuck and head.last == bound):
                head.more()
        heads = [head for head in heads if head.rows]


class _Head:
    """The next rows of a stream that is merged, their keys, and the block that follows them, None at its end."""

    def __init__(self, stream: Iterator[pa.RecordBatch], key: Callable[[pa.RecordBatch], pa.StringArray]):
        self.stream, self.key, self.last = stream, key, ""
        self.rows: pa.RecordBatch | None = None
        self.keys = pa.array([], pa.string())
        self.following = next(stream, None)
        self.more()

    def more(self) -> None:
        """Hold the following block, too. A key that is lower than one before it counts as high as that."""
        if self.following is None:
            return
        keys = self.key(self.following)
        before = pa.concat_arrays([pa.array([self.last]), keys[:-1]])
        if not pc.all(pc.greater_equal(keys, before)).as_py():
            keys = pa.array(list(accumulate(keys.to_pylist(), max, initial=self.last))[1:])
        self.last = keys[-1].as_py()
        self.rows = pa.concat_batches([self.rows, self.following]) if self.rows else self.following
        self.keys = pa.concat_arrays([self.keys, keys])
        self.following = next(self.stream, None)

    def take(self, bound: str | None) -> tuple[pa.RecordBatch, pa.StringArray]:
        """Give away the rows whose keys are below `bound`, all without one; and their keys."""
        count = len(self.rows) if bound is None else pc.sum(pc.less(self.keys, bound), min_count=0).as_py()
        given = self.rows.slice(0, count), self.keys.slice(0, count)
        self.rows, self.keys = self.rows.slice(count), self.keys.slice(count)
        return given
