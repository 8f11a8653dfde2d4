"""The clips of a merged folder: other names of those of its parts, or copies, with tables that vouch for them."""

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from clipmill.engine import files, tables, vouch
from clipmill.release.vouched_clips import DamagedClip, VouchedClips
from clipmill.tools.parts import CUT, EMBEDDED, HASHED, Part

COLUMNS = {HASHED: ["id", "hashes"], EMBEDDED: ["id", "vector"]}
SHARD = 50_000
"""Rows of a shard of the merged folder."""


class Shards:
    """The folder that is made, as its rules would have left it: what an audit, a release and a later merge read."""

    def __init__(self, parts: list[Part], draft: Path):
        self.parts, self.draft = parts, draft

    def work(self, rule: str) -> str:
        """The folder of a rule's tables, from the results; empty where the rule has not run."""
        found = self.parts[0].work(rule)
        return f"work/{rule}/{found.name}" if found else ""

    def write_manifest(self, phase: str, shards: int) -> None:
        """Name the shards of a phase."""
        rows = ({"shard": f"{number:05d}"} for number in range(shards))
        tables.write(self.draft / "plan" / phase / "manifest.csv", ["shard"], rows)

    def write_known(self, rule: str, rows: list[dict]) -> None:
        """Keep the table of a rule of the clips phase for all clips."""
        shards = [rows[first : first + SHARD] for first in range(0, max(1, len(rows)), SHARD)]
        for number, shard in enumerate(shards):
            names = dict.fromkeys(name for row in shard for name in row)
            tables.write(self.draft / self.work(rule) / f"{number:05d}.csv", names or COLUMNS[rule], shard)
        self.write_manifest("clips", len(shards))

    def with_clips(self, pairs: Iterable[tuple[Part, dict]]) -> Iterator[tuple[Part, dict]]:
        """The pairs, whose clips get another name or are copied on the way; tables that vouch for them."""
        vouched = {part.folder: VouchedClips(part.folder, part.work(CUT)) for part in self.parts if part.work(CUT)}
        if vouched:
            (self.draft / "clips").mkdir(parents=True, exist_ok=True)
        shard, numbers = [], count()
        for part, row in pairs:
            yield part, row
            if vouched:
                state = vouched[part.folder].state(row)
                place(part.folder / row["path"], self.draft / row["path"], state)
                shard.append((row, state))
                if len(shard) == SHARD:
                    self.vouch_for(next(numbers), shard)
                    shard = []
        if vouched:
            self.vouch_for(last := next(numbers), shard)
            self.write_manifest("captions", last + 1)

    def vouch_for(self, number: int, clips: list[tuple[dict, str]]) -> None:
        """Write the table that stands for a shard of cut_clips."""
        table = self.draft / self.work(CUT) / f"{number:05d}.csv"
        with files.whole(table, belonging=[(row["path"], state) for row, state in clips]) as file:
            tables.writer(file, ["id", "path", "frames_digest"]).writerows(row for row, _ in clips)


def place(source: Path, target: Path, state: str) -> None:
    """Give a clip another name in the new folder, or copy it. Raises Damaged where it is not as recorded."""
    why = vouch.fault(source, state)
    if not why:
        try:
            os.link(source, target)
            return
        except OSError:  # another disk, or one without links
            shutil.copy2(source, target)
        why = None if vouch.digest(target) == state.split()[0] else vouch.CHANGED
    if why:
        raise DamagedClip(f"{source} {why}: run the command that made its folder again, which cuts it again")
