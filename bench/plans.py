"""What Snakemake, a start of a job and a small change cost, as a run grows. Prints Markdown.

    PYTHONPATH=workflow/scripts:tests/kit python bench/plans.py
    PYTHONPATH=workflow/scripts:tests/kit python bench/plans.py --tables reruns --videos 10000

- `plans`: CPU seconds and memory of a dry run over made-up shards of the second phase, and of a run that finds nothing
  to do, next to a bare workflow with as many jobs and files of the same names: one shell command each, no functions but
  the one that reads the checkpoint. Ours and the bare one take turns.
- `jobs`: CPU seconds of each map rule's job, with its shell, where everything is remembered.
- `reruns`: items computed, jobs and CPU seconds of a first run over many small films, of a run with one more, and of
  one that admits 1 % more clips. Models are embedded ones: a first run is cheap, so a rerun's share of CPU is large.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

import av
import numpy as np
from clipmill.engine import tables
from clipmill.plan.config import check, load
from clipmill.plan.pipeline import Pipeline
from mill import ROOT, Mill, Outcome, footage
from processes import measured

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SCORERS = ("score_aesthetic", "score_flow", "score_ocr")
GATHERED = ("results/tables/scores.csv", "results/tables/selected.csv", "results/work/rejects/clips.csv")
BARE = """
rule all:
    input: "results/tables/scores.csv"
checkpoint plan_clips:
    input: "results/tables/clips.csv"
    output: "results/plan/clips/manifest.csv"
    log: "results/logs/plan_clips.log"
    shell: "echo 00000 > {output} 2> {log}"
def shards(wildcards):
    with open(checkpoints.plan_clips.get().output[0]) as manifest:
        return [f"results/work/select_clips/{line.strip()}.csv" for line in manifest]
rule gather_clips:
    input: plan="results/plan/clips/manifest.csv", clips="results/tables/clips.csv", shards=shards
    output: "results/tables/scores.csv"
    log: "results/logs/gather_clips.log"
    shell: "touch {output} > {log}"
"""
BARE_RULE = """
rule NAME:
    input: plan=ancient("results/plan/clips/manifest.csv"), table="results/plan/clips/{shard}.csv"SCORES
    output: "results/work/NAME/{shard}.csv"
    log: "results/logs/NAME/{shard}.log"
    shell: "touch {output} > {log}"
"""


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 100, 500, 2000])
    parser.add_argument("--runs", type=int, default=3, help="of each, of which the median is printed")
    parser.add_argument("--videos", type=int, default=1000, help="small films of `reruns`")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as for a user: code is compiled once
    for name in args.tables:
        with tempfile.TemporaryDirectory() as folder:
            TABLES[name](Path(folder), args)
            print()


def plans(folder: Path, args: argparse.Namespace) -> None:
    """The table of dry runs and of runs that find nothing to do."""
    mill = Mill(folder / "mill", score={"ocr": {"enabled": True}}, shards={"max": 10_000})
    footage(mill.videos, videos=1)
    mill.run("scores")
    print("| shards | jobs | to do: s | bare: s | ratio | MB | done: s | bare: s | ratio | MB |")
    print("|---" * 10 + "|")
    for count in args.shards:
        bare = bare_workflow(folder / f"bare {count}", count)
        planned(mill, count)
        to_do = in_turns(args.runs, mill, bare, "--dry-run")
        for workflow, folders in ((mill.folder, places(mill)), (bare, bare_places(bare))):
            finish(workflow, folders, count)
        done = in_turns(args.runs, mill, bare)
        cells = (f"{one[0]:.1f} | {two[0]:.1f} | {one[0] / two[0]:.2f} | {one[1]}" for one, two in (to_do, done))
        print(f"| {count:,} | {count * (len(SCORERS) + 1):,} | {' | '.join(cells)} |", flush=True)


def bare_workflow(folder: Path, count: int) -> Path:
    """A folder with the bare workflow, run with one shard, whose plan then has so many."""
    scores = ", ".join(f'"results/work/{name}/{{shard}}.csv"' for name in SCORERS)
    rules = [BARE_RULE.replace("NAME", name).replace("SCORES", "") for name in SCORERS]
    rules.append(BARE_RULE.replace("NAME", "select_clips").replace("SCORES", f", scores=[{scores}]"))
    plan = folder / "results" / "plan" / "clips"
    plan.mkdir(parents=True)
    (folder / "Snakefile").write_text("".join([BARE, *rules]))
    (folder / "results" / "tables").mkdir()
    (folder / "results" / "tables" / "clips.csv").write_text("id\n")
    (plan / "00000.csv").write_text("id\n")
    measured(["snakemake", "--cores", "1"], folder)
    for number in range(count):
        (plan / f"{number:05d}.csv").write_text("id\n")
    (plan / "manifest.csv").write_text("".join(f"{number:05d}\n" for number in range(count)))
    for place in bare_places(folder):
        shutil.rmtree(place)
    return folder


def bare_places(folder: Path) -> list[Path]:
    """The folders of the tables of the bare map rules."""
    return [folder / "results" / "work" / name for name in (*SCORERS, "select_clips")]


def planned(mill: Mill, count: int) -> None:
    """Give the phase so many shards, none of which has a table."""
    plan = mill.results / "plan" / "clips"
    shards = [f"{number:05d}" for number in range(count)]
    rows = list(tables.read(plan / "00000.csv"))
    for shard in shards[1:]:
        tables.write(plan / f"{shard}.csv", rows[0], rows)
    manifest = next(tables.read(plan / "manifest.csv"))
    tables.write(plan / "manifest.csv", manifest, [manifest | {"shard": shard} for shard in shards])
    for place in places(mill):
        shutil.rmtree(place, ignore_errors=True)


def places(mill: Mill) -> list[Path]:
    """The folders of the tables of the phase's rules."""
    pipeline = Pipeline(check(mill.config, SCHEMA), load(SCHEMA))
    return [
        mill.folder / Path(pipeline.table(name)).parent
        for name, rule in pipeline.rules.items()
        if name.startswith("clips.") and rule.enabled
    ]


def finish(workflow: Path, folders: list[Path], count: int) -> None:
    """Give every job its table, and Snakemake's note of it: that of the first shard, which was run, with another
    number."""
    shards = [f"{number:05d}" for number in range(count)]
    for folder in folders:
        for shard in shards:
            tables.write(folder / f"{shard}.csv", ["id"], [])
    for path in list((workflow / ".snakemake" / "metadata").iterdir()):
        output, note = b64decode(path.name).decode(), path.read_text()
        if (workflow / output).parent in folders and output.endswith("/00000.csv"):
            for shard in shards:
                name = b64encode(output.replace("00000", shard).encode()).decode()
                path.with_name(name).write_text(note.replace("/00000.", f"/{shard}."))
        elif output in GATHERED:
            note = json.loads(note)
            note["input"] = sorted({one.replace("/00000.", f"/{shard}.") for one in note["input"] for shard in shards})
            path.write_text(json.dumps(note))
    for output in (*GATHERED, "results/benchmarks/gather_clips.tsv"):
        if (workflow / output).exists():
            os.utime(workflow / output)


def in_turns(runs: int, mill: Mill, bare: Path, *options: str) -> list[tuple[float, int]]:
    """(CPU seconds, MB), medians, of ours and of the bare workflow; ours first runs once more, to compile its code."""
    target = ("--quiet", "all", *options, "--", "results/tables/scores.csv")
    both = ((mill.command(*target), mill.folder), (["snakemake", "--cores", "2", *target], bare))
    measured(*both[0])
    found = [[measured(*one) for one in both] for _ in range(runs)]
    return [tuple(map(statistics.median, zip(*of_one, strict=True))) for of_one in zip(*found, strict=True)]


def jobs(folder: Path, args: argparse.Namespace) -> None:
    """The table of jobs with nothing missing: the commands that Snakemake ran, once more."""
    mill = Mill(folder / "mill", score={"ocr": {"enabled": True}}, duplicates={"enabled": True})
    footage(mill.videos)
    mill.run()
    pipeline = Pipeline(check(mill.config, SCHEMA), load(SCHEMA))
    os.environ |= {"CLIPMILL_WORKFLOW": str(mill.folder / "workflow"), "CLIPMILL_MODELS": "models"}
    print("| rule | CPU s |\n|---|---|")
    for name, rule in pipeline.rules.items():
        if rule.enabled and name.count(".") == 1:
            place = b64encode(pipeline.table(name).format(shard="00000").encode()).decode()
            command = json.loads((mill.folder / ".snakemake" / "metadata" / place).read_text())["shellcmd"]
            found = [
                measured(["bash", "-euo", "pipefail", "-c", command], mill.folder)[0] for _ in range(args.runs + 1)
            ]
            print(f"| {name} | {statistics.median(found[1:]):.2f} |", flush=True)


def reruns(folder: Path, args: argparse.Namespace) -> None:
    """The table of a first run and of small changes."""
    mill = Mill(folder / "mill", shards={"minutes": 0.1, "max": 2000})
    mill.videos.mkdir(parents=True)
    for number in range(args.videos):
        film(mill.videos / f"{number:06d}.mp4", number)
    mill.run("scores")
    scores = sorted(float(row["aes"]) for row in tables.read(mill.results / "tables" / "scores.csv"))
    more = max(1, len(scores) // 100)
    half, lower = (scores[len(scores) // 2 - less] for less in (0, more))
    shutil.rmtree(mill.results)
    mill.seen.clear()
    print("| run | jobs | CPU s | items computed | by rule |\n|---|---|---|---|---|")
    told(mill.change(select={"aes": {"min": half}}), f"first, {args.videos:,} films, half of the clips selected")
    film(mill.videos / "one more.mp4", args.videos)
    told(mill, "one film more")
    told(mill.change(select={"aes": {"min": lower}}), f"{more:,} clips more admitted")
    told(mill, "nothing changed")


def told(mill: Mill, what: str) -> None:
    """Run and print a line."""
    before = set(mill.logs())
    seconds, _ = measured(mill.command("--", "pairs"), mill.folder)
    log = "".join(path.read_text() for path in mill.logs() if path not in before)
    computed = mill.counted("computed")
    by_rule = ", ".join(f"{rule} {count:,}" for rule, count in computed.items())
    jobs = Outcome(0, "", log, computed).jobs.total()
    print(f"| {what} | {jobs:,} | {seconds:.1f} | {computed.total():,} | {by_rule} |", flush=True)


def film(path: Path, number: int) -> None:
    """A film of a second, 64 x 64: noise of its own contrast that moves a little."""
    random = np.random.default_rng(number)
    picture = random.normal(128, random.uniform(5, 80), (80, 80, 3)).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8, options={"qscale": "4"})
        stream.width = stream.height = 64
        for place in range(8):
            frame = av.VideoFrame.from_ndarray(picture[place : place + 64, place : place + 64].copy())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


TABLES = {"plans": plans, "jobs": jobs, "reruns": reruns}

if __name__ == "__main__":
    main()
