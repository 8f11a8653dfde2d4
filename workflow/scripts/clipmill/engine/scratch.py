"""Copies of models on a node's own disk, and the folders there that are this user's alone."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from clipmill.engine.files import state


def copy_on_node(place: Path) -> Path:
    """The copy of a file or folder on this node's own disk, CLIPMILL_SCRATCH (in which ~ and $NAMES are expanded).

    The first process of a node that asks makes it, and the others wait. It exists whole or not at all, and a file that
    changed gets a new copy. Only a folder that is this user's alone is trusted. Without that variable, and where the
    disk fails, is full or is not trusted, the result is `place` itself.
    """
    folder = private_folder("clipmill-models")
    if folder is None:
        return place
    copy = folder / hashlib.blake2b(repr(state(place.absolute())).encode(), digest_size=6).hexdigest() / place.name
    try:
        make_private(folder)
        with open(folder / f"{copy.parent.name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not copy.exists():
                with tempfile.TemporaryDirectory(dir=folder) as started:
                    target = Path(started, "whole", place.name)
                    target.parent.mkdir()
                    (shutil.copytree if place.is_dir() else shutil.copyfile)(place, target)
                    target.parent.replace(copy.parent)
    except OSError as error:
        print(f"scratch: {place} is read in place: {error}", file=sys.stderr)
        return place
    return copy


def private_folder(name: str, default: str = "") -> Path | None:
    """This user's folder of a name on this node's own disk, CLIPMILL_SCRATCH, or in `default`; None without either."""
    scratch = os.path.expanduser(os.path.expandvars(os.environ.get("CLIPMILL_SCRATCH", "")))
    scratch = default if not scratch or "$" in scratch else scratch
    return Path(scratch) / f"{name}-{os.geteuid()}" if scratch else None


def make_private(folder: Path) -> None:
    """Make that folder where there is none. Raises OSError where the disk fails, or where it is not trusted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    require_private(folder)


def require_private(folder: Path) -> None:
    """Raise PermissionError where another user could have written in a folder, or could put another in its place."""
    status, above = folder.lstat(), folder.parent.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionError(f"{folder} is not a folder")
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{folder} must be this user's, with mode 700: remove it if it is yours")
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        raise PermissionError(f"{folder.parent} lets every user replace {folder.name}: set its sticky bit (chmod +t)")
