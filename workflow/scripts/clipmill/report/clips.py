"""Which clips the page counts, and which of them it pictures.

The page counts every clip, up to 200,000; of more, a sample of fixed size from each stratum (the clips that the
configured thresholds keep, and those of each reason for a reject). All choices depend on ids only.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from clipmill.engine import blocks, joins

EXACT = 200_000
"""Most clips that the page counts one by one."""
LEAST = 50
"""Fewest clips of a stratum in a sample, where it has as many."""
PICTURED = 1000
"""Most clips with pictures."""
AT_RANDOM = 150
"""Clips that are kept, and others, that are pictured by chance alone."""
REASONS, OF_REASON = 12, 10
"""Reasons for rejects that are pictured, the most frequent first, and clips of each."""
PORTION = 2000
"""Ids that are looked up together: with a sample, one of so many lies in as large a part of a table."""


def texts(path: str | Path, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
    """These columns of a table as texts, in parts that fit in memory; empty texts where a rule that is switched off
    has made none. Raises Damaged where it is not as written."""
    return (rows.to_pandas() for rows in blocks.read(path, columns))


def table(path: str | Path, columns: Iterable[str]) -> pd.DataFrame:
    """These columns of a whole table as texts."""
    return _frame(list(blocks.read(path, columns)), columns)


def _frame(parts: list[pa.RecordBatch], columns: Iterable[str]) -> pd.DataFrame:
    return pa.Table.from_batches(parts).to_pandas() if parts else pd.DataFrame(columns=list(columns), dtype=str)


def found(path: Path, columns: list[str], ids: pd.Series) -> pd.DataFrame:
    """These columns of those rows of a table, sorted by id, that have these ids, which rise: by id."""
    lookup = joins.Lookup(path, columns)
    parts = [lookup.of(some)[1] for some in portions(ids)]
    lookup.finish()
    return _frame([part for part in parts if part], ["id", *columns]).set_index("id")


def portions(ids: pd.Series) -> Iterator[pa.StringArray]:
    """These ids in portions, between which not too much of a table lies."""
    every = pa.array(ids.tolist(), pa.string())
    return (every[start : start + PORTION] for start in range(0, len(every), PORTION))


def rank(identity: str) -> int:
    """A number that looks random and is the same for an id in every run."""
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big")


def counted(scores: Path, columns: list[str], rejected: Path) -> tuple[pd.DataFrame, list[dict]]:
    """The clips that the page counts, with these columns (texts), `order` (see `rank`) and `stratum`, and `stage` and
    `reason` of those that are in the table `rejected`, sorted by id as well; and the strata: `name`, `rows` (clips of
    the run), `sampled` (clips on the page).
    """
    numbers: dict[str, int] = {}
    coded, order = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for rows in _with_reasons(scores, ["id"], rejected):
        reasons = rows["reason"].dictionary_encode()
        known = [numbers.setdefault(name, len(numbers)) for name in reasons.dictionary.to_pylist()]
        coded.append(np.array(known, np.int64)[reasons.indices.to_numpy()])
        order.append(np.fromiter(map(rank, rows["id"].to_pylist()), np.uint64, len(rows)))
    stratum, order = np.concatenate(coded), np.concatenate(order)
    frequent = np.argsort(-np.bincount(stratum, minlength=len(numbers)), kind="stable")
    names = [list(numbers)[number] for number in frequent]
    stratum = np.argsort(frequent)[stratum] if len(names) else stratum
    sizes = np.bincount(stratum, minlength=len(names))
    shares = np.ones(len(order), dtype=bool) if len(order) <= EXACT else _sampled(stratum, sizes, order)
    parts, start = [], 0
    for rows in _with_reasons(scores, columns, rejected):
        parts.append(rows.filter(pa.array(shares[start : start + len(rows)])))
        start += len(rows)
    rows = _frame(parts, [*columns, "stage", "reason"])
    rows["order"], rows["stratum"] = order[shares], stratum[shares]
    held = np.bincount(stratum[shares], minlength=len(names))
    strata = zip(names, sizes.tolist(), held.tolist(), strict=True)
    return rows, [{"name": name, "rows": size, "sampled": sampled} for name, size, sampled in strata]


def _with_reasons(scores: Path, columns: list[str], rejected: Path) -> Iterator[pa.RecordBatch]:
    """The clips with these columns, "id" among them, and `stage` and `reason` of a reject, empty for the others."""
    lookup = joins.Lookup(rejected, ["stage", "reason"])
    for rows in blocks.read(scores, columns):
        where, of = lookup.of(rows["id"])
        said = {name: blocks.placed(where, of[name] if of else []) for name in ("stage", "reason")}
        yield blocks.changed(rows, said)
    lookup.finish()


def _sampled(stratum: np.ndarray, sizes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Of each stratum its share of EXACT clips, LEAST at least: those that rank first."""
    shares = np.minimum(sizes, np.maximum(LEAST, sizes * (EXACT - LEAST * len(sizes)) // sizes.sum()))
    keep = np.zeros(len(stratum), dtype=bool)
    for number, share in enumerate(shares):
        members = np.flatnonzero(stratum == number)
        keep[members[np.argsort(order[members], kind="stable")[:share]]] = True
    return keep


def pictured(
    rows: pd.DataFrame, scores: dict[str, np.ndarray], limits: dict[str, list[float]], first: set[str]
) -> tuple[np.ndarray, set[int]]:
    """The places in `rows` of at most PICTURED clips, rising, and which of them are there by chance alone.

    The clips named `first`; AT_RANDOM of the kept ones and as many of the others; for each column of `scores`, evenly
    by rank and, as many, nearest by rank to its `limits`; some of each reason; more at random, until they are enough.
    """
    order = rows["order"].to_numpy()
    random = np.argsort(order, kind="stable")
    kept = rows["kept"].to_numpy()[random]
    by_chance = list(zip_longest(random[kept][:PICTURED].tolist(), random[~kept][:PICTURED].tolist()))
    pairs = [[place for place in pair if place is not None] for pair in by_chance]
    chance = {place for pair in pairs[:AT_RANDOM] for place in pair}
    if len(rows) <= PICTURED:
        return np.arange(len(rows)), set(range(len(rows)))
    chosen = dict.fromkeys(np.flatnonzero(rows["id"].isin(first)).tolist()) | dict.fromkeys(sorted(chance))
    share = PICTURED // 2 // max(1, sum(1 + bool(limits.get(column)) for column in scores))
    for column, values in scores.items():
        chosen |= dict.fromkeys(_spread(values, limits.get(column, []), order, share))
    stratum = rows["stratum"].to_numpy()[random]
    for number in range(min(REASONS, int(stratum.max()) + 1)):
        chosen |= dict.fromkeys(random[stratum == number][:OF_REASON].tolist())
    chosen |= dict.fromkeys(place for pair in pairs for place in pair)
    places = sorted(list(chosen)[:PICTURED])
    return np.array(places, dtype=np.int64), chance & set(places)


def _spread(values: np.ndarray, limits: list[float], order: np.ndarray, share: int) -> list[int]:
    """Places of clips evenly by rank of their score, and, if there are limits, as many nearest to them by rank."""
    ranked = np.lexsort((order, values))[: np.count_nonzero(~np.isnan(values))]
    if not len(ranked):
        return []
    found = ranked[np.unique(np.linspace(0, len(ranked) - 1, share).astype(int))].tolist()
    for limit in limits:
        middle = int(np.searchsorted(values[ranked], limit))
        half = max(1, share // len(limits) // 2)
        found += ranked[max(0, middle - half) : middle + half].tolist()
    return found
