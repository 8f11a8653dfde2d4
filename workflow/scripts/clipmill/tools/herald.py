"""What a run says of itself: a line per stage in place of Snakemake's many, and the note that `make watch` reads.

The note, `logs/run.progress`, is a line of JSON: the `state` of the run ("running", "failed", "finished"), when it
`started`, where it runs (`host`, `pid`), Snakemake's `log`, the folder of each map rule's `tables`, the phases that it
has `to_plan` (with the time of the manifest that is to be replaced), what was done `before`, its `failures`, and the
`time` at which all this was written, twice a minute.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from clipmill.engine import progress
from clipmill.plan.flow import PHASES
from clipmill.plan.pipeline import Pipeline
from clipmill.tools import snapshot
from clipmill.tools.failures import Failures
from clipmill.tools.snapshot import Snapshot, Stage, Watched

BEAT = 30
"""Seconds between two notes while nothing happens."""
MINUTE = 60
"""Seconds between two lines about stages that run for long."""
PAUSE = 1
"""Seconds between two looks while much happens."""
NOTHING = "Nothing to be done"
KEPT = (NOTHING, "Trying to restart job", "Shutting down")
"""Beginnings of Snakemake's messages that are shown besides its warnings and errors."""
ANY = ""
GREETINGS = ("Assuming unrestricted", "Workflow has started")
"""What Snakemake says before it knows whether jobs will run."""


class Short(logging.Filter):
    """Shows warnings and errors, and of Snakemake's other lines only those that a person must see."""

    def __init__(self, is_on: Callable[[], bool]):
        super().__init__()
        self.is_on = is_on

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is shown. `is_on` is asked each time: whether jobs will run is known after the first."""
        if record.levelno >= logging.WARNING:
            return True
        message = str(record.msg)
        return message.startswith(KEPT if self.is_on() else ANY) and not message.startswith(GREETINGS)


class Herald(threading.Thread):
    """Looks at the run when a job has ended, keeps its note, and says which stages have begun and ended."""

    def __init__(self, pipeline: Pipeline, failures: Failures, say: Callable[[str], None]):
        super().__init__(daemon=True)
        self.results, self.failures, self.say = Path(pipeline.results), failures, say
        self.tables = {
            name: Path(pipeline.table(name)).parent.name for name, rule in pipeline.rules.items() if rule.enabled
        }
        self.watched = Watched(self.results)
        self.note: dict = {}
        self.told: set[str] = set()
        self.told_at = time.monotonic()
        self.news, self.over = threading.Event(), False

    def notice(self, record: logging.LogRecord) -> bool:
        """A filter that lets everything through: it looks when a job has ended, and helps where there is no job."""
        if getattr(getattr(record, "event", None), "value", None) in ("job_finished", "job_error"):
            self.news.set()
        if str(record.msg).startswith(NOTHING) and (self.results / "run.json").exists():
            record.msg = f"{record.msg} The summary again: make show RESULTS={self.results}"
        return True

    def begin(self, jobs: Iterable[str], log: str) -> None:
        """Write the first note and start to look. `jobs`: the rules of which Snakemake has jobs to run."""
        places = {phase: self.results / "plan" / phase / "manifest.csv" for phase in PHASES}
        old = progress.read(self.results / snapshot.NOTE, snapshot.KINDS) or {}
        self.note = {"state": "running", "started": round(time.time(), 1), "pid": os.getpid(), "log": log}
        self.note |= {"tables": self.tables, "to_plan": {}, "before": old.get("before", {}), "failures": []}
        self.note |= progress.stamp()
        self.note["before"] |= self.watched.before(self.note)
        to_plan = [phase for phase in PHASES if f"plan_{phase}" in jobs]
        self.note["to_plan"] = {p: places[p].stat().st_mtime_ns if places[p].exists() else None for p in to_plan}
        progress.replace(self.results / snapshot.NOTE, self.note)
        seen = self.watched.look(self.note)
        self.told = {phase for phase, stages in seen.phases.items() if stages is not None}
        self.told |= {stage.name for stage in seen.stages if stage.finished}
        self.start()

    def run(self) -> None:
        """Look whenever there is news, and twice a minute."""
        while not self.over:
            self.news.wait(BEAT)
            if not self.over:
                self.news.clear()
                self.look("running")
                time.sleep(PAUSE)

    def end(self, state: str) -> None:
        """Say and note for the last time: the run has `failed` or `finished`."""
        if self.note and not self.over:
            self.over = True
            self.news.set()
            self.join(BEAT)
            self.look(state)

    def look(self, state: str) -> None:
        """Renew the note, and say what is new."""
        self.note |= {"state": state, "failures": self.failed(), **progress.stamp()}
        progress.replace(self.results / snapshot.NOTE, self.note)
        with contextlib.suppress(OSError):
            for line in self.lines(self.watched.look(self.note)):
                self.say(f"{time.strftime('%H:%M:%S')}  {line}")
                self.told_at = time.monotonic()

    def failed(self) -> list[dict[str, str]]:
        """The failed jobs; their logs are found from the results folder."""
        return [job | {"log": os.path.relpath(job["log"], self.results)} for job in self.failures.jobs()]

    def lines(self, seen: Snapshot) -> list[str]:
        """A line per phase that is planned and per stage that is finished and was not told; now and then one about what
        runs."""
        out = []
        for phase, stages in seen.phases.items():
            if stages and phase not in self.told:
                self.told.add(phase)
                out.append(f"{phase}: {counted(stages[0].items, 'item')} in {counted(stages[0].shards, 'shard')}")
            for stage in stages or ():
                if stage.finished and stage.name not in self.told:
                    self.told.add(stage.name)
                    out.append(f"  {ended(stage)}")
        if not out and time.monotonic() - self.told_at > MINUTE:
            out = [f"  {', '.join(map(begun, running))}"] if (running := [s for s in seen.stages if s.running]) else []
        return out


def ended(stage: Stage) -> str:
    """A finished stage in a line."""
    remembered = f", {stage.items - stage.computed} of them known before" if 0 < stage.computed < stage.items else ""
    rejects = f", {counted(stage.rejects, 'reject')}" if stage.rejects else ""
    return f"{stage.rule:<16} {counted(stage.items, 'item')}{remembered}{rejects}"


def begun(stage: Stage) -> str:
    """A running stage in a few words."""
    left = f", {duration(stage.seconds_left)} left" if stage.seconds_left is not None else ""
    return f"{stage.rule} {stage.percent} % ({stage.done:,} of {stage.items:,}{left})"


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
