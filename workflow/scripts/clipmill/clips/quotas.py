"""Selection to a target: quotas filled evenly over groups of clips, the best clips of each first.

All clips are put in one order in which they enter; a target takes its beginning. So a larger target keeps what a
smaller one keeps, and the result depends on no order of the clips and no shards. The next clip is always the best one
of the group that has least so far; of groups that have as much, the one whose next clip is better.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from clipmill.clips.thresholds import is_number

SOURCE = {"source": "relpath"}
"""Columns to balance that have another name in a table."""


def amounts(rows: pd.DataFrame, measure: str) -> pd.Series:
    """What each clip counts towards a target: 1, or with `hours` its length in whole milliseconds (0 for an image)."""
    if measure != "hours":
        return pd.Series(1, rows.index, "int64")
    start, end = (pd.to_numeric(rows[name].replace("", "0")) for name in ("start", "end"))
    return ((end - start) * 1000).round().clip(lower=0).astype("int64")


def limit(target: dict, count: int) -> int:
    """The target in the unit of `amounts`; `count`: the clips that pass the thresholds."""
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
    1, in its group), `amount` and `stays` (whether the target takes it). A clip without a number in `target["order"]`
    comes after those with one; of equal ones, the first id comes first. An image has no length: with `hours` it stays.

    """
    found = pd.DataFrame({"id": rows["id"], "amount": amounts(rows, measure(target))})
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
    return found[["id", "group", "place", "amount", "stays"]]


def named(balance: Sequence[str], values: Sequence[str]) -> str:
    """What a group is called: its columns with their values; "all clips" where nothing is balanced."""
    pairs = zip(balance, values, strict=True)
    return ", ".join(f"{name} {value or 'unknown'}" for name, value in pairs) or "all clips"


def groups(found: pd.DataFrame) -> pd.DataFrame:
    """The groups of what `entering` gives, by name: `group`, `clips` that pass the thresholds, and `stay`, those that
    the target takes."""
    by_group = found.groupby("group")["stays"]
    return pd.DataFrame({"clips": by_group.size(), "stay": by_group.sum()}).reset_index()


def ladder(found: pd.DataFrame, shares: Sequence[float]) -> list[dict]:
    """What other targets would give: for each share (0-1) of the clips that pass, in the order in which they enter,
    the `clips`, their `ms` where the target counts time, and the fewest and most clips of a group (`least`, `most`)."""
    total, out = found["group"].nunique(), []
    for share in shares:
        taken = found.iloc[: int(share * len(found) + 0.5)]
        sizes = taken.groupby("group").size()
        least = int(sizes.min()) if len(sizes) == total and total else 0
        out.append({"share": share, "clips": len(taken), "least": least, "most": int(sizes.max() if len(sizes) else 0)})
    return out
