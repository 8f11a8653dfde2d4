"""Estimates what is still to do: items, jobs, GPU-hours and CPU-hours by rule. A dry run ends with it.

Rates are those of the finished jobs of this results folder, where there are any, otherwise the shipped ones (costs.py).
Where a phase's items are not known before an earlier rule has run, 1000 clips of eight seconds at 720p stand for them.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from clipmill.engine import accounts
from clipmill.plan import costs
from clipmill.plan.flow import PHASES, script_of
from clipmill.plan.pipeline import Pipeline
from clipmill.tools.forecast import Forecast

TYPICAL = {"id": "", "num_frames": "200", "fps": "25", "resolution": str(1280 * 720)}
"""A clip of eight seconds at 720p."""
SAMPLED_VIDEOS = 50
"""Videos whose headers are read to guess the cost of all."""
HOURS = ("gpu", "cpu", "job")


def text(pipeline: Pipeline, resource: Callable[[str, str], int]) -> str:
    """What is still to do and what it would cost, as a table; one line where nothing is left to compute.

    `resource` gives a rule's resource as the profile has it, by names: `resource("gpu", "score_flow")`.
    """
    forecast, measured = Forecast(pipeline), rates(Path(pipeline.results))
    files = ", ".join(f"{count} {kind}" for kind, count in forecast.changes.items() if count)
    lines, rows = [f"  files: {files}"] if files else [], []
    for phase in PHASES:
        if forecast.rows[phase] is None:
            first = forecast.waits.get(phase, "the rules above")
            lines.append(f"  not known before {first} has run; per 1000 clips:")
        phase_rows = of_phase(forecast, phase, resource, measured)
        lines += [_line(row) for row in phase_rows]
        rows += phase_rows
    if all(row["missing"] == 0 for row in rows):
        return "\n".join([*lines[: bool(files)], "No item is left to compute."])
    sums = pd.DataFrame([row for row in rows if row["jobs"] is not None], columns=HOURS).sum()
    heads = ("items", "remembered", "jobs", "GPU-hours", "CPU-hours", "job-hours")
    return "\n".join([
        "\nWhat is still to do, at the rates of this results folder (*: shipped rates, rough)",
        f"  {'rule':<16} {' '.join(f'{head:>10}' for head in heads)}",
        *lines,
        f"  {'sum':<16} {'':>32} {' '.join(_hours(sums))}\n",
    ])  # fmt: skip


def rates(results: Path) -> pd.DataFrame:
    """Seconds of GPUs, of cores and of a job per computed item, by rule, from the accounts of finished jobs."""
    found = [{**record, "rule": rule} for rule, record in accounts.read(results) if record["computed"]]
    records = pd.DataFrame(found, columns=["rule", "computed", "seconds", "cpu_seconds", "gpus"])
    records["gpu_seconds"] = records["seconds"] * records["gpus"]
    sums = records.groupby("rule")[["computed", "gpu_seconds", "cpu_seconds", "seconds"]].sum()
    per_item = sums[["gpu_seconds", "cpu_seconds", "seconds"]].div(sums["computed"], axis=0)
    return per_item.set_axis(HOURS, axis=1)


def of_phase(forecast: Forecast, phase: str, resource: Callable, measured: pd.DataFrame) -> list[dict]:
    """A row per step of a phase: `rule`, `missing`, `remembered` and `jobs` (None where not known), its hours, and
    whether their rate was `measured`."""
    known, limits, rows = forecast.rows[phase], forecast.pipeline.config["shards"], []
    names = forecast.pipeline.steps(phase)
    missing = {name: [TYPICAL] * 1000 if known is None else forecast.missing[name] for name in names}
    work = {name: shipped(script_of(name), missing[name]) / 3600 for name in names}
    devices = max(1, resource("devices", f"plan_{phase}"))
    shards = max(1, min(limits["max"], round(max(work.values()) * 60 / limits["minutes"] / devices + 0.5)))
    for name in names:
        step, count, gpus = script_of(name), len(missing[name]), resource("gpu", script_of(name))
        row = {"rule": step, "missing": count, "remembered": None, "jobs": None, "measured": step in measured.index}
        if known is not None:
            row |= {"remembered": len(known) - count, "jobs": min(count, shards)}
        if row["measured"]:
            row |= (measured.loc[step] * count / 3600).to_dict()
        else:
            row |= {
                "gpu": work[name] if gpus else 0,
                "cpu": 0 if gpus else work[name],
                "job": work[name] / max(1, gpus),
            }
        rows.append(row)
    return rows


def shipped(step: str, rows: list[dict]) -> float:
    """The likely seconds of these items by the shipped rates, from a sample of them where each must be opened."""
    some = rows[:: max(1, len(rows) // SAMPLED_VIDEOS)] if step == "scan_videos" else rows
    return sum(costs.seconds(step, row) for row in some) * len(rows) / max(1, len(some))


def _line(row: dict) -> str:
    counts = ("", "", "") if row["jobs"] is None else (row["missing"], row["remembered"], row["jobs"])
    cells = " ".join([*(f"{count:>10}" for count in counts), *_hours(row)])
    return f"  {row['rule']:<16} {cells}{'' if row['measured'] or not row['missing'] else ' *'}"


def _hours(hours) -> list[str]:
    return [f"{hours[name]:>10.3f}" if hours[name] else f"{'-':>10}" for name in HOURS]
