"""Thresholds: which rows stay, and why the others do not."""

import math

from clipmill.engine import rejects, tables

STAGE = "select_clips"
NOT_CHOSEN, DUPLICATE, BELOW_QUOTA = "not chosen", "duplicate", "below quota"
BEYOND_LIMITS = (NOT_CHOSEN, DUPLICATE, BELOW_QUOTA)
"""Reasons of the selection that are no limit of a column."""
BETWEEN = "; "
"""What stands between the details of several thresholds."""
VIDEO_ONLY = frozenset(
    {
        "coherence",
        "flow",
        "flow_camera",
        "flow_object",
        "ocr_overlay",
        "ocr_corner",
        "fps",
        "combed",
        "frozen",
        "slideshow",
        "black",
        "flashes",
        "vfr",
        "bitrate",
        "loudness",
        "silence",
    }
)
"""Columns that a still image does not have, so that their thresholds do not apply to it."""


def chosen(row: dict, kept: set[str], stage: str) -> dict:
    """The row, made a reject if its id is not among those that `chosen` keeps."""
    if rejects.is_reject(row) or row["id"] in kept:
        return row
    return rejects.rejected(row, stage, *not_chosen())


def not_chosen() -> tuple[str, str]:
    """(reason, detail) of a row that is not chosen."""
    return NOT_CHOSEN, "its id is not in the list that `chosen` names"


def decided(row: dict, thresholds: dict, stage: str) -> dict:
    """The row, made a reject if it fails any threshold; the reason is the first one, the detail names all."""
    if rejects.is_reject(row):
        return row
    failed = [found for column, limits in sorted(thresholds.items()) if (found := failure(row, column, limits))]
    if not failed:
        return row
    return rejects.rejected(row, stage, failed[0][0], BETWEEN.join(detail for _, detail in failed))


def failure(row: dict, column: str, limits: dict) -> tuple[str, str] | None:
    """(reason, detail) where the row's value of `column` is missing or outside `limits`: `min` and `max` (included),
    `is` and `in` (texts, compared letter by letter)."""
    value = row.get(column, "")
    if value == "":
        if row.get("kind") == "image" and column in VIDEO_ONLY:
            return None
        return f"no {column}", f"{column} is missing"
    for name, kept in (("is", [limits.get("is")]), ("in", limits.get("in"))):
        if limits.get(name) is not None and value not in kept:
            return f"{column} not as select.{column}.{name} asks", f"{column} {value}"
    low, high = limits.get("min"), limits.get("max")
    if (low is not None or high is not None) and not is_number(value):
        return f"{column} is no number", f"{column} {value}"
    if low is not None and float(value) < low:
        return f"{column} below {tables.number(float(low))}", f"{column} {value} < {tables.number(float(low))}"
    if high is not None and float(value) > high:
        return f"{column} above {tables.number(float(high))}", f"{column} {value} > {tables.number(float(high))}"
    return None


def is_number(text: str) -> bool:
    """Whether a text, which may come from a list, is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
