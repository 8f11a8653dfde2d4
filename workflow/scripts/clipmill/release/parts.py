"""The summaries of parts of the flow."""

from pathlib import Path
from typing import NamedTuple

from clipmill.engine import tables
from clipmill.release import summary

FILES = {"files": "tables/listing.csv", "videos": "tables/videos.csv", "clips": "tables/clips.csv"}
REJECTS = ("work/rejects/list_videos.csv", "work/rejects/videos.csv")


class Part(NamedTuple):
    """The tables that a part counts, by what their rows are, and its tables of rejects."""

    counts: dict[str, str]
    rejects: tuple[str, ...]


PARTS = {
    "scenes": Part(FILES, REJECTS),
    "scores": Part(FILES | {"selected": "tables/selected.csv"}, (*REJECTS, "work/rejects/clips.csv")),
    "captions": Part({"selected": "tables/selected.csv", "captions": "tables/texts.csv"}, ("tables/texts.csv",)),
}


def text(name: str, results: Path) -> str:
    """What a part has made, for a person."""
    part = PARTS[name]
    counts = {what: sum(1 for row in tables.read(results / path) if not row.get("reason"))
              for what, path in part.counts.items()}  # fmt: skip
    lines = ["", f"{name}: " + "  ->  ".join(f"{count} {what}" for what, count in counts.items())]
    found = [reject for path in part.rejects for reject in summary.rejects(results / path) if reject["reason"]]
    if found:
        lines += ["", "Rejects", *(f"  {it['rows']:>7}  {it['stage']}: {it['reason']}" for it in found)]
    return "\n".join([*lines, "", *(f"{what:<9}{results / path}" for what, path in part.counts.items()), ""])
