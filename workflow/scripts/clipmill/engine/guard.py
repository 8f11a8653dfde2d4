"""Runs a program that must not outlive the process that started it.

    python guard.py PROGRAM [ARGUMENT ...]

The guard's standard input is a pipe whose other end the starter holds. However the starter ends, `kill -9` included,
the pipe closes; then the guard ends the program, and every process that the program has started. SIGTERM, which a
cluster sends to all processes of a job, does not end the guard. Linux only.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

GRACE = 12.0
"""Seconds that a program has to end by itself: SLURM kills a job 30 seconds after SIGTERM."""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): orphans below this process become its children, so that none is lost."""


def start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a program under a guard, what it prints in `log`. Close the `stdin` of what is returned to end it, and wait
    for the end; its return code is the program's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        # -P: the modules beside this file must not hide those of the library.
        return subprocess.Popen(
            [sys.executable, "-P", __file__, *command],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def main(command: list[str]) -> int:
    """Run the program to its end, or until the pipe closes; nothing that it started is left. Return its exit status."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        # A handler, unlike SIG_IGN, is not passed on to the program.
        signal.signal(number, lambda *_: None)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=end_with_starter, args=(program,), daemon=True).start()
    status = program.wait()
    kill_all()
    return 128 - status if status < 0 else status


def end_with_starter(program: subprocess.Popen) -> None:
    """Wait until the pipe closes, and end the program: kindly at first."""
    while os.read(0, 1024):
        pass
    program.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(GRACE)
    kill_all()


def kill_all() -> None:
    """Kill every process below this one, until there is none."""
    for _ in range(20):
        if not (below := psutil.Process().children(recursive=True)):
            return
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(below, timeout=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
