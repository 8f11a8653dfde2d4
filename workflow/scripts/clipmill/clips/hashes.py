"""Perceptual hashes of pictures, and all pairs of them that are near, found without comparing each with each.

A hash is the signs of the 63 lowest frequencies of a small picture (pHash: Zauner, Implementation and benchmarking of
perceptual image hash functions, 2010). Mirroring a picture changes the sign of the odd horizontal ones, so that the
hash of the mirrored picture is known without it.

Two hashes that differ in at most RADIUS bits agree in at least three of their eight bytes. So for each three of the
eight bytes, hashes that agree in them are compared, and no others; none is missed (Manku, Jain, Das Sarma: Detecting
near-duplicates for web crawling, WWW 2007). One choice of bytes leaves one hash in 2^24 to compare.
"""

from collections.abc import Iterator
from itertools import combinations

import cv2
import numpy as np

RADIUS = 5
"""Bits in which two hashes of the same picture may differ."""
SIDE, LOWEST = 32, 8
PLAIN = 4.0
"""Standard deviation (levels of 255) of a picture that is too plain to be told from others."""
CROPS = (1.0, 0.9, 0.8)
"""Shares of the sides of the middles that are hashed, too: what was cropped is found in the uncropped."""
BYTES = 8
MIRROR = np.uint64(sum(1 << bit for bit in range(64) if bit % LOWEST % 2))
"""The bits of the odd horizontal frequencies."""
MOST = 1 << 22
"""Pairs that are compared at a time."""


def of(picture: np.ndarray) -> list[int]:
    """The hashes of the CROPS of a picture (HxWx3 RGB uint8); none of one that is too plain."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if cv2.meanStdDev(grey)[1][0, 0] < PLAIN:
        return []
    height, width = grey.shape
    found = []
    for share in CROPS:
        top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
        inside = grey[top : max(top + 1, height - top), left : max(left + 1, width - left)]
        found.append(_hash(inside))
    return found


def _hash(grey: np.ndarray) -> int:
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    signs = cv2.dct(small)[:LOWEST, :LOWEST].ravel() > 0
    signs[0] = False  # the mean light
    return int(sum(1 << bit for bit in np.flatnonzero(signs).tolist()))


def near(queries: np.ndarray, known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of hashes (uint64) that differ in at most RADIUS bits, as indices into both; a pair may come twice."""
    for chosen in combinations(range(BYTES), BYTES - RADIUS):
        mask = np.uint64(sum(0xFF << 8 * byte for byte in chosen))
        masked = known & mask
        order = np.argsort(masked)
        masked = masked[order]
        asked = queries & mask
        turn = np.argsort(asked)  # in order, as a search then stays in the cache
        low = np.searchsorted(masked, asked[turn])
        counts = np.searchsorted(masked, asked[turn], side="right") - low
        found = np.flatnonzero(counts)
        ends = np.cumsum(counts[found])
        begin = 0
        while begin < len(found):
            done = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, done + MOST, side="right")))
            part = found[begin:end]
            many = counts[part]
            first = np.repeat(low[part], many)
            within = np.arange(len(first)) - np.repeat(np.cumsum(many) - many, many)
            left, right = np.repeat(turn[part], many), order[first + within]
            close = np.bitwise_count(queries[left] ^ known[right]) <= RADIUS
            yield left[close], right[close]
            begin = end
