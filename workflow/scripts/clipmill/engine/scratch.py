"""Copies of models on a node's own disk."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from clipmill.engine.files import state


def copy_on_node(place: Path) -> Path:
    """The copy of a file or folder on this node's own disk, CLIPMILL_SCRATCH (in which ~ and $NAMES are expanded).

    The first process of a node that asks makes it, and the others wait. It exists whole or not at all, and a file that
    changed gets a new copy. Without that variable, and where the disk fails or is full, the result is `place` itself.
    """
    scratch = os.path.expanduser(os.path.expandvars(os.environ.get("CLIPMILL_SCRATCH", "")))
    if not scratch or "$" in scratch:
        return place
    folder = Path(scratch) / "clipmill-models"
    copy = folder / hashlib.blake2b(repr(state(place.absolute())).encode(), digest_size=6).hexdigest() / place.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
