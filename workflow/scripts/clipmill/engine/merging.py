"""Merging the parts of a memo when they are many: jobs leave one a minute, and whoever looks at all opens each.

What a memo recalls is the same before, while and after its parts are merged, whenever that is killed, and whoever
writes to it or reads it meanwhile: the merged parts are written first, each whole, with the time of the newest part
that they were made from, and only then are those removed. A part that comes meanwhile is newer.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.engine.memo import TRIED_AGAIN, Memo, read

MANY = 64
"""Parts that are left as they are, however small."""
BYTES = 8_000_000
"""About as large is a merged part: a job, which needs some thousand rows of it, reads it in hundredths of a second."""
SAMPLE = 16
"""Ids of a part that stand for it when the merged parts are divided."""


def merge(memo: Memo) -> None:
    """Merge the parts of a memo into at most half as many, if they are more than MANY and that can be."""
    try:
        parts = memo.parts()
        size = sum(path.stat().st_size for _, _, path in parts)
        if len(parts) > max(MANY, 2 * size // BYTES):
            _merge(memo, parts, size)
    except (FileNotFoundError, pa.ArrowInvalid):
        return  # others merge them, or they have different columns


def _merge(memo: Memo, parts: list[tuple[str, str, Path]], size: int) -> None:
    parts = [part for part in parts if len(read(part[2], ["id"]))]  # what is damaged is left alone
    made = set()
    opened: dict[Path, pa.Table] = {}
    for first, end in _ranges(parts, size):
        near = [path for low, high, path in parts if first <= high and (end is None or low < end)]
        opened = {path: opened[path] if path in opened else read(path) for path in near}
        rows = [_between(table, first, end) for table in opened.values()]
        if any(map(len, rows)):
            rows = _newest(rows)
            made.add(memo.write_part(rows, max(path.stat().st_mtime_ns for path in near)))
    folder = os.open(memo.folder, os.O_RDONLY)
    os.fsync(folder)  # that they are there must last before the others go
    os.close(folder)
    for _, _, path in parts:
        if path not in made:
            path.unlink(missing_ok=True)


def _ranges(parts: list[tuple[str, str, Path]], size: int) -> Iterator[tuple[str, str | None]]:
    """(first id, the id before which it ends) of each merged part; the last one has no end."""
    weights = []
    for _, _, path in parts:
        ids = read(path, ["id"])["id"]
        some = ids[:: max(1, len(ids) // SAMPLE)].to_pylist()
        weights += [(one, path.stat().st_size / len(some)) for one in some]
    first, held = "", 0.0
    for identity, weight in sorted(weights):
        if held >= BYTES and identity > first:
            yield first, identity
            first, held = identity, 0.0
        held += weight
    yield first, None


def _between(table: pa.Table, first: str, end: str | None) -> pa.Table:
    """The rows with ids from `first` on, and before `end` if there is one."""
    where = pc.greater_equal(table["id"], first)
    return table.filter(where if end is None else pc.and_(where, pc.less(table["id"], end)))


def _newest(tables: list[pa.Table]) -> pa.Table:
    """The rows that a memo recalls of these tables, the oldest first: of each id and key the newest result, or the
    first of faults that are tried again. Sorted by id and key."""
    age = pa.concat_arrays([pa.repeat(pa.scalar(number + 1), len(table)) for number, table in enumerate(tables)])
    rows = pa.concat_tables(tables).combine_chunks()
    fails = pc.is_in(rows["fault"], value_set=pa.array(TRIED_AGAIN))
    rank = pc.if_else(fails, pc.negate(age), age)
    order = pc.sort_indices(
        pa.table({"id": rows["id"], "key": rows["key"], "rank": rank}),
        sort_keys=[("id", "ascending"), ("key", "ascending"), ("rank", "ascending")],
    )
    rows = rows.take(order)
    last = pa.array([True] * min(1, len(rows)))
    differs = pc.or_(*(pc.not_equal(rows[name][1:], rows[name][:-1]) for name in ("id", "key")))
    return rows.filter(pa.chunked_array([*differs.chunks, last], pa.bool_()))
