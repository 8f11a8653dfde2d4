"""Watch a run from any terminal on any node: stages, items, speed, time left, rejects, failures. It changes nothing.

On a terminal the picture is renewed until the run ends, and its summary follows; elsewhere, or with --once, it is
printed once. What it shows comes from files of the results folder alone, so the run may be of SLURM or of this machine.

Example: make watch RESULTS=results/demo
"""

import argparse
import json
import os
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table

from clipmill.engine import vouch
from clipmill.release import summary
from clipmill.tools.failures import tail
from clipmill.tools.herald import counted, duration
from clipmill.tools.snapshot import Snapshot, Stage, Watched

PERIOD = 2
"""Seconds between two looks."""
HEADS = ("stage", "done", "items", "a second", "time left", "shards", "running", "waiting", "rejects")
WIDE = 1000
"""Columns of plain text: no line is broken."""
PLAIN = {"highlight": False, "markup": False, "emoji": False}
"""A log's text is text: brackets in it command nothing."""
LINES = 3
"""Lines of a failed job's log that are shown."""
FAILURES = 5
"""Failed jobs that are shown; the others are counted."""


def main() -> None:
    """Parse the command line and watch. The status is 1 where the run has failed or there is none to show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder")
    parser.add_argument("--once", action="store_true", help="show how far it is now, and end")
    parser.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    parser.add_argument("--show", action="store_true", help="show the summary of the last finished run, and end")
    args = parser.parse_args()
    watched = Watched(args.results)
    if args.show:
        print(account(args.results))
    elif args.json:
        print(json.dumps(as_json(watched.look())))
    elif args.once or not sys.stdout.isatty():
        seen = watched.look()
        print(as_text(seen, args.results))
        sys.exit(seen.state in ("none", "failed"))
    else:
        sys.exit(live(watched, args.results))


def live(watched: Watched, results: Path) -> bool:
    """Renew the picture until the run ends; returns whether it failed."""
    with Live(console=Console(**PLAIN), auto_refresh=False) as screen:
        while True:
            seen = watched.look()
            screen.update(as_text(seen, results) if seen.state != "running" else picture(seen, results), refresh=True)
            if seen.state in ("failed", "finished"):
                return seen.state == "failed"
            time.sleep(PERIOD)


def account(results: Path) -> str:
    """The summary of the last finished run."""
    try:
        return summary.text(json.loads(vouch.content(results / "run.json")), results)
    except FileNotFoundError:
        raise SystemExit(
            f"{results} has no run.json: no run has finished there. RESULTS=folder names another"
        ) from None
    except OSError as error:
        raise SystemExit(str(error)) from error


def as_text(seen: Snapshot, results: Path) -> str:
    """What there is to say of a run, as plain text."""
    if seen.state == "finished" and (results / "run.json").exists():
        return f"{headline(seen, results)}\n{account(results)}"
    console = Console(width=WIDE, **PLAIN)
    with console.capture() as text:
        console.print(picture(seen, results))
    return "\n".join(line.rstrip() for line in text.get().splitlines())


def picture(seen: Snapshot, results: Path) -> Table:
    """A run in a few lines: a head, a line per stage, a line per failure."""
    whole = Table.grid()
    whole.add_row(headline(seen, results))
    if seen.phases:
        whole.add_row(stages(seen))
    for failure in seen.failures[:FAILURES]:
        log = Path(os.path.normpath(results / failure["log"]))
        job = " ".join(filter(None, (failure["rule"], failure["shard"])))
        whole.add_row(f"{job} failed; the end of {log}:")
        whole.add_row(tail(log, lines=LINES))
    if seen.failures[FAILURES:]:
        whole.add_row(f"and {counted(len(seen.failures) - FAILURES, 'other job')}")
    return whole


def stages(seen: Snapshot) -> Table:
    """A line per stage, and one per phase that is not planned yet."""
    table = Table(box=None, pad_edge=False, header_style="")
    for head in HEADS:
        table.add_column(head, justify="left" if head == "stage" else "right", no_wrap=True)
    for phase, known in seen.phases.items():
        table.add_row(phase if known else f"{phase}: not known yet")
        for stage in known or ():
            table.add_row(*cells(stage))
    return table


def cells(stage: Stage) -> list[str]:
    """A stage's line."""
    left = duration(stage.seconds_left) if stage.seconds_left is not None else ""
    stopped = f" ({stage.stopped} stopped)" if stage.stopped else ""
    return [
        f"  {stage.rule}",
        f"{stage.percent} %",
        f"{stage.done:,} / {stage.items:,}",
        f"{stage.rate:.3g}" if stage.rate else "",
        left,
        f"{len(stage.tables):,} / {stage.shards:,}",
        f"{stage.running or ''}",
        f"{stage.waiting + stage.stopped or ''}{stopped}",
        f"{stage.rejects or ''}",
    ]


def headline(seen: Snapshot, results: Path) -> str:
    """The state of a run in a line."""
    if seen.state == "none":
        return f"No run has been started in {results} yet. RESULTS=folder names another."
    note, since = seen.note, duration(seen.note["time"] - seen.note["started"])
    if seen.state != "running":
        return f"{results}: the run has {seen.state}, {duration(time.time() - note['time'])} ago, after {since}."
    running, waiting = sum(stage.running for stage in seen.stages), sum(stage.waiting for stage in seen.stages)
    if not seen.alive or gone(note):
        return f"{results}: {silence(seen, running)}"
    jobs = f"jobs on shards: {running:,} running, {waiting:,} waiting" if seen.stages else "nothing is planned yet"
    return f"{results}: running for {since} on {note['host']}; {jobs}"


def silence(seen: Snapshot, running: int) -> str:
    """Why a run that has not ended seems to be dead, and what to do."""
    who = f"Snakemake (process {seen.note['pid']} on {seen.note['host']})"
    jobs = f"no job has written for {duration(seen.silent)}"
    if running:
        jobs = f"wait for {counted(running, 'job')} that still run"
    return f"{who} is gone: {jobs}. Run the same command again, first with --unlock; it goes on."


def gone(note: dict) -> bool:
    """Whether the run is of this machine, and its process is not there."""
    if note["host"] != socket.gethostname():
        return False
    try:
        return psutil.Process(note["pid"]).create_time() > note["started"]
    except psutil.NoSuchProcess:
        return True


def as_json(seen: Snapshot) -> dict:
    """A run for programs."""
    phases = {}
    for phase, known in seen.phases.items():
        phases[phase] = known and [
            asdict(stage)
            | {"tables": len(stage.tables), "waiting": stage.waiting, "percent": stage.percent}
            | {"seconds_left": stage.seconds_left}
            for stage in known
        ]
    alive = seen.state == "running" and seen.alive and not gone(seen.note)
    return {"state": seen.state, "alive": alive, "silent": seen.silent, "phases": phases, "failures": seen.failures}


if __name__ == "__main__":
    main()
