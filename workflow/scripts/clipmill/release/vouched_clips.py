"""The clips of a finished run, each checked against its sum while it is read."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import fetched, remote, tables, vouch

CHUNK = 1 << 22
"""Bytes that are read at once."""


class DamagedClip(Exception):
    """A clip that is not as it was cut. The message names it and says how it heals."""


def is_source(path: str) -> bool:
    """Whether a clip was left in its source (`cut.mode: none`)."""
    return os.path.isabs(path) or remote.is_remote(path)


class VouchedClips:
    """The clips of meta.csv, to be asked for in its order, by id: the tables of `cut_clips` vouch for those that were
    cut, tables/videos.csv for whole sources (`cut.mode: none`)."""

    def __init__(self, results: Path, cut: Path):
        """`cut`: the folder with the tables of the shards of plan/captions."""
        self.results = results
        shards = (row["shard"] for row in tables.read(results / "plan" / "captions" / "manifest.csv"))
        self.sums = (vouch.check(cut / f"{shard}.csv").files for shard in shards)
        self.states: dict[str, str] = {}
        self.videos = tables.read(results / "tables" / "videos.csv")
        self.video: dict[str, str] = {"id": ""}

    def state(self, row: dict) -> str:
        """What was recorded of a pair's clip: digest, bytes and time. Raises DamagedClip where nothing vouches for it,
        TableError where it has no file of its own."""
        path = row["path"]
        if is_source(path):
            return self.state_of_source(row)
        while path not in self.states:
            following = next(self.sums, None)
            if following is None:
                raise self.damaged(path, "is vouched for by nothing")
            self.states = following
        return self.states[path]

    def state_of_source(self, row: dict) -> str:
        """The same of a clip that is a whole source."""
        while self.video["id"] < row["video_id"]:
            self.video = next(self.videos, {"id": "~"})
        if self.video["id"] != row["video_id"]:
            raise self.damaged(row["path"], "is vouched for by nothing")
        if self.video["num_frames"] != row["num_frames"]:
            raise tables.TableError(
                f"{row['id']} is a part of {row['path']} and has no file of its own (cut.mode: none), so this format "
                "cannot hold it; set cut.mode to encode, or release.formats to [csv] or [parquet]"
            )
        return f"{self.video['digest']} {self.video['bytes']} 0"

    def chunks(self, path: str, state: str) -> Iterator[bytes]:
        """The content of a clip. Its end is followed by DamagedClip where it is not as recorded."""
        known, size, _ = state.split()
        found, left = vouch.hasher(), int(size)
        try:
            with open(fetched.here(path) if remote.is_remote(path) else self.results / path, "rb", buffering=0) as file:
                if (there := os.fstat(file.fileno()).st_size) != left:
                    raise self.damaged(path, f"is damaged ({there} bytes in place of {size})")
                while left and (chunk := file.read(min(left, CHUNK))):
                    found.update(chunk)
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise self.damaged(path, f"cannot be read ({error.strerror or error})") from error
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
        if is_source(path):
            return DamagedClip(f"{path} {why}: put it back as it was, or run the same command again")
        return DamagedClip(
            f"{self.results / path} {why}: run make audit RESULTS='{self.results}' ARGS=--remove, then the same "
            "command again, which cuts it again"
        )
