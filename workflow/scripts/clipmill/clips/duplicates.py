"""Near-duplicates: which clips show the same, and which one of them stays.

Two clips of different videos are duplicates where half of the frames of the shorter one, and at least two, have a frame
of the same picture (see `hashes`) in the other, mirrored or cropped or not; where it is asked for, also where their
CLIP vectors are near (see `neighbours`). A group is what hangs together by such pairs. So a clip's group depends on no
order and no shards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipmill.clips import hashes
from clipmill.clips.thresholds import DUPLICATE, STAGE
from clipmill.engine.rejects import rejected

TABLE = ("id", "of", "relpath", "start", "cosine")
"""Of the table of duplicates: a clip, the better one that shows the same, where that comes from, and the cosine of both
where they are compared by vectors, too."""
SHARE = 0.5
"""Share of the shorter clip's frames that the other one has."""


@dataclass(frozen=True)
class Hashed:
    """The hashes of many clips: one line per frame, `variants` (n, 3) uint64, `owner` (n,) the number of its clip."""

    ids: list[str]
    variants: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> "Hashed":
        """From (id, column `hashes`) of each clip."""
        ids, lines, owner = [], [], []
        for identity, text in rows:
            for frame in sorted(set(text.split())):
                lines.append([int(part, 16) for part in frame.split(":")])
                owner.append(len(ids))
            ids.append(identity)
        return cls(ids, np.array(lines, np.uint64).reshape(-1, len(hashes.CROPS)), np.array(owner, np.int64))


def pairs(clips: Hashed, is_new: np.ndarray) -> list[tuple[str, str]]:
    """The pairs (id < id) of duplicates of which at least one clip `is_new` (bool per clip)."""
    fresh = is_new[clips.owner]
    everything, mine, others = np.arange(len(fresh)), np.flatnonzero(fresh), np.flatnonzero(~fresh)
    matched = [*_matches(clips, mine, everything), *_matches(clips, others, mine)]
    if not matched:
        return []
    found = np.unique(np.concatenate(matched), axis=0)
    frames = np.bincount(clips.owner, minlength=len(clips.ids))
    videos = np.array([identity.rpartition("-")[0] for identity in clips.ids])
    counted: dict[tuple[int, int], list[set]] = {}
    for one, other in found.tolist():
        a, b = int(clips.owner[one]), int(clips.owner[other])
        if videos[a] != videos[b]:
            (a, one), (b, other) = sorted([(a, one), (b, other)])
            sides = counted.setdefault((a, b), [set(), set()])
            sides[0].add(one)
            sides[1].add(other)
    out = []
    for (a, b), sides in counted.items():
        shorter = 0 if frames[a] <= frames[b] else 1
        least = max(SHARE * min(frames[a], frames[b]), min(2, frames[a], frames[b]))
        if len(sides[shorter]) >= least and (min(frames[a], frames[b]) > 1 or max(frames[a], frames[b]) == 1):
            out.append(tuple(sorted((clips.ids[a], clips.ids[b]))))
    return sorted(out)


def _matches(clips: Hashed, queries: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Pairs of frames (n, 2) that show the same: a variant of one, or its mirror, is near the other."""
    out = []
    if not len(queries) or not len(known):
        return out
    for asked, held in ((queries, known), (known, queries)):
        whole = clips.variants[held, 0]
        for variant in range(clips.variants.shape[1]):
            for mirror in (np.uint64(0), hashes.MIRROR):
                for left, right in hashes.near(clips.variants[asked, variant] ^ mirror, whole):
                    a, b = asked[left], held[right]
                    apart = clips.owner[a] != clips.owner[b]
                    out.append(np.stack([a[apart], b[apart]], axis=1))
        if queries is known:
            break
    return out


def groups(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The clips that hang together by pairs, each group sorted, in the order of their first clips."""
    leader: dict[str, str] = {}

    def lead(identity: str) -> str:
        while leader.setdefault(identity, identity) != identity:
            leader[identity] = leader[leader[identity]]
            identity = leader[identity]
        return identity

    for one, other in pairs:
        a, b = sorted((lead(one), lead(other)))
        leader[b] = a
    found: dict[str, list[str]] = {}
    for identity in sorted(leader):
        found.setdefault(lead(identity), []).append(identity)
    return [found[first] for first in sorted(found)]


def best(rows: Iterable[dict]) -> dict:
    """The clip that stays of a group: the highest `aes`, then `resolution`, then the first id."""
    return min(rows, key=lambda row: (-float(row.get("aes") or 0), -int(row["resolution"]), row["id"]))


def going(
    groups: Iterable[Sequence[str]],
    passed: Mapping[str, dict],
    cosine: Callable[[str, str], str] = lambda one, other: "",
) -> dict[str, dict]:
    """The clips that go, by id: `id`, and the better one that shows the same, with where that comes from.

    `passed`: the rows of those clips of the groups that the thresholds let pass; `cosine`: what is said of two ids.
    """
    found = {}
    for group in groups:
        rows = [passed[identity] for identity in group if identity in passed]
        stays = best(rows) if rows else {}
        place = {"of": stays.get("id"), "relpath": stays.get("relpath"), "start": stays.get("start")}
        found |= {
            row["id"]: {"id": row["id"], **place, "cosine": cosine(row["id"], stays["id"])}
            for row in rows
            if row is not stays
        }
    return found


def reject(row: dict, found: dict) -> dict:
    """The row of a clip that goes, as a reject; `found`: what `going` says of it."""
    return rejected(row, STAGE, DUPLICATE, where(found))


def where(found: dict) -> str:
    """Where the better clip is, of what `going` says of a clip."""
    said = f"{found['of']} of {found['relpath']} at {found['start'] or 0} s shows the same and stays"
    return said + (f" (cosine {found['cosine']})" if found.get("cosine") else "")
