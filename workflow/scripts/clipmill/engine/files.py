"""Files: written whole or not at all, vouched for, distinguished from leftovers of dead processes."""

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from clipmill.engine import vouch


@contextlib.contextmanager
def whole(path: str | Path, mode: str = "w", belonging: Iterable[tuple[str, str]] = ()):
    """Open `path` for writing under a temporary name in its folder; flush and rename it when the block succeeds.

    A reader sees the old file or the whole new one. The temporary name holds the host and the process, so that two
    writers of one path do not meet, and so that `is_stale` can tell whose it was. A text gets a sum beside it
    (see `vouch`), which vouches for the `belonging` files, too: (path, state) of each, taken when the block has ended.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(draft, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if text:
            _write_sum(path, vouch.text(draft, belonging))
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def temporary(path: Path) -> Path:
    """The name of a file of this process that is about to be `path`."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")


def _write_sum(path: Path, text: str) -> None:
    """Write the sum of a file that is about to get its name: a kill in between leaves what looks damaged, never
    what looks whole."""
    with whole(vouch.place(path), "wb") as file:
        file.write(text.encode())


def write_if_changed(path: str | Path, text: str | bytes) -> bool:
    """Write `text` whole to `path` unless it already holds these bytes; returns whether it was written."""
    path, content = Path(path), text.encode() if isinstance(text, str) else text
    with contextlib.suppress(vouch.Damaged):
        vouch.check(path)
        if path.read_bytes() == content:
            return False
    with whole(path) as file:
        file.buffer.write(content)
    return True


def is_stale(path: Path) -> bool:
    """Whether `path` is a temporary file of `whole` on this host whose writer is dead."""
    name, _, rest = path.name.partition(f".{socket.gethostname()}.")
    pid = rest.removesuffix(".tmp")
    return bool(name) and rest.endswith(".tmp") and pid.isdigit() and not _is_alive(int(pid))


def remove_stale(folder: Path) -> None:
    """Remove the temporary files that killed processes of this host left anywhere in `folder`."""
    for path in folder.rglob(".*.tmp"):
        if is_stale(path):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_through(path: Path) -> None:
    """Read a file to its end. Raises OSError where that fails."""
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_and_time(path: str | Path) -> tuple[int, int]:
    """Bytes and time of the last change (nanoseconds) of a file: while they are unchanged, so is its content."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def state(place: Path) -> list[list]:
    """Name, size and time of a file, or of each file of a folder."""
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    return [[str(file), *size_and_time(file)] for file in files if file.is_file()]
