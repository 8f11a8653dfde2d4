"""What the page says around the thresholds: the funnel, the rejects with examples, and what captioning costs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from clipmill.engine import accounts, blocks, rejects
from clipmill.report import clips

EXAMPLES = 3
"""Rejects of each reason that are shown."""
GROUPS, SAME = 50, 12
"""Groups of a target, or clusters, that are shown; groups of duplicates."""


def milliseconds(rows: pd.DataFrame) -> pd.Series:
    """The length of each clip in whole milliseconds, 0 for a still image."""
    start, end = (pd.to_numeric(rows[name].replace("", "0")) for name in ("start", "end"))
    return ((end - start) * 1000).round().clip(lower=0).fillna(0).astype("int64")


def files(listing: Path, videos: Path) -> list[dict]:
    """The funnel down to the clips: `name`, `count` and `ms` (milliseconds; None where not known) of each step."""
    listed, readable, length = blocks.count(listing), 0, 0
    for rows in clips.texts(videos, ["duration"]):
        readable += len(rows)
        length += int((pd.to_numeric(rows["duration"].replace("", "0")) * 1000).round().sum())
    return [
        {"name": "files", "count": listed, "ms": None},
        {"name": "readable videos and images", "count": readable, "ms": length},
    ]


def reasons(tables: Iterable[Path]) -> list[dict]:
    """The rejects by stage and reason, most first within a stage: `count`, `ms`, `examples` (file, span, detail)."""
    paths, count, length = list(tables), Counter(), Counter()
    for key, group in _by_reason(paths):
        count[key] += len(group)
        length[key] += int(milliseconds(group).sum())
    shown = {key: np.unique(np.linspace(0, rows - 1, EXAMPLES).astype(int)) for key, rows in count.items()}
    examples, seen = {key: [] for key in count}, Counter()
    for key, group in _by_reason(paths):
        places = shown[key] - seen[key]
        some = group.iloc[places[(places >= 0) & (places < len(group))]]
        examples[key] += some[["id", "relpath", "start", "end", "detail"]].to_dict("records")
        seen[key] += len(group)
    found = [{"stage": key[0], "reason": key[1], "count": rows, "ms": length[key], "examples": examples[key]}
             for key, rows in count.items()]  # fmt: skip
    return sorted(found, key=lambda entry: (entry["stage"], -entry["count"], entry["reason"]))


def _by_reason(tables: Iterable[Path]) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """The rejects of a stage for a reason, in parts that fit in memory."""
    for path in tables:
        for rows in clips.texts(path, rejects.TABLE):
            yield from rows.groupby(["stage", "reason"])


def target(results: Path, asked: dict | None) -> dict | None:
    """What the page says of a target of the selection; None without one.

    `asked`; its largest `groups` (name, clips that pass the thresholds, those that stay); how many groups there are
    (`count`); what `others` would give.
    """
    if not asked:
        return None
    groups = clips.table(results / "tables/groups.csv", ["group", "clips", "stay"])
    groups = groups.astype({"clips": int, "stay": int}).sort_values(["clips", "group"], ascending=[False, True])
    others = clips.table(results / "tables/targets.csv", ["share", "clips", "hours", "least", "most"]).astype(float)
    shown = groups.head(GROUPS).to_dict("records")
    return {"asked": asked, "count": len(groups), "groups": shown, "others": others.to_dict("records")}


def duplicates(results: Path) -> dict:
    """What the page says of duplicates: `count` of their groups, `clips` that go, and the largest `groups`, each with
    the ids of the clip that `stays` and of those that `go`."""
    rows = clips.table(results / "tables/duplicates.csv", ["id", "of"])
    found = [{"stays": stays, "go": sorted(group["id"])} for stays, group in rows.groupby("of")]
    found.sort(key=lambda group: (-len(group["go"]), group["stays"]))
    return {"count": len(found), "clips": len(rows), "groups": found[:SAME]}


def clusters(results: Path) -> dict:
    """What the page says of clusters: their `count`, and the largest `clusters` with their `clips`."""
    parts = clips.texts(results / "tables/clusters.csv", ["cluster", "cluster_size"])
    rows = pd.concat([pd.DataFrame(columns=["cluster", "cluster_size"]), *(part.drop_duplicates() for part in parts)])
    rows = rows.drop_duplicates().astype(int)
    found = rows.sort_values("cluster").rename(columns={"cluster_size": "clips"})
    return {"count": len(found), "clusters": found.head(GROUPS).to_dict("records")}


def rates(results: Path, rules: Iterable[str], shipped: dict[str, float]) -> list[dict]:
    """Seconds per clip of the rules of the captions phase: `rule`, `seconds`, `kind` (gpu or cpu), `measured`.

    Measured by the finished jobs of this results folder where there are any, otherwise the `shipped` rates.
    """
    sums: dict[str, list[float]] = {}
    for rule, record in accounts.read(results):
        if record["computed"]:
            total = sums.setdefault(rule, [0, 0, 0])
            busy = record["seconds"] * record["gpus"], record["cpu_seconds"]
            sums[rule] = [total[0] + record["computed"], total[1] + busy[0], total[2] + busy[1]]
    found = []
    for rule in rules:
        count, gpu, cpu = sums.get(rule, (0, 0, 0))
        kind = "gpu" if gpu or (not count and rule == "caption_clips") else "cpu"
        seconds = (gpu or cpu) / count if count else shipped.get(rule, 0.1)
        found.append({"rule": rule, "seconds": round(seconds, 5), "kind": kind, "measured": bool(count)})
    return found
