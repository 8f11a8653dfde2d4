"""Estimate what is still to do: items, jobs, GPU-hours and CPU-hours by rule. A dry run prints it at its end.

Rates are those of the finished jobs of this results folder, where there are any, else the shipped ones (costs.py).
Where a phase's table is not there yet, 1000 clips of eight seconds at 720p are counted in its place.

Example: python workflow/scripts/estimate.py --results results/demo --videos sample/videos --minutes 30 --max 2000 \\
             --steps '{"videos": {"scan_videos": "results/demo/memo/scan_videos/0a1b"}}' --gpus '{"score_flow": 8}'
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from clipmill import costs, sources, tables
from clipmill.memo import Memo

TABLES = {"videos": "listing", "clips": "clips", "captions": "selected"}
"""The table that each phase divides into shards."""
TYPICAL = {"id": "", "num_frames": "200", "fps": "25", "resolution": str(1280 * 720)}
"""A clip of eight seconds at 720p."""
LOOKS = 50
"""Videos whose headers are read to guess the cost of all."""


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--videos", required=True, help="the folder or CSV of videos")
    parser.add_argument("--minutes", type=float, required=True, help="how long a job should last")
    parser.add_argument("--max", type=int, required=True, help="the most jobs of a rule")
    parser.add_argument("--steps", type=json.loads, required=True, help="JSON: phase -> step -> its memo folder")
    parser.add_argument("--devices", type=json.loads, default={}, help="JSON: phase -> GPUs or cores that share a job")
    parser.add_argument("--gpus", type=json.loads, default={}, help="JSON: step -> GPUs of its job")
    args = parser.parse_args()
    show(args, rates(args.results))


def rates(results: Path) -> dict[str, dict[str, float]]:
    """Seconds of a job, of cores and of GPUs for each computed item, by rule, from the accounts of finished jobs."""
    added: dict[str, Counter] = {}
    for path in (results / "logs").glob("*.*/*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["computed"]:
                total = added.setdefault(record["rule"].partition(".")[2], Counter())
                gpu = record["seconds"] * record["gpus"]
                total.update(items=record["computed"], job=record["seconds"], cpu=record["cpu_seconds"], gpu=gpu)
    return {
        rule: {name: total[name] / total["items"] for name in ("job", "cpu", "gpu")} for rule, total in added.items()
    }


def rows_of(phase: str, results: Path, videos: str) -> list[dict] | None:
    """The rows that a phase works on; None where they are not known yet."""
    path = results / "tables" / f"{TABLES[phase]}.csv"
    if path.exists():
        return list(tables.read(path))
    if phase != "videos":
        return None
    root = sources.root_of(videos)
    return [
        {"id": name, "path": str(root / name), "kind": kind}
        for name in sources.files(videos)
        for kind in ["video" if Path(name).suffix.lower() in sources.VIDEOS else "image"]
    ]


def shipped(step: str, rows: list[dict]) -> float:
    """The likely seconds of these items by the shipped rates, from a sample of them where each costs a look."""
    some = rows[:: max(1, len(rows) // LOOKS)] if step == "scan_videos" else rows
    return sum(costs.seconds(step, row) for row in some) * len(rows) / max(1, len(some))


def show(args: argparse.Namespace, measured: dict) -> None:
    """Print the table."""
    print("\nWhat is still to do, at the rates of this results folder (*: shipped rates, rough)")
    heads = ("items", "remembered", "jobs", "GPU-hours", "CPU-hours", "job-hours")
    print(f"  {'rule':<16} {' '.join(f'{head:>10}' for head in heads)}")
    sums = Counter()
    for phase, steps in args.steps.items():
        rows = rows_of(phase, args.results, args.videos)
        if rows is None:
            print("  how many is not known before what stands above has run; for each 1000 clips:")
        missing = {step: [TYPICAL] * 1000 if rows is None else _missing(rows, memo) for step, memo in steps.items()}
        hours = {step: cost(step, missing[step], args.gpus.get(step, 0), measured) for step in steps}
        longest = max(each["work"] for each in hours.values())
        shards = max(1, min(args.max, round(longest * 60 / args.minutes / max(1, args.devices.get(phase, 1)) + 0.5)))
        for step in steps:
            known = None if rows is None else (len(missing[step]), len(rows) - len(missing[step]))
            counts = (*known, min(known[0], shards)) if known else ("", "", "")
            cells = " ".join([*(f"{count:>10}" for count in counts), *_hours(hours[step])])
            print(f"  {step:<16} {cells}{'' if step in measured or not missing[step] else ' *'}")
            sums.update(hours[step] if known else {})
    print(f"  {'sum':<16} {'':>32} {' '.join(_hours(sums))}\n")


def _missing(rows: list[dict], memo: str) -> list[dict]:
    known = Memo(memo, ()).ids()
    return [row for row in rows if row["id"] not in known]


def _hours(hours: dict) -> list[str]:
    return [f"{hours[name]:>10.3f}" if hours[name] else f"{'-':>10}" for name in ("gpu", "cpu", "job")]


def cost(step: str, rows: list[dict], gpus: int, measured: dict) -> dict[str, float]:
    """Hours of GPUs, of cores and of jobs for these items; `work` is what the planning of shards counts."""
    work = shipped(step, rows) / 3600
    if step in measured:
        hours = {name: value * len(rows) / 3600 for name, value in measured[step].items()}
    else:
        hours = {"gpu": work if gpus else 0.0, "cpu": 0.0 if gpus else work, "job": work / max(1, gpus)}
    return hours | {"work": work}


if __name__ == "__main__":
    main()
