"""Finished results folders that are joined: what they hold, and whether they are parts of one run."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from clipmill.engine import remote, tables, vouch
from clipmill.engine.fingerprints import SCRIPTS, without_speed
from clipmill.plan import config
from clipmill.tools import tidy
from clipmill.videos.sources import root_of

SCHEMA = SCRIPTS.parent / "schemas" / "config.schema.yaml"
CUT, HASHED, EMBEDDED = "captions.cut_clips", "clips.hash_clips", "clips.embed_clips"
LISTED = "list_videos"
"""The stage that rejects copies of a source."""
MAY_DIFFER = ("videos", "videos_root", "results", "models", "scratch", "chosen", "marks", "report", "shards",
              "max_error_share", "item_minutes")  # fmt: skip
"""Keys of the configuration in which the folders may differ; those that the schema marks with `speed` may, too."""


@dataclass(frozen=True)
class Part:
    """A finished results folder that is joined with others."""

    folder: Path
    account: dict
    """Its run.json."""
    lost: set[str] = field(default_factory=set)
    """The ids of its sources that another folder keeps."""

    def rows(self, table: str) -> Iterator[dict]:
        """The rows of a table whose source it keeps; what a listing has rejected is kept, too."""
        for row in tables.read(self.folder / table):
            if row["id"].partition("-")[0] not in self.lost or row.get("stage") == LISTED:
                yield row

    def work(self, rule: str) -> Path | None:
        """The folder of the tables that a rule (by full name) has written for the shards; None where it has not run."""
        found = tidy.in_use(self.folder, self.account, "work")
        return next((folder for folder in found if folder.parent.name == rule), None)

    @property
    def stores(self) -> list[list[str]]:
        """Its frame stores, each with the folder that its sources lie in; of a merged one, of all its parts."""
        if "merged" in self.account:
            return [store for entry in self.account["merged"] for store in entry["stores"]]
        given = self.account["configuration"]
        scans = (path for path in tidy.in_use(self.folder, self.account, "memo") if path.parent.name == "scan_videos")
        root = root_of(given["videos"], given["videos_root"])
        root = root if remote.is_remote(root) else str(root.resolve())
        return [[str(self.folder.resolve() / "frames" / path.name), root] for path in scans]

    def shards(self, rule: str) -> Iterator[dict]:
        """The rows that a rule has written for the shards, of the sources that it keeps."""
        manifest = self.folder / "plan" / rule.partition(".")[0] / "manifest.csv"
        paths = [self.work(rule) / f"{row['shard']}.csv" for row in tables.read(manifest)]
        return (row for row in tables.concatenate(paths) if row["id"].partition("-")[0] not in self.lost)


def fail(message: str) -> NoReturn:
    """End with a plain message: nothing was merged."""
    sys.exit(f"merge: {message}")


def account_of(folder: Path) -> dict:
    """The account of a finished run."""
    try:
        account = json.loads(vouch.content(folder / "run.json"))
    except (OSError, ValueError) as error:
        missing = not (folder / "run.json").exists()
        fail(f"{folder} has no run.json, so it is not a finished run" if missing else str(error))
    if account.get("pilot"):
        fail(f"{folder} is a pilot: run it whole, or merge the run of a list of its own")
    return account


def alike(parts: list[Part]) -> None:
    """End where the folders were made with other settings or weights: they are no parts of one run."""
    schema = config.load(SCHEMA)
    first = parts[0]
    for part in parts[1:]:
        one, other = (of_results(each.account["configuration"], schema) for each in (first, part))
        keys = sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
        weights = [sums(each.account["models"]) for each in (first, part)]
        keys += sorted(f"weights of {block}" for block in weights[0] if weights[0][block] != weights[1].get(block))
        if keys:
            fail(
                f"{first.folder} and {part.folder} were made with other settings ({', '.join(keys)}), so they are no "
                "parts of one run. Run one of them again with the settings of the other: what it remembers and what "
                "does not depend on them is not computed again"
            )


def of_results(configuration: dict, schema: dict) -> dict:
    """The keys of a configuration, dotted, on which results depend."""
    kept = {key: value for key, value in configuration.items() if key not in MAY_DIFFER}
    of_caption = schema["properties"]["caption"]
    others = {name: without_speed(block, of_caption) for name, block in kept.get("captioners", {}).items()}
    return dict(_dotted(without_speed(kept, schema) | {"captioners": others}))


def _dotted(settings: dict, before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def sums(models: dict) -> dict:
    """The digests of the weights of each block."""
    return {block: [(entry["key"], entry["sha256"]) for entry in entries] for block, entries in models.items()}
