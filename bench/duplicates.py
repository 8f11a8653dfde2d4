"""Measure the search for near-duplicates among synthetic hashes or vectors: seconds and memory as their number grows.

Hashes: each tenth frame is a copy of another one with up to three bits changed; the others are random. Vectors of 768
numbers: each tenth clip has a cosine of 0.98 to 1 with another one, each other tenth a look-alike of 0.9 to 0.97; two
clips that have nothing to do with each other have the cosine `--alike`, as those of a CLIP model have one of about a
half. Then `--clusters` are found among them.

Example: PYTHONPATH=workflow/scripts python bench/duplicates.py --most 1000000
         PYTHONPATH=workflow/scripts python bench/duplicates.py --vectors --most 200000
"""

import argparse
import resource
import time

import numpy as np
from clipmill.clips import clusters, hashes, neighbours

WIDTH, LEAST = 768, 0.98


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=0, help="the largest number (1,000,000 hashes, 200,000 vectors)")
    parser.add_argument("--vectors", action="store_true", help="vectors in place of hashes")
    parser.add_argument("--alike", type=float, default=0.5, help="the cosine of any two vectors")
    parser.add_argument("--clusters", type=int, default=0, help="how many clusters of vectors are found")
    args = parser.parse_args()
    if args.vectors:
        of_vectors(args.most or 200_000, args.alike, args.clusters)
    else:
        of_hashes(args.most or 1_000_000)


def said(count: int, found: np.ndarray, true: set, seconds: str) -> None:
    """One line of the table."""
    hit = sum(tuple(pair) in true for pair in found.tolist())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pairs = f"{hit:,} of {len(true):,} (and {len(found) - hit:,} others)"
    print(f"| {count:,} | {pairs} | {seconds} | {memory:.2f} |", flush=True)


def of_hashes(most: int) -> None:
    """The table of hashes."""
    print("| hashes | near pairs found, of those made | seconds | GB |\n|---|---|---|---|")
    for count in (most // 16, most // 4, most):
        rng = np.random.default_rng(0)
        made = rng.integers(0, 2**64 - 1, count, np.uint64)
        copies, originals = np.arange(0, count, 10), np.arange(5, count, 10)
        copies = copies[: len(originals)]
        flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (3, len(copies)), np.uint64), axis=0)
        made[copies] = made[originals] ^ flips
        begin = time.perf_counter()
        found = np.concatenate([np.stack(pair, axis=1)[pair[0] < pair[1]] for pair in hashes.near(made, made)])
        found = np.unique(found, axis=0)
        seconds = time.perf_counter() - begin
        said(count, found, set(zip(copies.tolist(), originals.tolist(), strict=True)), f"{seconds:.1f}")


def of_vectors(most: int, alike: float, number: int) -> None:
    """The table of vectors."""
    head = f", and {number} clusters" if number else ""
    print(f"| vectors | near pairs found, of those made | seconds{head} | GB |\n|---|---|---|---|")
    for count in (most // 8, most // 4, most // 2, most):
        made, true = vectors(count, alike)
        begin = time.perf_counter()
        found = neighbours.near(made, np.ones(count, bool), LEAST, np.arange(count))
        seconds = f"{time.perf_counter() - begin:.1f}"
        if number:
            begin = time.perf_counter()
            clusters.clusters(made, number)
            seconds += f", {time.perf_counter() - begin:.1f}"
        said(count, found, true, seconds)


def vectors(count: int, alike: float) -> tuple[np.ndarray, set]:
    """(packed vectors, the near pairs among them)."""
    rng, true = np.random.default_rng(0), set()
    made = np.empty((count, WIDTH), np.int16)
    shared = np.sqrt(alike) * np.eye(1, WIDTH)[0]
    for begin in range(0, count, 1000):
        own = rng.standard_normal((min(1000, count - begin), WIDTH))
        own[:, 0] = 0
        own *= np.sqrt(1 - alike) / np.linalg.norm(own, axis=1, keepdims=True)
        part = shared + own
        for place in range(0, len(part) - 5, 5):
            near = place % 10 == 0
            cosine = rng.uniform(LEAST + 1e-4, 1) if near else rng.uniform(0.9, 0.97)
            one, way = part[place + 1], rng.standard_normal(WIDTH)
            way -= (way @ one) * one
            part[place] = cosine * one + np.sqrt(1 - cosine**2) * way / np.linalg.norm(way)
            true |= {(begin + place, begin + place + 1)} if near else set()
        made[begin : begin + 1000] = np.rint(part * neighbours.SCALE)
    return made, true


if __name__ == "__main__":
    main()
