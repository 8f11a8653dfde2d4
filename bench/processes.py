"""What a program costs as a whole process."""

import os
import subprocess
import sys
from pathlib import Path


def measured(command: list[str], folder: Path | None = None) -> tuple[float, int]:
    """CPU seconds and most MB of a command, run in a folder. Ends with a message where it fails."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024
