"""Merging the parts of a memo when they are many: jobs leave one a minute, and whoever looks at all opens each.

What a memo recalls is the same before, while and after its parts are merged, whenever that is killed, and whoever
writes to it or reads it meanwhile: the merged parts are written first, each whole, with the time of the newest part
that they were made from, and only then are those removed. A part that comes meanwhile is newer.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.engine.memo import TRIED_AGAIN, Memo, read

MANY = 64
"""Parts that are left as they are, besides large ones."""
BYTES = 16_000_000
"""About as large is a merged part in memory: a job, which needs some thousand rows of it, reads it in 0.05 s."""
LARGE = "merged_"
"""The mark of a merged part that is large: it is merged again only with what overlaps it."""
SAMPLE = 16
"""Ids of a part that stand for it when the merged parts are divided."""


def merge(memo: Memo) -> None:
    """Merge the parts of a memo, if there are more than MANY besides large ones."""
    try:
        parts = memo.parts()
        small = [part for part in parts if LARGE not in part[2].name]
        if len(small) > MANY:
            near = [part for part in parts if any(part[0] <= high and low <= part[1] for low, high, _ in small)]
            _merge(memo, near)
    except (FileNotFoundError, pa.ArrowInvalid):
        return  # others merge them, or they have different columns


def _merge(memo: Memo, parts: list[tuple[str, str, Path]]) -> None:
    weights = {path: _weights(path) for _, _, path in parts}
    parts = [part for part in parts if weights[part[2]]]  # what is damaged is left alone
    made = set()
    opened: dict[Path, pa.Table] = {}
    for first, end in _ranges(weight for some in weights.values() for weight in some):
        near = [path for low, high, path in parts if first <= high and (end is None or low < end)]
        opened = {path: opened[path] if path in opened else read(path) for path in near}
        rows = [_between(table, first, end) for table in opened.values()]
        if any(map(len, rows)):
            rows = _newest(rows)
            time = max(path.stat().st_mtime_ns for path in near)
            made.add(memo.write_part(rows, time, LARGE if rows.nbytes > BYTES / 2 else ""))
    folder = os.open(memo.folder, os.O_RDONLY)
    os.fsync(folder)  # that they are there must last before the others go
    os.close(folder)
    for _, _, path in reversed(parts):  # the newest first: of what is left, the oldest fault still comes first
        if path not in made:
            path.unlink(missing_ok=True)


def _weights(path: Path) -> list[tuple[str, float]]:
    """Some ids of a part, each with the bytes that it stands for; none where the part is damaged."""
    table = read(path)
    ids = table["id"][:: max(1, len(table) // SAMPLE)].to_pylist()
    return [(identity, table.nbytes / len(ids)) for identity in ids]


def _ranges(weights: Iterable[tuple[str, float]]) -> Iterator[tuple[str, str | None]]:
    """(first id, the id before which it ends) of each merged part; the last one has no end."""
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
