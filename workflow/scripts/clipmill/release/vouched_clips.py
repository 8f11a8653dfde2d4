"""The clips of a finished run, each checked against its sum while it is read."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import remote, tables, vouch

CHUNK = 1 << 22
"""Bytes that are read at once."""


class DamagedClip(Exception):
    """A clip that is not as it was cut. The message names it and says how it heals."""


class VouchedClips:
    """The clips that the tables of `cut_clips` vouch for, in the order of meta.csv: by id."""

    def __init__(self, results: Path, cut: Path):
        """`cut`: the folder with the tables of the shards of plan/captions."""
        self.results = results
        shards = [row["shard"] for row in tables.read(results / "plan" / "captions" / "manifest.csv")]
        self.sums = (vouch.check(cut / f"{shard}.csv").files for shard in shards)
        self.states: dict[str, str] = {}

    def state(self, path: str) -> str:
        """What was recorded of a clip, to be asked for in order. Raises DamagedClip where nothing vouches for it."""
        if os.path.isabs(path) or remote.is_remote(path):
            raise tables.TableError(
                f"{path} was not cut by Clipmill (cut.mode: none), so this format cannot hold it; "
                "set release.formats to [csv]"
            )
        while path not in self.states:
            following = next(self.sums, None)
            if following is None:
                raise self.damaged(path, "is vouched for by nothing")
            self.states = following
        return self.states[path]

    def chunks(self, path: str, state: str) -> Iterator[bytes]:
        """The content of a clip. Its end is followed by DamagedClip where it is not as recorded."""
        known, size, _ = state.split()
        found, left = vouch.hasher(), int(size)
        try:
            with open(self.results / path, "rb", buffering=0) as file:
                if (there := os.fstat(file.fileno()).st_size) != left:
                    raise self.damaged(path, f"is damaged ({there} bytes in place of {size})")
                while left and (chunk := file.read(min(left, CHUNK))):
                    found.update(chunk)
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise self.damaged(path, f"cannot be read ({error.strerror})") from error
        if found.hexdigest() != known:
            raise self.damaged(path, vouch.CHANGED)

    def sha256(self, path: str, state: str, file=None) -> str:
        """SHA-256 of a clip, copied into `file` on the way if there is one."""
        whole = hashlib.sha256()
        for chunk in self.chunks(path, state):
            whole.update(chunk)
            if file:
                file.write(chunk)
        return whole.hexdigest()

    def damaged(self, path: str, why: str) -> DamagedClip:
        """The error about a clip."""
        return DamagedClip(
            f"{self.results / path} {why}: run make audit RESULTS='{self.results}' ARGS=--remove, then the same "
            "command again, which cuts it again"
        )
