"""What a pilot foretells of the whole corpus: yields in files, clips and hours, and what the run would cost."""

from pathlib import Path

import numpy as np
import pandas as pd

from clipmill.engine import accounts, vouch
from clipmill.release.selection import SAMPLE
from clipmill.release.survey import Estimate, Survey

CLIPS = {"clips": "tables/clips.csv", "selected": "tables/selected.csv", "pairs": "meta.csv"}
"""The tables with a row per clip."""
ITEMS = {"videos": "files", "clips": "clips", "captions": "selected"}
"""What the rules of a phase compute one by one."""
FOOTAGE = {
    "videos.scan_videos": "videos",
    "clips.cut_clips": "clips",
    "captions.label_camera": "pairs",
    "captions.cut_clips": "pairs",
}
"""Rules that decode: their cost grows with the hours of these, that of the others with the number of their items."""
ROWS = 1_000_000
"""Rows of a table that are in memory at the same time."""


def account(results: Path, settings: dict) -> dict:
    """The pilot of a finished run whose configuration has `sample: settings`.

    `files` of the corpus by kind, `opened`, `drawn`; of each stage and of its hours (`clips`, `clips_hours`) what is
    in the `sample` and in the `whole`, with its `margin` (None: not to be told); `shares`; the `cost` of the whole in
    hours of cores and GPUs. All margins are 95 %.
    """
    sample = _text(results / SAMPLE, ["id", "kind", "seconds", "stratum", "drawn"])
    if not (sample["drawn"] == "1").any():
        return {}
    survey = Survey(sample)
    found = per_file(results, survey.ids)
    cost = per_file_cost(results, found)
    counted = ("videos",)
    return {
        **settings,
        "files": {kind: int(count) for kind, count in sample["kind"].value_counts().sort_index().items()},
        "opened": int((sample["stratum"] != "").sum()),
        "drawn": len(survey.ids),
        "yields": {
            name: {"sample": _round(found[name].sum())} | _told(survey.total(found[name], name not in counted))
            for name in found
            if name != "files"
        },
        "shares": {
            f"{above}/{below}": _told(survey.ratio(found[above], found[below]))
            for above, below in (("selected", "clips"), ("pairs", "selected"), ("pairs_hours", "videos_hours"))
        },
        "cost": {
            kind: {"sample": _round(hours.sum())} | _told(survey.total(hours)) for kind, hours in cost.items()
        },
    }  # fmt: skip


def per_file(results: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    """By stage, how many there are of each file, and (`<stage>_hours`) how long they are together."""
    found = {"files": np.ones(len(ids))}
    places = pd.Index(ids)
    videos = _text(results / "tables/videos.csv", ["id", "duration"]).set_index("id")
    found["videos"] = places.isin(videos.index).astype(float)
    found["videos_hours"] = _numbers(videos["duration"]).reindex(places, fill_value=0).to_numpy() / 3600
    for stage, path in CLIPS.items():
        count, hours = np.zeros(len(ids)), np.zeros(len(ids))
        for part in _parts(results / path, ["video_id", "start", "end"]):
            place = places.get_indexer(part["video_id"])
            seconds = _numbers(part["end"]) - _numbers(part["start"])
            count += np.bincount(place, minlength=len(ids))
            hours += np.bincount(place, seconds / 3600, minlength=len(ids))
        found |= {stage: count, f"{stage}_hours": hours}
    return found


def per_file_cost(results: Path, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Hours of cores (`cpu_hours`) and GPUs (`gpu_hours`) for each file: a rule's cost per item, as measured in this
    folder, shared out among the files by their hours or by their items."""
    names = ["rule", "computed", "cpu_seconds", "gpu_seconds"]
    records = pd.DataFrame(
        [{**record, "gpu_seconds": record["seconds"] * record["gpus"]} for _, record in accounts.read(results)],
        columns=names,
    )
    sums = records[records["computed"] > 0].groupby("rule")[names[1:]].sum()
    out = {kind: np.zeros(len(found["files"])) for kind in ("cpu_hours", "gpu_hours")}
    for name, row in sums.iterrows():
        phase = name.partition(".")[0]
        stage = FOOTAGE.get(name, ITEMS[phase])
        items, shared = found["files" if phase == "videos" else stage], found[stage]
        if name in FOOTAGE and found[f"{stage}_hours"].any():
            shared = found[f"{stage}_hours"]
        if shared.any():
            for kind in out:
                per_item = row[kind.replace("hours", "seconds")] / row["computed"] / 3600
                out[kind] += per_item * items.sum() * shared / shared.sum()
    return out


def _parts(path: Path, columns: list[str]):
    vouch.check_if_vouched(path)
    return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False, chunksize=ROWS)


def _text(path: Path, columns: list[str]) -> pd.DataFrame:
    vouch.check_if_vouched(path)
    return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)


def _numbers(column: pd.Series) -> pd.Series:
    """Numbers of a column; of an image, which has no time, 0."""
    return pd.to_numeric(column, errors="coerce").fillna(0)


def _round(value: float) -> float:
    return round(float(value), 6)


def _told(estimate: Estimate) -> dict:
    return {"whole": _round(estimate.value), "margin": None if estimate.margin is None else _round(estimate.margin)}


def text(pilot: dict) -> list[str]:
    """The account of a pilot for a person, as lines."""
    files, yields, shares = pilot["files"], pilot["yields"], pilot["shares"]
    kinds = " and ".join(f"{count:,} {kind}{'s' * (count != 1)}" for kind, count in files.items())
    lines = [f"Pilot: {pilot['drawn']:,} files of {kinds} (seed {pilot['seed']}). The whole, with 95 % margins:"]
    lines.append(f"  {'':<10} {'in the sample':>14} {'hours':>9}   {'of the whole':>24} {'hours':>22}")
    lines.append(f"  {'files':<10} {pilot['drawn']:>14,} {'':>9}   {sum(files.values()):>24,}")
    for stage in ("videos", *CLIPS):
        count, hours = yields[stage], yields[f"{stage}_hours"]
        lines.append(
            f"  {'readable' if stage == 'videos' else stage:<10} {count['sample']:>14,.0f} {hours['sample']:>9,.3f}   "
            f"{_shown(count, 0):>24} {_shown(hours):>22}"
        )
    selected, kept, footage = (_shown(shares[name], 1, 100, " %") for name in shares)
    lines.append(f"  of the clips are selected {selected}, of the selected become pairs {kept}")
    lines.append(f"  of the hours of video become pairs {footage}")
    gpu, cpu = (_shown(pilot["cost"][kind]) for kind in ("gpu_hours", "cpu_hours"))
    lines.append(f"  cost of the whole: {gpu} GPU-hours, {cpu} CPU-hours, at the rates measured here (starts included)")
    lines.append("  The same command without `sample` runs the whole; what the pilot computed is remembered.")
    return lines


def _shown(told: dict, digits: int | None = None, times: float = 1, unit: str = "") -> str:
    """A value with its margin, as a person reads it: with as many digits as its size asks for, if not told."""
    if told["margin"] is None:
        return "none seen" if digits is not None else "no"
    value, margin = told["whole"] * times, told["margin"] * times
    if digits is None:
        digits = 3 if value < 10 else 1 if value < 1000 else 0
    return f"{value:,.{digits}f}" + (f" ± {margin:,.{digits}f}" if margin else "") + unit
