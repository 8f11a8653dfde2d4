"""Selection to a target: quotas filled evenly over groups of clips, the best clips of each first.

All clips are put in one order in which they enter; a target takes its beginning. So a larger target keeps what a
smaller one keeps, and the result depends on no order of the clips and no shards. The next clip is always the best one
of the group that has least so far; of groups that have as much, the one whose next clip is better.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from clipmill.clips.thresholds import is_number

LADDER = tuple(number / 10 for number in range(1, 11))
"""Other targets that are tried, as shares of the clips that pass the thresholds."""
SOURCE = {"source": "relpath"}
"""Columns to balance that have another name in a table."""


def milliseconds(rows: pd.DataFrame) -> pd.Series:
    """The length of each clip in whole milliseconds, 0 for an image."""
    start, end = (pd.to_numeric(rows[name].replace("", "0")) for name in ("start", "end"))
    return ((end - start) * 1000).round().clip(lower=0).astype("int64")


def limit(target: dict, count: int) -> int:
    """The target in clips, or with `hours` in milliseconds; `count`: the clips that pass the thresholds."""
    if target["clips"] is not None:
        return int(target["clips"])
    if target["hours"] is not None:
        return round(target["hours"] * 3_600_000)
    return int(target["share"] * count + 0.5)


def measure(target: dict) -> str:
    """Which of `clips`, `hours` and `share` a target names; "" for none."""
    return next((name for name in ("clips", "hours", "share") if target.get(name) is not None), "")


def columns(target: dict) -> list[str]:
    """The columns of a table that a target looks at."""
    return [*(SOURCE.get(name, name) for name in target["balance"]), target["order"]]


def entering(rows: pd.DataFrame, target: dict) -> pd.DataFrame:
    """The clips that pass the thresholds in the order in which they enter.

    `rows`: texts, with `id`, `start`, `end` and `columns(target)`. Returns `id`, `group` (see `named`), `place` (from
    1, in its group), `ms` (its length) and `stays` (whether the target takes it). A clip without a number in
    `target["order"]` comes after those with one; of equal ones, the first id comes first. An image has no length: with
    `hours` it stays.

    """
    found = pd.DataFrame({"id": rows["id"], "ms": milliseconds(rows)})
    found["amount"] = found["ms"] if measure(target) == "hours" else 1
    keys = rows[columns(target)[:-1]].astype(str)
    found["group"] = [named(target["balance"], values) for values in keys.itertuples(index=False, name=None)]
    found["score"] = [float(text) if is_number(text) else -np.inf for text in rows[target["order"]]]
    found = found.sort_values(["group", "score", "id"], ascending=[True, False, True])
    by_group = found.groupby("group", sort=False)["amount"]
    found["place"] = by_group.cumcount() + 1
    found["before"] = by_group.cumsum() - found["amount"]
    found = found.sort_values(["before", "score", "id"], ascending=[True, False, True], ignore_index=True)
    taken = found["amount"].cumsum() - found["amount"]
    found["stays"] = (taken < limit(target, len(found))) | (found["amount"] == 0)
    return found[["id", "group", "place", "ms", "stays"]]


def named(balance: Sequence[str], values: Sequence[str]) -> str:
    """What a group is called: its columns with their values; "all clips" where nothing is balanced."""
    pairs = zip(balance, values, strict=True)
    return ", ".join(f"{name} {value or 'unknown'}" for name, value in pairs) or "all clips"


def groups(found: pd.DataFrame) -> pd.DataFrame:
    """The groups of what `entering` gives, by name: `group`, `clips` that pass the thresholds, and `stay`, those that
    the target takes."""
    by_group = found.groupby("group")["stays"]
    return pd.DataFrame({"clips": by_group.size(), "stay": by_group.sum()}).reset_index()


def ladder(found: pd.DataFrame, shares: Sequence[float] = LADDER) -> list[dict]:
    """What other targets would give, by what `entering` found: for each share (0-1) of the clips that pass, its
    `clips`, its `hours`, and the fewest and most clips of a group (`least`, `most`)."""
    places = found["group"].value_counts(sort=False).index
    out = []
    for share in shares:
        taken = found.iloc[: int(share * len(found) + 0.5)]
        sizes = taken["group"].value_counts().reindex(places, fill_value=0)
        hours = float(taken["ms"].sum() / 3_600_000)
        ends = {"least": int(sizes.min()), "most": int(sizes.max())} if len(sizes) else {"least": 0, "most": 0}
        out.append({"share": share, "clips": len(taken), "hours": hours, **ends})
    return out
