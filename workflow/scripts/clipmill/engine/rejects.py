"""Rejects: rows that leave the flow, each with its stage, its reason and a detail.

Whose fault it is decides what happens:

    Reject            the item's own: its row becomes a reject, and is remembered as one
    workers.Stalled   the item's as well: nothing came of it for `item_minutes`; tried again under a longer limit
    "changed during the run"   nobody's: the source is not the file that was listed; tried again
    remote.Unreachable         a server's: the source cannot be fetched for now; tried again, and counted as unexpected
    any other error   unexpected: its row becomes a reject, and is tried again when its job runs again; the job
                      fails when more than `max_error_share` of its items do
    OSError, MemoryError                 the environment's: the job stops, and what it computed is kept
      |- weights.ModelMissing            a model is not on this machine
      |- families.ModelUnusable          a model cannot caption
      |- server_captioner.ServerError    the caption server fails, or its settings are wrong
    tables.TableError                    ours: a table breaks a promise; the gather stops
    config.ConfigError                   the user's: nothing is run
"""

from clipmill.engine.shown import shown

COLUMNS = ("stage", "reason", "detail")
"""A row whose `reason` is not empty is a reject: it is carried along untouched until a gather removes it."""

TABLE = ("id", "relpath", "start", "end", *COLUMNS)
"""The columns of a table of rejects."""


class Reject(Exception):
    """A fault of one item: a short `reason`, the same for all of its kind, and a `detail` of at most 500 characters,
    control characters in it as escapes."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, shown(" ".join(detail.split())[:500])


def rejected(row: dict, stage: str, reason: str, detail: str = "") -> dict:
    """The row as a reject of `stage`, the name of a rule."""
    return {**row, "stage": stage, "reason": reason, "detail": shown(detail)}


def is_reject(row: dict) -> bool:
    """Whether a rule has rejected this row."""
    return bool(row.get("reason"))


def rejected_where(columns: dict, where, stage: str, reason, detail) -> dict:
    """COLUMNS of a block of rows, of which those become rejects `where` it is true, unless they are some already.
    `reason` and `detail`: a text, or one per row, as `rejected` would write it."""
    import pyarrow.compute as pc

    where = pc.and_(where, pc.equal(columns["reason"], ""))
    said = dict(zip(COLUMNS, (stage, reason, detail), strict=True))
    return {name: pc.if_else(where, said[name], columns[name]) for name in COLUMNS}


def count(rows, stage: str) -> int:
    """How many rows of a block `stage` has rejected."""
    import pyarrow.compute as pc

    found = pc.and_(pc.not_equal(rows["reason"], ""), pc.equal(rows["stage"], stage))
    return pc.sum(found, min_count=0).as_py()
