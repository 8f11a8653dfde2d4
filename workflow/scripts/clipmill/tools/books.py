"""The books of a finished run: every file and every clip stands exactly once among the pairs or the rejects."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from clipmill.engine import remote, tables
from clipmill.engine.shown import printable
from clipmill.release import selection, summary

TABLES = summary.TABLES | {"rejects": "rejects.csv", "sample": selection.SAMPLE}
LINEAGE = ("video_id", "relpath", "start", "end")
"""Columns that a pair has from its clip."""
DAMAGED, LEFT_OVER = "damaged or lost", "left over"


@dataclass(frozen=True)
class Finding:
    """A file that is not as it should be, and how. `also`: what must be made again with it."""

    path: Path
    why: str
    kind: str = DAMAGED
    also: tuple[Path, ...] = ()

    @property
    def remove(self) -> tuple[Path, ...]:
        """The files without which a run makes it again."""
        return (self.path, *self.also) if self.kind == DAMAGED else ()

    def __str__(self) -> str:
        return printable(f"{self.path} {self.why}")


def findings(results: Path, account: dict) -> Iterator[Finding]:
    """Tables out of order, ids that are lost, there twice or from nowhere, and counts that `account` (run.json) has
    otherwise."""
    disorder = [finding for path in summary.TABLES.values() for finding in unsorted(results / path)]
    yield from disorder
    if not disorder:
        yield from balance(results)
    for name, count in summary.counts(results).items():
        told = account["counts"].get(name)
        if told != count:
            yield Finding(results / "run.json", f"counts {told} {name}: {summary.TABLES[name]} has {count}")
    if summary.rejects(results / "rejects.csv") != account["rejects"]:
        yield Finding(results / "run.json", "counts other rejects than rejects.csv has")


def unsorted(table: Path) -> Iterator[Finding]:
    """The first row of a table that does not rise, if there is one."""
    last = ""
    for number, row in enumerate(tables.read(table), 1):
        if row["id"] <= last:
            how = "appears twice" if row["id"] == last else f"comes after {last}"
            yield Finding(table, f"is not sorted by id: row {number}, {row['id']}, {how}")
            return
        last = row["id"]


def balance(results: Path) -> Iterator[Finding]:
    """Every id that is lost, there twice or from nowhere, by one pass over all (sorted) tables.

    With a sample, the listing holds the files that were drawn of tables/sample.csv, and no others.
    """
    streams = [_tagged(results / path, name) for name, path in TABLES.items()]
    every = heapq.merge(*streams, key=lambda entry: entry[0])
    for identity, group in groupby(every, key=lambda entry: entry[0]):
        rows: dict[str, list[dict]] = {}
        for _, name, row in group:
            rows.setdefault(name, []).append(row)
        stages = Counter(row["stage"] for row in rows.pop("rejects", []))
        if (drawn := rows.pop("sample", None)) and (drawn[0]["drawn"] == "1") != ("files" in rows):
            yield Finding(results / TABLES["files"], f"does not hold what tables/sample.csv says is drawn: {identity}")
        for name, why in (_faults_of_clip if "-" in identity else _faults_of_file)(set(rows), stages):
            yield Finding(results / TABLES[name], f"{why}: {identity}")
        if {"pairs", "clips"} <= rows.keys():
            yield from _lineage(results, rows["pairs"][0], rows["clips"][0])


def _tagged(path: Path, name: str) -> Iterator[tuple[str, str, dict]]:
    for row in tables.read(path):
        yield row["id"], name, row


def _faults_of_file(found: set[str], stages: Counter) -> Iterator[tuple[str, str]]:
    """(table, what is wrong) of a file: `found`, the tables it stands in; `stages`, how often each has rejected it.

    `list_videos` rejects what is in no listing, and files of the same content as one that is.
    """
    ends = ("videos" in found) + stages.total() - stages["list_videos"]
    if "files" not in found:
        if ends:
            yield "rejects" if stages else "videos", "has a file that is not in tables/listing.csv"
    elif ends != 1:
        yield "rejects", "does not account for a file" if not ends else "and tables/videos.csv have a file twice"


def _faults_of_clip(found: set[str], stages: Counter) -> Iterator[tuple[str, str]]:
    """As `_faults_of_file`. `scan_videos` rejects clips that are too short: they are in no table."""
    ends = ("pairs" in found) + stages.total()
    if "clips" not in found:
        if found or stages.total() != stages["scan_videos"] or ends != 1:
            yield min(found, default="rejects"), "has a clip that is not in tables/clips.csv"
        return
    if ends != 1:
        yield "rejects", "does not account for a clip" if not ends else "and meta.csv have a clip twice"
    if "pairs" in found and "selected" not in found:
        yield "pairs", "has a clip that is not in tables/selected.csv"


def _lineage(results: Path, pair: dict, clip: dict) -> Iterator[Finding]:
    for name in LINEAGE:
        if pair[name] != clip[name]:
            yield Finding(results / "meta.csv", f"has another {name} than tables/clips.csv: {pair['id']}")
    name = pair.get("path", pair["id"])
    if not remote.is_remote(name) and not Path(name).is_absolute() and Path(name).stem != pair["id"]:
        yield Finding(results / "meta.csv", f"names another file for a clip: {pair['id']}")
