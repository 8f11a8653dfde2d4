"""A look at a run from outside: what is done, what runs, what waits, from files on the shared disk alone.

Read are the run's own note (see `herald`), the plans' manifests, the tables under work/ and the progress beside them.
"""

import os
import time
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

from clipmill.engine import progress, tables, vouch
from clipmill.plan.flow import PHASES, script_of

NOTE = "logs/run.progress"
"""Where, in the results folder, a run notes what it does."""
SILENT = 120
"""Seconds without a word after which a job or a run is no longer taken to be running."""
KINDS = {"state": str, "log": str, "host": str, "pid": int, "started": Real, "time": Real} | {
    "tables": dict,
    "to_plan": dict,
    "before": dict,
    "failures": list,
}
"""What that note holds, of which kind."""
PLANNED_FROM = {"videos": "tables/listing.csv", "clips": "tables/clips.csv", "captions": "tables/selected.csv"}
"""The table whose rows a phase's plan cuts into shards."""


@dataclass
class Stage:
    """A map rule of a phase whose plan is known: `items` are the rows of the phase's table."""

    name: str
    items: int
    shards: int
    done: int = 0
    running: int = 0
    stopped: int = 0
    """Shards whose last attempt ended without a table; they wait for another one, or failed."""
    rejects: int = 0
    computed: int = 0
    rate: float = 0.0
    """Items a second of the jobs that run, all together."""
    past: float = 0.0
    """The most items a second that a finished job had."""
    left: int = 0
    """Items that are still to compute, as far as is known."""
    tables: set[str] = field(default_factory=set)
    """The shards that have their table."""

    def add_finished(self, shard: str, items: int, record: dict) -> None:
        """Count a shard that has its table; `record`: what its job noted last, where that is known."""
        self.tables.add(shard)
        self.done += items
        self.rejects += record.get("rejects", 0)
        self.computed += record.get("computed", 0)
        self.past = max(self.past, record.get("rate", 0))

    def add_begun(self, record: dict) -> None:
        """Count a shard whose job runs or has stopped."""
        runs = record["state"] == "running" and time.time() - record["time"] < SILENT
        self.done += record["done"]
        self.rejects += record["rejects"]
        self.computed += record["computed"]
        self.left += record["left"] if runs else record["total"] - record["done"]
        self.running += runs
        self.stopped += not runs
        self.rate += record["rate"] if runs else 0

    @property
    def rule(self) -> str:
        """Its name without the phase."""
        return script_of(self.name)

    @property
    def finished(self) -> bool:
        """Whether every shard has its table."""
        return len(self.tables) == self.shards

    @property
    def waiting(self) -> int:
        """Shards of which no job runs, and none has stopped."""
        return self.shards - len(self.tables) - self.running - self.stopped

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means that nothing is left."""
        return 100 if self.finished else min(99, 100 * self.done // max(1, self.items))

    @property
    def seconds_left(self) -> float | None:
        """At the rate of the jobs that run, or that finished ones had; None where none runs or no rate is known."""
        rate = self.rate or self.past * self.running
        return self.left / rate if rate and self.running else None


@dataclass
class Snapshot:
    """A moment of a run."""

    state: str
    """"none" (no run has been started), "running", "failed" or "finished"."""
    silent: float = 0.0
    """Seconds since the run, or one of its jobs, has written anything."""
    alive: bool = True
    """Whether the Snakemake of a running run has been heard of lately."""
    note: dict = field(default_factory=dict)
    phases: dict[str, list[Stage] | None] = field(default_factory=dict)
    """The stages of each phase; None where its plan is not known yet."""
    failures: list[dict] = field(default_factory=list)
    """`rule`, `shard` and `log` of each job that failed and has not succeeded since."""

    @property
    def stages(self) -> list[Stage]:
        """All that are known."""
        return [stage for stages in self.phases.values() for stage in stages or ()]


class Watched:
    """A results folder that is looked at again and again; a finished shard's progress is read once."""

    def __init__(self, results: str | Path):
        self.results = Path(results)
        self.finished: dict[tuple, dict] = {}

    def look(self, note: dict | None = None) -> Snapshot:
        """How far the run is now. `note`: in place of the one that the run keeps."""
        note = note or progress.read(self.results / NOTE, KINDS)
        if not note:
            return Snapshot("none")
        seen = Snapshot(note["state"], note=note)
        heard = [note["time"]]
        for phase in PHASES:
            shards = self.planned(phase, note)
            names = [name for name in note["tables"] if name.startswith(f"{phase}.")]
            seen.phases[phase] = None if shards is None else [self.stage(name, shards, note, heard) for name in names]
        seen.silent = max(0.0, time.time() - max(heard))
        seen.alive = time.time() - note["time"] < SILENT
        finished = {(stage.name, shard) for stage in seen.stages for shard in stage.tables}
        seen.failures = [job for job in note["failures"] if (job["rule"], job["shard"]) not in finished]
        return seen

    def planned(self, phase: str, note: dict) -> dict[str, list] | None:
        """What tells each shard of a phase (first id, last id, rows), by its number; None where this run has still to
        plan them."""
        manifest = self.results / "plan" / phase / "manifest.csv"
        try:
            if note["to_plan"].get(phase) == manifest.stat().st_mtime_ns:
                return None
            return {row["shard"]: [row["first"], row["last"], int(row["items"])] for row in tables.read(manifest)}
        except (OSError, KeyError, ValueError):
            return None

    def stage(self, name: str, shards: dict[str, list], note: dict, heard: list[float]) -> Stage:
        """How far a rule is; `heard` gains the times at which its jobs that have not ended last wrote."""
        folder = self.results / "work" / name / note["tables"][name]
        there = set(os.listdir(folder)) if folder.is_dir() else set()
        stage = Stage(name, sum(items for _, _, items in shards.values()), len(shards))
        for shard, of in shards.items():
            table = folder / f"{shard}.csv"
            record = self.record(table, of) if progress.place(table).name in there else None
            is_other = record is not None and record["of"] != of
            if table.name in there and not is_other and (record is None or record["state"] == "finished"):
                stage.add_finished(shard, of[2], record or {})
            elif record and not is_other and record["state"] != "finished":
                heard.append(record["time"])
                stage.add_begun(record)
            else:
                stage.left += of[2]
        before = note["before"].get(name, {})
        if before.get("of") == self.question(name, note):
            stage.done = min(stage.items, max(stage.done, before["done"]))
            stage.left = min(stage.left, stage.items - stage.done)
        return stage

    def record(self, table: Path, of: list) -> dict | None:
        """The progress of the job that makes a table."""
        key = (table, *of)
        if key not in self.finished:
            record = progress.read(progress.place(table))
            if not record or record["of"] != of or record["state"] != "finished":
                return record
            self.finished[key] = record
        return self.finished[key]

    def question(self, name: str, note: dict) -> list:
        """What a rule is asked: with which code and settings, and of which table's rows."""
        table = self.results / PLANNED_FROM[name.partition(".")[0]]
        try:
            return [note["tables"][name], vouch.read(table).digest]
        except (OSError, AttributeError):
            return [note["tables"][name], None]

    def before(self, note: dict) -> dict[str, dict]:
        """What of each rule is done as a run begins: the items are remembered, however they are planned anew."""
        stages = self.look(note).stages
        return {stage.name: {"of": self.question(stage.name, note), "done": stage.done} for stage in stages}
