"""Measure what the technical columns cost: CPU seconds of a scan's thread, and the share of them in the meters.

The share is taken within each run, so that another load on the machine counts for both sides.

Example: PYTHONPATH=workflow/scripts python bench/quality.py --videos footage
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from clipmill.plan.config import check
from clipmill.videos import coherence, loudness, quality
from clipmill.videos.scan import Scan

ROOT = Path(__file__).resolve().parents[1]
PARTS = [
    *((quality.Meters, name) for name in ("feed", "look", "series")),
    *((coherence, name) for name in ("joints", "transitions")),
    (loudness, "levels"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    args = parser.parse_args()
    config = check({"quality": {"sound": True}}, ROOT / "workflow/schemas/config.schema.yaml")
    settings = {name: config[name] for name in ("frames", "detector", "detectors", "quality")}
    spent: Counter = Counter()
    for owner, name in PARTS:
        setattr(owner, name, timed(getattr(owner, name), name, spent))
    print("| video | scan without meters, s | pictures | sound |\n|---|---|---|---|")
    total: Counter = Counter()
    for path in sorted(path for path in args.videos.iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov")):
        spent.clear()
        with tempfile.TemporaryDirectory() as folder:
            begin = time.thread_time()
            Scan(path, Path(folder) / "store.zip", settings).run()
            whole = time.thread_time() - begin
        sound = spent.pop("levels", 0.0)
        row = {"rest": whole - sound - spent.total(), "pictures": spent.total(), "sound": sound}
        total.update(row)
        report(path.name, row)
    report("all", total)


def timed(function, name: str, spent: Counter):
    """The function, its seconds added to `spent`."""

    def call(*args, **options):
        begin = time.thread_time()
        result = function(*args, **options)
        spent[name] += time.thread_time() - begin
        return result

    return call


def report(name: str, row: dict) -> None:
    """Print a row: seconds of the scan, and the meters' as a share of them."""
    shares = (f"{100 * row[part] / row['rest']:.1f} %" for part in ("pictures", "sound"))
    print(f"| {name} | {row['rest']:.2f} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
