"""How fast a release is, next to copying the clips: 10,000 pairs with small clips, in one run.

    PYTHONPATH=workflow/scripts:tests/kit python bench/release.py

Copying is `shutil.copytree` of the clips, which checks nothing. A writer reads each clip once, compares it with its
sum, takes the SHA-256 of what it writes and counts the pairs in it. Both are measured in turns, and in two ways: until
the files are in the system's memory, and until they are on the disk (`os.sync`).
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import finished_run
from clipmill.release.huggingface import HuggingFace
from clipmill.release.parquet import Parquet
from clipmill.release.reference_csv import ReferenceCsv
from clipmill.release.webdataset import WebDataset


def main() -> None:
    """Make the pairs, measure in turns, print medians and their ratios to copying."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000, help="how many pairs")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of a clip")
    parser.add_argument("--runs", type=int, default=5, help="measurements of each")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of a writer")
    parser.add_argument("--folder", help="where to write (default: the system's folder for temporary files)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rows = [finished_run.pair(number, "a caption of some words. " * 8) for number in range(args.pairs)]
        results = finished_run.write(Path(folder) / "results", rows, per_shard=500, size=args.size)
        works = {"copying": lambda: shutil.copytree(results / "clips", results / "copy")}
        for kind in (WebDataset, HuggingFace, Parquet, ReferenceCsv):
            works[kind.name] = lambda kind=kind: release(results, kind, args.threads)
        size = f"{args.pairs} pairs, {args.pairs * args.size / 1e6:.0f} MB"
        print(f"{size}, {args.threads} threads, medians of {args.runs} runs in turns:\n")
        show(measured(results, works, args.runs))


def release(results: Path, kind, threads: int) -> None:
    """Write one format."""
    options = finished_run.options(results)
    kind(results, results / "work/captions.cut_clips/digest", options, threads).run(results / "x.csv")


def measured(results: Path, works: dict, runs: int) -> dict[str, list[tuple[float, float, float]]]:
    """Of each work and run: seconds, seconds until it is on the disk, CPU seconds."""
    found = defaultdict(list)
    for _ in range(runs):
        for name, work in works.items():
            for made in ("copy", "release"):
                shutil.rmtree(results / made, ignore_errors=True)
            os.sync()
            began, used = time.perf_counter(), time.process_time()
            work()
            done, used = time.perf_counter() - began, time.process_time() - used
            os.sync()
            found[name].append((done, time.perf_counter() - began, used))
    return found


def show(found: dict[str, list[tuple[float, float, float]]]) -> None:
    """Medians, and their ratios to copying."""
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in found.items()
    }
    print("| | s | ratio | s to disk | ratio | CPU s | ratio |\n|---|---|---|---|---|---|---|")
    for name, times in medians.items():
        ratios = [value / base for value, base in zip(times, medians["copying"], strict=True)]
        cells = (f"{value:.2f} | {ratio:.2f}" for value, ratio in zip(times, ratios, strict=True))
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
