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

from clipmill.engine import tables, vouch

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
ROWS = 500_000
"""Rows of a table that are in memory at the same time."""
KEPT = ""
"""The stratum of the clips that are selected."""


def texts(path: str | Path, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
    """These columns of a table as texts, in parts that fit in memory; empty texts where a rule that is switched off
    has made none. Raises Damaged where it is not as written."""
    vouch.check_if_vouched(path)
    columns, there = list(columns), tables.columns(path)
    known = [name for name in columns if name in there]
    for part in pd.read_csv(path, usecols=known, dtype=str, keep_default_na=False, chunksize=ROWS):
        yield part.reindex(columns=columns, fill_value="")


def table(path: str | Path, columns: Iterable[str]) -> pd.DataFrame:
    """These columns of a whole table as texts."""
    columns = list(columns)
    parts = list(texts(path, columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns, dtype=str)


def rank(identity: str) -> int:
    """A number that looks random and is the same for an id in every run."""
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big")


def counted(scores: Path, columns: list[str], reasons: pd.Series) -> tuple[pd.DataFrame, list[dict]]:
    """The clips that the page counts, with these columns (texts), `order` (see `rank`) and `stratum`; and the strata:
    `name`, `rows` (clips of the run), `sampled` (clips on the page).

    `reasons`: why a clip is a reject now, by id; the others are selected.
    """
    ids = table(scores, ["id"])["id"]
    reason = ids.map(reasons).astype(object).where(ids.isin(reasons.index), KEPT)
    names = reason.value_counts().index.tolist()
    stratum = reason.map({name: index for index, name in enumerate(names)}).to_numpy(dtype=np.int64)
    sizes = np.bincount(stratum, minlength=len(names))
    order = np.array([rank(identity) for identity in ids], dtype=np.uint64)
    shares = np.ones(len(ids), dtype=bool) if len(ids) <= EXACT else _sampled(stratum, sizes, order)
    parts, start = [], 0
    for part in texts(scores, columns):
        parts.append(part[shares[start : start + len(part)]])
        start += len(part)
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns, dtype=str)
    rows["order"], rows["stratum"] = order[shares], stratum[shares]
    found = np.bincount(stratum[shares], minlength=len(names))
    strata = zip(names, sizes.tolist(), found.tolist(), strict=True)
    return rows, [{"name": name, "rows": size, "sampled": sampled} for name, size, sampled in strata]


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
