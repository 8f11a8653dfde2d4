"""The pairs of a release: their split and their bucket."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import log
from operator import itemgetter
from pathlib import Path

from clipmill.engine import remote, tables

TRAIN = "train"


@dataclass(frozen=True)
class Pair:
    """A row of meta.csv with its place in the release."""

    row: dict[str, str]
    split: str
    bucket: str
    """Such as `480p_ar0.5625_64f`; empty where there are no buckets."""

    @property
    def kind(self) -> str:
        """`videos` or `images`: no trainer reads both from one folder."""
        return "videos" if self.row["fps"] else "images"

    @property
    def name(self) -> str:
        """The file's name in the release: the clip's id, which holds no dot, and its file's suffix."""
        return self.row["id"] + remote.suffix(self.row["path"])

    def part(self, *before: str) -> str:
        """The name of the part of the release to which it belongs, `before` first."""
        return "-".join(filter(None, [*before, self.split, self.bucket]))


def rows(meta: Path) -> Iterator[dict[str, str]]:
    """The rows of a table of pairs, sorted by id. Raises TableError where an id appears twice."""
    ids = (row["id"] for row in tables.read(meta))
    in_order = all(first <= second for first, second in pairwise(ids))
    found = tables.read(meta) if in_order else sorted(tables.read(meta), key=itemgetter("id"))
    last = None
    for row in found:
        if row["id"] == last:
            raise tables.TableError(f"{meta} has the id {last} twice")
        last = row["id"]
        yield row


def pairs(meta: Path, options: dict) -> Iterator[Pair]:
    """Every pair in its split and bucket, sorted by id."""
    for row in rows(meta):
        yield Pair(row, split(row, options["splits"]), bucket(row, options["buckets"]))


def split(row: dict[str, str], splits: dict) -> str:
    """`train`, `validation` or `test`, by the value of the column that may not be divided.

    Another pair, folder or order changes nothing: the seed and the value alone say where a pair goes.
    """
    source = row.get(splits["by"])
    if source is None:
        raise tables.TableError(f"release.splits.by: meta.csv has no column {splits['by']} (it has: {', '.join(row)})")
    digest = hashlib.sha256(f"{splits['seed']} {source}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    if share < splits["test"]:
        return "test"
    return "validation" if share < splits["test"] + splits["validation"] else TRAIN


def bucket(row: dict[str, str], buckets: dict) -> str:
    """The name of a pair's bucket: the largest edge that it reaches (0: none), and the nearest aspect ratio."""
    names = []
    if edges := buckets["resolution"]:
        names.append(f"{reached(min(int(row['height']), int(row['width'])), edges):g}p")
    if ratios := buckets["aspect_ratio"]:
        own = log(int(row["height"]) / int(row["width"]))
        names.append(f"ar{min(sorted(ratios), key=lambda ratio: abs(log(ratio) - own)):g}")
    if edges := buckets["num_frames"]:
        names.append(f"{reached(int(row['num_frames']), edges):g}f")
    return "_".join(names)


def reached(value: float, edges: list[float]) -> float:
    """The largest edge that is not above a value; 0 where all are."""
    return max((edge for edge in edges if edge <= value), default=0)
