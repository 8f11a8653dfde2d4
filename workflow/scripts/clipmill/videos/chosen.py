"""The ids that a configuration names under `chosen`: which of them are clips."""

from pathlib import Path

from clipmill.engine import tables
from clipmill.engine.shown import shown
from clipmill.videos import lists

EXAMPLES = 3


def unknown(chosen: str | Path, clips: Path) -> list[str]:
    """The ids of a list that no row of a table of clips has, in the order of the list."""
    ids = dict.fromkeys(row.get("id", "") for _, row in lists.rows(chosen))
    for row in tables.read(clips):
        ids.pop(row["id"], None)
    return list(ids)


def told(chosen: str | Path, clips: Path) -> str:
    """What is said of such ids; nothing where there are none."""
    ids = [shown(identity) or "(empty)" for identity in unknown(chosen, clips)]
    if not ids:
        return ""
    some = ", ".join(ids[:EXAMPLES]) + (", ..." if len(ids) > EXAMPLES else "")
    return f"{len(ids):,} of the ids in {chosen} {'is' if len(ids) == 1 else 'are'} no clip of this run: {some}"
