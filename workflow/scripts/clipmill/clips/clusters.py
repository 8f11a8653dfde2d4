"""Semantic clusters: clips sorted into groups by their CLIP vectors.

Spherical k-means (Dhillon, Modha: Concept decompositions for large sparse text data using clustering, Machine Learning
42, 2001) from greedy k-means++ beginnings (Arthur, Vassilvitskii, SODA 2007), with a fixed seed. It looks at clips in
the order in which they are given: sorted by id, they have the same clusters whatever the shards.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from clipmill.engine import tables

COLUMNS = ("cluster", "cluster_size")
"""The number of a clip's cluster, from 1, the largest first; and how many clips it has."""
ROUNDS = 25
TRIALS = 8
EACH = 100
"""Clips for each cluster from which the clusters are learned, where there are more."""
BLOCK = 8192


def held(paths: Iterable[Path]) -> dict[str, dict]:
    """The rows of tables of find_clusters by id."""
    return {row["id"]: row for path in paths for row in tables.read(path)}


def clusters(vectors: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(cluster from 1, its size) of each of the vectors (n, width), in `number` clusters at most.

    The largest cluster is 1; of equal ones, that of the first clip comes first.
    """
    if not len(vectors):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    some = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), EACH * number)).astype(np.int64))
    of, _ = nearest(vectors, learned(unit(vectors[some]), number))
    _, first, of, sizes = np.unique(of, return_index=True, return_inverse=True, return_counts=True)
    ranks = np.empty(len(sizes), np.int64)
    ranks[np.lexsort((first, -sizes))] = np.arange(1, len(sizes) + 1)
    return ranks[of], sizes[of]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, width) as float32 of length 1."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def learned(points: np.ndarray, number: int) -> np.ndarray:
    """The middles (at most number, width) of clusters of unit vectors (n, width)."""
    middles, before = beginnings(points, number), None
    for _ in range(ROUNDS):
        of, _ = nearest(points, middles)
        if before is not None and np.array_equal(of, before):
            break
        before = of
        members = csr_array((np.ones(len(of), np.float32), (of, np.arange(len(of)))), shape=(len(middles), len(points)))
        sums = members @ points
        empty = np.bincount(of, minlength=len(middles)) == 0
        sums[empty] = middles[empty]
        middles = unit(sums)
    return middles


def beginnings(points: np.ndarray, number: int) -> np.ndarray:
    """Some of the points, each chosen with a probability that grows with its distance to those before; of a few that
    are drawn, the one that leaves the others nearest."""
    rng = np.random.default_rng(0)
    chosen = [int(rng.integers(len(points)))]
    away = _distances(points, chosen)[:, 0]
    while len(chosen) < number:
        total = np.cumsum(away, dtype=np.float64)
        if total[-1] < 1e-6:  # no other picture is left
            break
        drawn = np.searchsorted(total, rng.random(TRIALS) * total[-1], side="right").clip(max=len(points) - 1)
        left = np.minimum(away[:, None], _distances(points, drawn))
        best = int(left.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        away = left[:, best]
        away[chosen[-1]] = 0
    return points[chosen]


def _distances(points: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """1 - cosine of each of the unit vectors with those at these places, (n, places)."""
    return np.maximum(0, 1 - points @ points[places].T)


def nearest(vectors: np.ndarray, middles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each vector (n, width) the number of its nearest middle, and the cosine."""
    of, cosine = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        found = unit(vectors[begin : begin + BLOCK]) @ middles.T
        of[begin : begin + BLOCK] = found.argmax(axis=1)
        cosine[begin : begin + BLOCK] = found.max(axis=1)
    return of, cosine
