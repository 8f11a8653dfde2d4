"""Copies of sources that lie elsewhere, on this node's own disk: fetched whole, kept within a budget, and shared by all
processes of the node.

A copy is named by a digest of its address and version, so another version is another copy. `<copy>.part` is being
fetched, and continued where a fetch was ended. Whoever fetches a file locks it alone, whoever reads it shares the lock,
and what is locked is not removed. Locks end with their process.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

from clipmill.engine import files, remote, scratch, vouch
from clipmill.engine.workers import progress

NAME = "clipmill-sources"
"""Of the folder, before the user's number."""
CHUNK = 16 << 20
"""Bytes per request: what is lost where a request fails."""
LOOK = 0.2
"""Seconds between looks at a file that another process fetches."""
CHANGES = 5
"""Times that a file may change while it is fetched."""
GIGABYTES = "CLIPMILL_SCRATCH_GIGABYTES"

_of_thread = threading.local()
_addresses: dict[str, str] = {}
"""What the copies that this process used are copies of."""
_seen: dict[str, remote.State] = {}
"""The version of each address that this process read last."""


class Sources:
    """Where sources lie: a folder of this machine, or a place elsewhere. `sources / relpath` is a file of this machine,
    which is fetched first where it lies elsewhere."""

    def __init__(self, root: str | Path):
        self.root = str(root)

    def __str__(self) -> str:
        return self.root

    def __truediv__(self, relpath: str) -> Path:
        return here(remote.join(self.root, relpath))


def here(place: str | Path) -> Path:
    """A file of this machine with the content of a path or an address.

    It stays until this thread asks for another one. Raises FileNotFoundError, remote.Unreachable, or another OSError
    where the disk fails.
    """
    return _copy(place) if remote.is_remote(place) else Path(place)


def state(place: str | Path) -> tuple[int, int | str]:
    """Size and version (of a path: the time of its last change) of a file; of an address, those of what this process
    read last. Raises FileNotFoundError or another OSError."""
    if remote.is_remote(place):
        return _seen.get(place) or remote.state(place)
    return files.size_and_time(place)


def exists(place: str | Path) -> bool:
    """Whether a file is there now."""
    try:
        return bool(remote.state(place)) if remote.is_remote(place) else os.path.exists(place)
    except FileNotFoundError:
        return False


def told(text: str) -> str:
    """A message in which copies have the addresses of what they are copies of."""
    for copy, address in _addresses.items() if NAME in text else ():
        text = text.replace(f"file:{copy}", address).replace(copy, address)
    return text


def _copy(address: str) -> Path:
    folder = _folder()
    for _ in range(CHANGES):
        _seen.pop(address, None)
        size, version = _seen[address] = remote.state(address)
        suffix = re.search(r"^\.\w{1,8}$", remote.suffix(address)) or [""]
        copy = folder / f"{vouch.digest_of(repr((address, size, version)).encode())}{suffix[0]}"
        _addresses[str(copy)] = address
        if _is_held(copy):
            return copy
        with _alone(copy.with_name(f"{copy.name}.part")) as part:
            if _is_held(copy):
                os.unlink(part.name)
                return copy
            if not version:  # what is there may be of another version
                part.truncate(0)
            _let_go()
            _make_room(folder, size - part.seek(0, os.SEEK_END))
            _continue(part, address, size)
            if remote.state(address) == (size, version):
                os.replace(part.name, copy)
                _hold(os.dup(part.fileno()))
                return copy
            os.unlink(part.name)
    raise remote.Unreachable(f"{address}: it changes while it is fetched")


def _continue(part, address: str, size: int) -> None:
    """Fetch what a part lacks."""
    while (done := part.seek(0, os.SEEK_END)) < size:
        data = remote.received(address, done, min(size, done + CHUNK))
        if done and len(data) == size:  # the server knows no ranges: this is all
            part.truncate(0)
        part.write(data)
        part.flush()
    os.fsync(part.fileno())


@contextlib.contextmanager
def _alone(path: Path):
    """A file that is about to be written, which no other thread or process has locked."""
    while True:
        with open(path, "ab") as file:
            if _is_locked(file.fileno()) and _is_named(file.fileno(), path):
                yield file
                return
        progress()
        time.sleep(LOOK)


def _is_locked(file: int) -> bool:
    """Whether an open file could be locked alone."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _is_held(copy: Path) -> bool:
    """Whether the copy is there; then this thread shares its lock."""
    try:
        file = os.open(copy, os.O_RDONLY)
    except FileNotFoundError:
        return False
    _hold(file)
    if not _is_named(file, copy):
        return False
    os.utime(copy)
    return True


def _hold(file: int) -> None:
    """Share the lock of an open file in place of the one that this thread held."""
    _let_go()
    fcntl.flock(file, fcntl.LOCK_SH)
    _of_thread.file = file


def _let_go() -> None:
    """Let others remove the copy that this thread held."""
    if (file := getattr(_of_thread, "file", None)) is not None:
        os.close(file)
        _of_thread.file = None


def _is_named(file: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(path))
    return False


def _folder() -> Path:
    folder = scratch.private_folder(NAME, default=tempfile.gettempdir())
    scratch.make_private(folder)
    return folder


def _make_room(folder: Path, size: int) -> None:
    """Remove the copies that were used longest ago, until `size` bytes more keep within the budget and fit on the disk.

    What others read stays, so what is being read at the same time may exceed the budget.
    """
    held = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            held.append((status.st_mtime_ns, status.st_size, path))
    over = sum(size for _, size, _ in held) + size - float(os.environ.get(GIGABYTES) or 100) * 1e9
    over = max(over, size - shutil.disk_usage(folder).free)
    for _, bytes_held, path in sorted(held):
        if over <= 0:
            return
        if _is_removed(path):
            over -= bytes_held


def _is_removed(path: Path) -> bool:
    """Whether a file that nobody reads or writes was there and is removed."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        if _is_locked(file.fileno()):
            path.unlink()
            return True
    return False
