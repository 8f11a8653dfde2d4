"""Measure the search for near-duplicates among synthetic hashes: seconds and memory as their number grows.

Each tenth frame is a copy of another one with up to three bits changed; the others are random.

Example: PYTHONPATH=workflow/scripts python bench/duplicates.py --most 1000000
"""

import argparse
import resource
import time

import numpy as np
from clipmill.clips import hashes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000, help="the largest number of hashes")
    args = parser.parse_args()
    print("| hashes | near pairs found, of those made | seconds | GB |\n|---|---|---|---|")
    for count in (args.most // 16, args.most // 4, args.most):
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
        true = set(zip(copies.tolist(), originals.tolist(), strict=True))
        hit = sum(tuple(pair) in true for pair in found.tolist())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        pairs = f"{hit:,} of {len(true):,} (and {len(found) - hit:,} others)"
        print(f"| {count:,} | {pairs} | {seconds:.1f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
