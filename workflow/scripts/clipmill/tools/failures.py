"""Failed jobs on the screen: the rule, the shard and the last lines of its log, in place of a long command line."""

import logging
from pathlib import Path

from clipmill.engine.shown import printable

LINES = 12
"""Lines of a log that are shown."""
TAIL = 16 * 1024
"""Bytes at a log's end in which they are looked for."""
LOGS = 5
"""Logs whose ends are shown; the others are named."""


class Failures(logging.Filter):
    """Takes commands out of Snakemake's messages about failed jobs, and keeps what `text` needs."""

    def __init__(self):
        super().__init__()
        self.failed: dict[str, str] = {}
        """The rule of each failed job, by the path of its log."""
        self.logs: dict[int, list[str]] = {}
        """The logs of each failed job by its number: it may succeed when it is tried again."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten a record about a failed job; leave out the one that only repeats its command."""
        event = getattr(getattr(record, "event", None), "value", None)
        if event == "job_error":
            logs = [log for log in record.log if Path(log).exists()] or list(record.log)
            self.failed |= dict.fromkeys(logs, record.rule_name)
            self.logs[record.jobid] = logs
            record.shellcmd = None
        elif event == "job_finished":
            for log in self.logs.pop(record.job_id, ()):
                self.failed.pop(log, None)
        return not (event == "error" and "CalledProcessError" in record.getMessage())

    def jobs(self) -> list[dict[str, str]]:
        """Each failed job: `rule` (with its phase, where it has one), `shard` (empty where it has none), and `log`."""
        found = []
        for log, rule in list(self.failed.items()):
            path = Path(log)
            of_shard = path.parent.name.endswith(f".{rule}")
            name, shard = (path.parent.name, path.stem) if of_shard else (rule, "")
            found.append({"rule": name, "shard": shard, "log": log})
        return found

    def text(self) -> str:
        """The last lines of each failed job's log; of those after the first few, the paths only."""
        logs = list(self.failed)
        parts = [f"{self.failed[log]} failed. The end of {log}:\n{tail(Path(log))}" for log in logs[:LOGS]]
        if logs[LOGS:]:
            parts.append("\n  ".join(["Other jobs failed, too. Their logs:", *logs[LOGS:]]))
        return "\n\n".join(["", *parts, ""]) if parts else ""


def tail(log: Path, lines: int = LINES) -> str:
    """The last lines of a log, indented, as a terminal can show them."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            said = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        said = [f"cannot be read: {error.strerror}"]
    return "\n".join("  " + printable(line, keep="\t") for line in said[-lines:] or ["(empty)"])
