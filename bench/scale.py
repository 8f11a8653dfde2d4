"""What a corpus needs, computed: runs, jobs, hours, disk, files, Snakemake's memory.

    PYTHONPATH=workflow/scripts python bench/scale.py

Nothing is measured here. The hours come from the shipped rates (clipmill/plan/costs.py), which are rough, the bytes
from one run over six real videos of 240p to 720p, and the memory from bench/plans.py: docs/scale.md says how.
"""

import argparse
from math import ceil

from clipmill.plan.costs import RATES

CLIPS_PER_RUN = 1_000_000
FRAMES, CLIPS = 275e6, 591e6
"""Bytes of the frame store, and of clip files, per hour of video."""
TABLES = 16_000
"""Bytes of tables, tables of shards and memo per clip, of that run's 21: of many clips, headers count less."""
PER_JOB = 5
"""Files that a job leaves: its table with a sum, its log and account, and Snakemake's note."""
MB, MB_PER_JOB = 238, 0.0165
"""Of Snakemake: without a plan, and for each job of the phase that is planned (bench/plans.py)."""
GPU_RULES = ("score_aesthetic", "score_flow", "score_ocr", "caption_clips", "score_match")


def main() -> None:
    """Print a table with a column per size of corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[1e3, 1e5, 1e7])
    parser.add_argument("--seconds", type=float, default=8, help="length of a clip")
    parser.add_argument("--minutes", type=float, default=6, help="length of a source")
    parser.add_argument("--megapixels", type=float, default=1280 * 720 / 1e6)
    parser.add_argument("--fps", type=float, default=24)
    parser.add_argument("--selected", type=float, default=0.3, help="share of the clips that become pairs")
    parser.add_argument("--gpus", type=int, default=8, help="GPUs of a node")
    parser.add_argument("--cores", type=int, default=16, help="cores of a CPU job")
    parser.add_argument("--shard-minutes", type=float, default=30)
    args = parser.parse_args()
    columns = [needs(hours, args) for hours in args.hours]
    print(f"| hours of video | {' | '.join(f'{hours:,.0f}' for hours in args.hours)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


def needs(hours: float, args: argparse.Namespace) -> dict[str, str]:
    """What these hours of video need."""
    clips = hours * 3600 / args.seconds
    runs = ceil(clips / CLIPS_PER_RUN)
    seconds, jobs = work(clips / runs, args)
    phases = {name: sum(count for rule, count in jobs.items() if rule.startswith(name)) for name in PHASES}
    gpu, cpu = (
        sum(seconds[rule] for rule in seconds if (short(rule) in GPU_RULES) == is_gpu) for is_gpu in (True, False)
    )
    pairs, sources = clips * args.selected, hours * 60 / args.minutes
    return {
        "clips": f"{clips:,.0f}",
        "runs of a million clips": f"{runs:,}",
        "jobs of a run (videos, clips, captions)": ", ".join(f"{count:,}" for count in phases.values()),
        "jobs of all runs": f"{sum(phases.values()) * runs:,}",
        "GPU-hours": f"{gpu * runs / 3600:,.0f}",
        "core-hours": f"{cpu * runs / 3600:,.0f}",
        "frame stores, TB": f"{hours * FRAMES / 1e12:,.1f}",
        "clip files, TB": f"{hours * args.selected * CLIPS / 1e12:,.1f}",
        "tables and memo, TB": f"{clips * TABLES / 1e12:,.2f}",
        "files (a store per source, a clip per pair, 5 per job)": (
            f"{sources + pairs + sum(phases.values()) * runs * PER_JOB:,.0f}"
        ),
        "Snakemake of a run, MB": f"{MB + MB_PER_JOB * max(phases.values()):,.0f}",
    }


PHASES = {
    "videos": ("scan_videos",),
    "clips": ("score_aesthetic", "score_flow", "score_ocr", "select_clips"),
    "captions": ("caption_clips", "clean_captions", "score_match", "select_pairs", "label_camera", "cut_clips"),
}


def short(rule: str) -> str:
    """A rule without its phase."""
    return rule.partition(".")[2]


def work(clips: float, args: argparse.Namespace) -> tuple[dict[str, float], dict[str, int]]:
    """(seconds of cores or GPUs, jobs) of each rule of a run of so many clips."""
    per_clip = args.seconds * args.fps * args.megapixels
    amounts = {"scan_videos": per_clip, "label_camera": per_clip, "cut_clips": per_clip, "score_flow": args.seconds}
    seconds, jobs = {}, {}
    for phase, rules in PHASES.items():
        items = clips * (args.selected if phase == "captions" else 1)
        costs = {rule: RATES.get(rule, 0) * amounts.get(rule, 1) for rule in rules}
        devices = args.cores if phase == "videos" else args.gpus
        shards = max(1, ceil(items * max(costs.values()) / devices / args.shard_minutes / 60))
        for rule in rules:
            seconds[f"{phase}.{rule}"], jobs[f"{phase}.{rule}"] = items * costs[rule], shards
    return seconds, jobs


if __name__ == "__main__":
    main()
