"""What programs cost as whole processes, and which films they run on."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def environment() -> dict[str, str]:
    """That of the programs: one thread each; and compiled modules are kept, so that no start compiles its imports."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"OMP_NUM_THREADS": "1", "OPENCV_FFMPEG_THREADS": "1"}


def measured(command: list, folder: Path | None = None) -> tuple[float, int]:
    """CPU seconds and most MB of a command, run in a folder. Ends with a message where it fails."""
    words = [str(word) for word in command]
    process = subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        sys.exit(f"{words} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def in_turns(ways: dict[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """What each way costs in each of some turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            found[name].append(way())
    return found


def ratio(ones: list[float], others: list[float]) -> float:
    """The median of the ratios of turns."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def films(paths: list[Path]) -> list[Path]:
    """These files, and the videos in these folders, sorted by name."""
    found = []
    for path in paths:
        inside = sorted(each for each in path.rglob("*") if each.suffix in (".mp4", ".mkv", ".webm", ".mov"))
        found += inside if path.is_dir() else [path]
    return [path.resolve() for path in found]
