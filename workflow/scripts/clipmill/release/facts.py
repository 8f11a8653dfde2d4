"""What a release holds, counted from its pairs."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from clipmill.release.pairs import Pair
from clipmill.release.selection import Digest

LICENCE = ("license", "licence")
"""Columns of a list that name a licence."""


@dataclass
class Facts:
    """Counts of pairs, sources and seconds, and the digest of the selection."""

    selection: str = ""
    pairs: int = 0
    kinds: Counter = field(default_factory=Counter)
    buckets: Counter = field(default_factory=Counter)
    licences: Counter = field(default_factory=Counter)
    """Pairs by the licence that the list of sources names, where it has a column for it."""
    splits: dict[str, dict] = field(default_factory=dict)
    """Of each split: `pairs`, `sources`, `hours`."""

    @property
    def hours(self) -> float:
        """Hours of video."""
        return round(sum(split["hours"] for split in self.splits.values()), 4)


def count(found: Iterable[Pair], by: str) -> Facts:
    """Count pairs, sorted by id; `by`: the column whose values are the sources."""
    facts, selection = Facts(), Digest()
    pairs: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    sources: dict[str, set[str]] = defaultdict(set)
    for pair in found:
        row = pair.row
        selection.add(row)
        facts.kinds[pair.kind] += 1
        facts.buckets[pair.bucket] += 1
        facts.licences.update(row[name] or "none named" for name in LICENCE if name in row)
        pairs[pair.split] += 1
        sources[pair.split].add(row[by])
        if row["start"] and row["end"]:
            seconds[pair.split] += float(row["end"]) - float(row["start"])
    facts.selection, facts.pairs = selection.hexdigest(), pairs.total()
    for split in sorted(pairs):
        facts.splits[split] = {
            "pairs": pairs[split],
            "sources": len(sources[split]),
            "hours": round(seconds[split] / 3600, 4),
        }
    return facts
