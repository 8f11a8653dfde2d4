"""What each rule would still have to compute, as far as it can be known before a run.

The folder is listed as `list_videos` lists it, with the identities that it remembers. Thresholds are applied to the
scores at hand. Where a result of an earlier rule is still missing, no number is given, but that rule's name.
"""

from pathlib import Path

import pandas as pd

from clipmill.clips import quotas
from clipmill.clips.thresholds import failure
from clipmill.engine import fetched, remote, tables
from clipmill.engine.memo import Memo
from clipmill.plan import targets
from clipmill.plan.flow import PHASES, script_of
from clipmill.plan.pipeline import Pipeline
from clipmill.videos import lists, sample, sources
from clipmill.videos.listed import Listed

GIVEN = "captions.caption_clips"
"""The rule that has nothing to do where a caption is given."""
TEXT = ("captions.clean_captions", "captions.score_match")
"""Rules whose results depend on the text of a caption."""


class Forecast:
    """The items of each phase, and which of them each rule does not remember."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline, self.results = pipeline, Path(pipeline.results)
        self.changes: dict[str, int] = {}
        """How many files are `new`, `changed` and `deleted` since they were last listed; empty before the first run."""
        self.rows: dict[str, list[dict] | None] = {}
        """The rows that each phase works on; None where they are not known yet."""
        self.missing: dict[str, list[dict]] = {}
        """The rows that each rule does not remember, by the rule's full name, where the phase's rows are known."""
        self.waits: dict[str, str] = {}
        """The rule that must run before a phase's rows are known."""
        for phase in PHASES:
            self.rows[phase] = rows = getattr(self, phase)()
            for name in pipeline.steps(phase) if rows is not None else ():
                held = Memo(pipeline.memo(name), ()).ids()
                rows_left = [row for row in self.reaching(name, rows) if row["id"] not in held]
                self.missing[name] = [row for row in rows_left if name != GIVEN or not row.get("text")]

    def videos(self) -> list[dict]:
        """The files that lie there now; one that is new or changed has no id yet."""
        videos, memo = self.pipeline.config["videos"], self.results / "memo" / "list_videos" / "files.csv"
        videos_root = self.pipeline.config["videos_root"]
        base, known = remote.base(sources.root_of(videos, videos_root)), {}
        if memo.exists():
            known = {row["relpath"]: (row["id"], row["bytes"], row["mtime"]) for row in tables.read(memo)}
            self.changes = {"new": 0, "changed": 0, "deleted": 0}
        rows, seen = {}, set()
        for one in sources.taken(videos, self.results, videos_root):
            relpath, root = one.relpath, "" if remote.is_remote(one.relpath) else base
            seen.add(relpath)
            path, size = root + relpath, known.get(relpath, ("", 0))[1]
            identity = self.identity(path, one.state, known.get(relpath))
            kind = "image" if remote.suffix(path) in sources.IMAGES else "video"
            rows.setdefault(identity or relpath, Listed(identity, root, relpath, kind, size, 0))
        if self.changes:
            self.changes["deleted"] = len(known.keys() - seen)
        return self.sampled(rows)

    def sampled(self, rows: dict[str, dict]) -> list[dict]:
        """Those of the files (by id, or by name where they have none yet) that the sample holds: exactly where all of
        them were listed before, otherwise as many."""
        settings = self.pipeline.config["sample"]
        if not settings["videos"]:
            return list(rows.values())
        known = sample.remembered(self.results / "memo" / "list_videos" / "lengths.csv")
        everyone = [{**row, "id": name} for name, row in rows.items()]
        design = sample.design(everyone, **settings, lengths=lambda some: [known.get(row["id"], 0.0) for row in some])
        return [rows[row["id"]] for row in design if row["drawn"]]

    def identity(self, path: str, state: remote.State | None, known: tuple[str, str, str] | None) -> str:
        """The remembered id of a file; empty where it must be read first. Counts the file in `changes`."""
        try:
            size, version = state or fetched.state(path)
            if known and known[1:] == (str(size), str(version)):
                return known[0]
        except OSError:
            pass
        if self.changes:
            self.changes["changed" if known else "new"] += 1
        return ""

    def clips(self) -> list[dict] | None:
        """The clips of the files that lie there now."""
        table = self.results / "tables" / "clips.csv"
        if self.waiting("clips", ["videos.scan_videos"]) or not table.exists():
            return None
        ids = {row["id"] for row in self.rows["videos"]}
        return [row for row in tables.read(table) if row["video_id"] in ids]

    def captions(self) -> list[dict] | None:
        """The clips whose scores pass the thresholds."""
        rule, table = self.pipeline.rules["clips.select_clips"], self.results / "tables" / "scores.csv"
        if "clips" in self.waits:
            self.waits["captions"] = self.waits["clips"]
        if self.waiting("captions", rule.reads) or not table.exists():
            return None
        ids = {row["id"] for row in self.rows["clips"]}
        rejected = self.rejected({script_of(name) for name in rule.reads})
        rows = (row for row in tables.read(table) if row["id"] in ids - rejected)
        if chosen := self.pipeline.config["chosen"]:
            kept = {row.get("id") for _, row in lists.rows(chosen)}
            return [row for row in rows if row["id"] in kept]
        return in_target([row for row in rows if passes(row, rule.settings)], self.pipeline.config)

    def waiting(self, phase: str, rules) -> bool:
        """Whether a phase's rows are unknown until one of these rules has run."""
        for name in rules:
            if self.missing.get(name) or not Path(self.pipeline.table(name)).parent.is_dir():
                self.waits.setdefault(phase, script_of(name))
        return phase in self.waits

    def reaching(self, name: str, rows: list[dict]) -> list[dict]:
        """Those of the rows that are likely to reach a rule: not those that a rule before it rejects."""
        if name == "clips.label_camera":
            return passing(
                rows, self.results / "tables" / "scores.csv", self.pipeline.rules["clips.select_clips"].settings
            )
        if not name.startswith("captions.") or not self.pipeline.rules[name].reads or name.count(".") > 1:
            return rows
        chain = (other for other in self.pipeline.rules if other.startswith("captions.") and other.count(".") == 1)
        names = list(chain)
        earlier = names[: names.index(name)]
        again = {row["id"] for other in earlier if name in TEXT for row in self.missing.get(other, ())}
        gone = self.rejected({script_of(other) for other in earlier} - {"select_pairs"}) | self.mismatched(earlier)
        gone -= {row["id"] for other in earlier for row in self.missing.get(other, ())}
        return [{**row, "id": ""} if row["id"] in again else row for row in rows if row["id"] not in gone]

    def rejected(self, stages: set[str]) -> set[str]:
        """The ids that these rules rejected in the last run."""
        table = self.results / "rejects.csv"
        return {row["id"] for row in tables.read(table) if row["stage"] in stages} if table.exists() else set()

    def mismatched(self, earlier: list[str]) -> set[str]:
        """The ids whose match, as far as it is known, fails its threshold, where select_pairs is among `earlier`."""
        limits, table = self.pipeline.rules["captions.select_pairs"].settings, self.results / "tables" / "captions.csv"
        if "captions.select_pairs" not in earlier or not limits or not table.exists():
            return set()
        return {row["id"] for row in tables.read(table) if not passes(row, limits)}


def passes(row: dict, limits: dict) -> bool:
    """Whether a row passes every threshold."""
    return not any(failure(row, column, given) for column, given in limits.items())


def passing(rows: list[dict], scores: Path, limits: dict) -> list[dict]:
    """Those of the clips that pass the thresholds, by the scores at hand."""
    failing = {row["id"] for row in tables.read(scores) if not passes(row, limits)} if scores.exists() else set()
    return [row for row in rows if row["id"] not in failing]


def in_target(rows: list[dict], config: dict) -> list[dict]:
    """Those of the clips that a target of the selection takes, as far as the columns that it balances are known."""
    target = config["select"][targets.KEY]
    if not rows or not targets.active(config) or set(quotas.columns(target)) - rows[0].keys():
        return rows
    found = quotas.entering(pd.DataFrame(rows), target)
    stay = set(found["id"][found["stays"]])
    return [row for row in rows if row["id"] in stay]
