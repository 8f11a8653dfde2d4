"""Servers that a job starts for itself on this machine, and that end with it, however it ends."""

import contextlib
import json
import os
import re
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipmill.engine import guard
from clipmill.engine.shown import shown_lines

HOST = "127.0.0.1"
LOOK_SECONDS = 0.5
"""How often a server that is starting is asked whether it is healthy."""
LINES = 10
"""Last lines of a dead server's log that are shown."""
CAUSE = re.compile(r"\b[A-Za-z.]*(?:Error|Exception): (?!.*root cause)")
"""A line of a log that names what went wrong."""


class ServerDied(ConnectionError):
    """A server that this job started has ended, or does not come up."""


@dataclass
class Server:
    """One of the servers: its port, its log and its guard's process."""

    port: int
    log: Path
    process: object

    def says(self, path: str) -> bytes | None:
        """What it answers to a plain request; None where it does not, or has no such path. It is asked directly,
        whatever proxy the environment names."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{HOST}:{self.port}{path}", timeout=10) as answer:
                return answer.read()
        except OSError:
            return None


class OwnServers:
    """As many servers as `environments`, each with what its environment adds to this process's. `command` makes a
    server's command line from its port; `log` is the path of the job's log, beside which theirs lie."""

    def __init__(self, command: Callable[[int], list[str]], environments: list[dict[str, str]], log: Path):
        self.servers: list[Server] = []
        # Two jobs that end up with the same port do not mix: the second server cannot start, and each has its own key.
        for number, (port, more) in enumerate(zip(free_ports(len(environments)), environments, strict=True)):
            own_log = log.with_suffix(f".server{number}.log")
            self.servers.append(Server(port, own_log, guard.start(command(port), own_log, without_ours() | more)))

    @property
    def urls(self) -> list[str]:
        """The base addresses for a client of OpenAI's protocol."""
        return [f"http://{HOST}:{server.port}/v1" for server in self.servers]

    def wait(self, seconds: float) -> None:
        """Return when all are healthy. Raises ServerDied where one ends, or is not healthy after so many seconds."""
        began = time.monotonic()
        logs = ", ".join(str(server.log) for server in self.servers)
        print(f"servers that this job has started, by their logs: {logs}", file=sys.stderr, flush=True)
        for server in self.servers:
            while server.says("/health") is None:
                self.check()
                if time.monotonic() - began > seconds:
                    raise ServerDied(
                        f"a server is not ready after {seconds:g} s (caption.server.wait); {last_words(server.log)}"
                    )
                time.sleep(LOOK_SECONDS)
        self.check()
        print(f"they are ready after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def version(self) -> str:
        """The version that the program says it has; "" where it says none."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(self.servers[0].says("/version"))["version"])
        return ""

    def check(self) -> None:
        """Raises ServerDied, with its last lines, where a server has ended."""
        for server in self.servers:
            if (status := server.process.poll()) is not None:
                raise ServerDied(f"a server that the job started ended with status {status}; {last_words(server.log)}")

    def close(self) -> None:
        """End all of them, and return when nothing of them is left."""
        for server in self.servers:
            server.process.stdin.close()
        for server in self.servers:
            server.process.wait()


def last_words(log: Path) -> str:
    """The end of a log, in words: its last lines, and before them the first one that names an error."""
    lines = log.read_text("utf-8", "replace").splitlines()
    last = lines[-LINES:]
    cause = next((line for line in lines if CAUSE.search(line)), None)
    shown = last if cause is None or cause in last else [cause, "...", *last]
    return shown_lines("\n  ".join([f"{log} says:", *(shown or ["(nothing)"])]))


def free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def without_ours() -> dict[str, str]:
    """The environment without what is meant for this process's Python and threads."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in ours}
