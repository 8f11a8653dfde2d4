"""Clips whose CLIP vectors are near, found without comparing each with each.

A vector is the mean of a clip's frames' unit vectors, in whole numbers, so that neither the order of a sum nor the
blocks of a matrix product change a bit of what is found. Its codes are the signs of its products with random
directions: two vectors at an angle differ in each sign with a probability of angle / pi (Charikar: Similarity
estimation techniques from rounding algorithms, STOC 2002). Pairs with a code of 64 signs in which at most
`hashes.RADIUS` differ are found by `hashes.near`, all others of their codes are not looked at; there are as many codes
as it takes to miss at most MISSED of the pairs at the limit. Whether a pair is found depends on the pair alone: on no
order, no shards, and no other clips.
"""

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clipmill.clips import hashes
from clipmill.engine.fingerprints import digest

SCALE = 32_767
"""What 1 is in a packed vector."""
MISSED = 0.001
"""Share of the pairs just at the limit that may be missed; fewer of those above it."""
SIGNS = 64
BLOCK = 8192
"""Vectors, or pairs, that are multiplied at a time."""


@dataclass(frozen=True)
class Embedded:
    """The vectors of many clips, `vectors` (n, width) int16, with a digest of each."""

    ids: list[str]
    digests: list[str]
    vectors: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[dict]) -> "Embedded":
        """From rows with `id` and `vector`; a clip without one is left out."""
        ids, digests, vectors = [], [], []
        for row in rows:
            if row["vector"]:
                ids.append(row["id"])
                digests.append(digest(row["vector"]))
                vectors.append(unpacked(row["vector"]))
        return cls(ids, digests, np.stack(vectors) if vectors else np.zeros((0, 1), np.int16))

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each clip by its id."""
        return {identity: place for place, identity in enumerate(self.ids)}

    def said(self, one: str, other: str) -> str:
        """The cosine of two clips by their ids, as tables say it; empty where one has no vector."""
        if one not in self.places or other not in self.places:
            return ""
        left, right = (np.array([self.places[identity]]) for identity in (one, other))
        return f"{cosines(self.vectors, left, right)[0]:.4f}"


def packed(images: np.ndarray) -> str:
    """The mean of unit vectors (frames, width) as a text: it is divided by its length, and 1 is SCALE."""
    mean = np.asarray(images, np.float64).sum(axis=0)
    mean /= max(float(np.sqrt((mean * mean).sum())), 1e-12)
    return base64.b64encode(np.rint(mean * SCALE).astype("<i2").tobytes()).decode()


def unpacked(text: str) -> np.ndarray:
    """A packed vector, (width,) int16."""
    return np.frombuffer(base64.b64decode(text), "<i2")


def codes_needed(least: float) -> int:
    """How many codes find all but MISSED of the pairs with this cosine."""
    differs = math.acos(min(1.0, least)) / math.pi
    found = sum(
        math.comb(SIGNS, bits) * differs**bits * (1 - differs) ** (SIGNS - bits) for bits in range(hashes.RADIUS + 1)
    )
    return 1 if found > 1 - MISSED else math.ceil(math.log(MISSED) / math.log(1 - found))


def codes(vectors: np.ndarray, count: int) -> np.ndarray:
    """(n, count) uint64: the signs of the products of vectors (n, width) int16 with fixed directions.

    Both are whole numbers, whose sums float64 holds exactly.
    """
    rng = np.random.default_rng(0)
    out = np.empty((len(vectors), count), np.uint64)
    for code in range(count):
        directions = np.rint(256 * rng.standard_normal((vectors.shape[1], SIGNS)))
        for begin in range(0, len(vectors), BLOCK):
            signs = vectors[begin : begin + BLOCK].astype(np.float64) @ directions > 0
            out[begin : begin + BLOCK, code] = np.packbits(signs, axis=1).view(np.uint64)[:, 0]
    return out


def cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The cosine of each pair of vectors by their numbers, float64; 0 for one without a length."""
    out = np.empty(len(left))
    for begin in range(0, len(left), BLOCK):
        a, b = (vectors[side[begin : begin + BLOCK]].astype(np.float64) for side in (left, right))
        lengths = np.sqrt((a * a).sum(axis=1)) * np.sqrt((b * b).sum(axis=1))
        out[begin : begin + BLOCK] = (a * b).sum(axis=1) / np.maximum(lengths, 1.0)
    return out


def near(vectors: np.ndarray, is_new: np.ndarray, least: float, videos: np.ndarray) -> np.ndarray:
    """The pairs (n, 2) of numbers, the smaller first, of vectors of different `videos` (a number for each vector) with
    at least this cosine (0.9-1), of which one `is_new` (bool for each)."""
    everything, fresh = np.arange(len(vectors)), np.flatnonzero(is_new)
    if not len(fresh):
        return np.zeros((0, 2), np.int64)
    found = np.zeros(0, np.int64)
    for code in codes(vectors, codes_needed(least)).T:
        for asked, held in hashes.near(code[fresh], code):
            a, b = fresh[asked], everything[held]
            apart = videos[a] != videos[b]
            a, b = a[apart], b[apart]
            keys = np.setdiff1d(np.minimum(a, b) * len(vectors) + np.maximum(a, b), found)
            if len(keys):
                keys = keys[cosines(vectors, keys // len(vectors), keys % len(vectors)) >= least]
                found = np.union1d(found, keys)
    return np.stack([found // len(vectors), found % len(vectors)], axis=1)


def pairs(clips: Embedded, is_new: np.ndarray, least: float) -> list[tuple[str, str]]:
    """The pairs (id < id) of clips of different videos with at least this cosine, of which one `is_new`."""
    names = [identity.rpartition("-")[0] for identity in clips.ids]
    videos = np.unique(names, return_inverse=True)[1] if names else np.zeros(0, np.int64)
    found = near(clips.vectors, is_new, least, videos).tolist()
    return sorted(tuple(sorted((clips.ids[one], clips.ids[other]))) for one, other in found)
