"""The tables of several finished results folders, read as those of one run over all their sources.

A source that lies in several folders is kept once: of the copies that could be read, the one whose path comes first, as
in one run. All its rows come from that folder.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from clipmill.clips import duplicates, neighbours
from clipmill.clips.thresholds import DUPLICATE, STAGE
from clipmill.engine import rejects, tables
from clipmill.tools.parts import EMBEDDED, HASHED, LISTED, Part
from clipmill.videos.extras import KEYS

LISTING, VIDEOS, EXTRAS = "tables/listing.csv", "tables/videos.csv", "tables/extras.csv"
LAST = "frames_digest"
"""The last column of meta.csv."""


class Clash(Exception):
    """One id of two different files."""


def names(parts: Iterable[Part], table: str) -> list[str]:
    """The columns of a table in all folders: those of the first, then those that only others have."""
    found = dict.fromkeys(name for part in parts for name in tables.columns(part.folder / table))
    return sorted(found, key=lambda name: name == LAST)


def rows(parts: Iterable[Part], table: str) -> Iterator[tuple[Part, dict]]:
    """The rows of a table in all folders with their folders, sorted by id (and, of rejects, by path)."""
    streams = (_tagged(part, table) for part in parts)
    return heapq.merge(*streams, key=lambda entry: order(entry[1]))


def order(row: dict) -> tuple[str, str]:
    """By id; rejects of one id by path."""
    return row["id"], row["relpath"] if "stage" in row else ""


def _tagged(part: Part, table: str) -> Iterator[tuple[Part, dict]]:
    return ((part, row) for row in part.rows(table))


def settle(parts: list[Part]) -> list[dict]:
    """Let each source be lost to all folders but one; returns the copies that are left out, as rejects, sorted.

    Raises Clash where two files of one id differ.
    """
    copies = {}
    for identity, group in groupby(rows(parts, LISTING), key=lambda entry: entry[1]["id"]):
        if len(found := list(group)) > 1:
            copies[identity] = found
    digests: dict[str, dict[Path, str]] = {identity: {} for identity in copies}
    for part, row in rows(parts, VIDEOS) if copies else ():
        if row["id"] in digests:
            digests[row["id"]][part.folder] = row["digest"]
    left = []
    for identity, found in copies.items():
        known = digests[identity]
        if len(set(known.values())) > 1:
            raise Clash(" and ".join(f"{row['path']} ({part.folder})" for part, row in found), identity)
        keeper, kept = min(found, key=lambda entry: (entry[0].folder not in known, entry[1]["relpath"]))
        for part, row in found:
            if part is not keeper:
                part.lost.add(identity)
                left.append((part, row, kept))
    return _copies(left)


def _copies(left: list[tuple[Part, dict, dict]]) -> list[dict]:
    """The files that are left out as rejects, one per row of a list that names it; not one that is the same file."""
    entries: dict[tuple, list[dict]] = {}
    for part in {part.folder: part for part, _, _ in left}.values():
        for row in tables.read(part.folder / EXTRAS):
            if row["id"] in part.lost:
                entries.setdefault((part.folder, row["id"]), []).append(row)
    found = [
        rejects.rejected(
            {**entry, "id": row["id"], "relpath": row["relpath"]},
            LISTED,
            "duplicate",
            f"duplicate of {kept['relpath']}",
        )
        for part, row, kept in left
        for entry in entries.get((part.folder, row["id"]), [{}])
        if row["path"] != kept["path"]
    ]
    return sorted(found, key=order)


def _place(row: dict) -> dict:
    return {"id": row["id"], "relpath": row["relpath"]}


def near_duplicates(parts: list[Part]) -> tuple[dict[str, dict], dict[str, list[dict]]]:
    """(what `duplicates.going` says over all folders, by rule the hashes and the vectors of all clips sorted by id)."""
    least = parts[0].account["configuration"]["duplicates"].get("embeddings")
    known = {
        rule: list(heapq.merge(*(part.shards(rule) for part in parts), key=lambda row: row["id"]))
        for rule in (HASHED, *([EMBEDDED] if least is not None else ()))
    }
    every = duplicates.Hashed.of((row["id"], row["hashes"]) for row in known[HASHED])
    near = duplicates.pairs(every, np.ones(len(every.ids), bool))
    vectors = neighbours.Embedded.of(known.get(EMBEDDED, ()))
    if vectors.ids:
        near += neighbours.pairs(vectors, np.ones(len(vectors.ids), bool), least)
    groups = duplicates.groups(near)
    grouped = {identity for group in groups for identity in group}
    failed = {row["id"] for _, row in rows(parts, "work/rejects/clips.csv") if not shows_the_same(row)}
    passed = {row["id"]: row for _, row in rows(parts, "tables/scores.csv") if row["id"] in grouped - failed}
    return duplicates.going(groups, passed, vectors.said), known


def shows_the_same(row: dict) -> bool:
    """Whether a reject is one because another clip shows the same."""
    return (row["stage"], row["reason"]) == (STAGE, DUPLICATE)


def others(parts: list[Part], table: str, more: Iterable[dict], gone: Iterable[str] = ()) -> Iterator[dict]:
    """The rejects of a table in all folders, with `more` in their order and without those of `gone` clips: which clips
    show the same is said again."""
    old = (row for _, row in rows(parts, table) if not shows_the_same(row) and row["id"] not in gone)
    return heapq.merge(old, more, key=order)


def ignored(parts: list[Part]) -> list[dict]:
    """The files that were only counted, by extension and reason."""
    found: dict[tuple, dict] = {}
    for part in parts:
        for row in tables.read(part.folder / "tables/ignored.csv"):
            total = found.setdefault((row["extension"], row["reason"]), {**row, "files": 0, "bytes": 0})
            total |= {name: total[name] + int(row[name]) for name in ("files", "bytes")}
    return [found[key] for key in sorted(found)]


def list_columns(parts: list[Part]) -> list[str]:
    """The columns of their lists."""
    return [name for name in names(parts, EXTRAS) if name not in KEYS]
