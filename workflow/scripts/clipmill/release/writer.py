"""What all writers of a release share: a folder that appears whole, and a table of its files with their sums."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from clipmill.engine import files, tables, vouch
from clipmill.release.columns import Columns
from clipmill.release.pairs import TRAIN, Pair, pairs
from clipmill.release.vouched_clips import DamagedClip, VouchedClips

FORMATS = ("webdataset", "parquet", "huggingface", "csv")
FILES = ("file", "bytes", "mtime", "sha256")
"""The columns of work/release/<format>/<digest>.csv: paths are from the folder release/."""
AHEAD = 512
"""Pairs whose clips are read side by side."""


class Writer:
    """Writes one format. A format says what `write` makes of the pairs, and which ids its files hold."""

    name: str
    """The format, and its folder in the release."""
    reserved: tuple[str, ...] = ()
    """Names of columns that the format needs for itself."""
    holds_clips = True
    """Whether it holds the clips or their paths."""

    def __init__(self, results: Path, cut: Path, options: dict, threads: int = 1):
        self.results, self.options, self.meta = results, options, results / "meta.csv"
        self.columns = Columns(self.meta, options, self.reserved)
        if self.holds_clips and "path" not in tables.columns(self.meta):
            raise tables.TableError(
                f"{self.meta} has no column path (cut.enabled: false), so {self.name} has no clips to hold; "
                "set release.formats to [parquet], or cut.enabled to true"
            )
        self.clips = VouchedClips(results, cut)
        self.threads = threads
        self.folder = results / "work" / "release" / self.name / "new"
        """Where the files are written: they move to `target` when all are there."""
        self.target = results / "release" / self.name
        self.sums: dict[str, str] = {}
        """SHA-256 of the files for which it is known, by path from `folder`."""

    def write(self, found: Iterator[Pair]) -> None:
        """Write the files of these pairs, sorted by id, into `folder`."""
        raise NotImplementedError

    def held(self) -> Iterator[str]:
        """The id of every pair that the files in `folder` hold, read from the files themselves."""
        raise NotImplementedError

    def run(self, out: Path) -> None:
        """Write the format and the table of its files. Raises TableError where a pair is missing or one too many."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        asked, held = Tally(), Tally()
        self.write(pair for pair in pairs(self.meta, self.options) if asked.add(pair.row["id"]))
        for id in self.held():
            held.add(id)
        if asked != held:
            raise tables.TableError(f"{self.name} holds {held.count} pairs of the {asked.count} of {self.meta}")
        remove_tables(self.folder.parent)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.target, ignore_errors=True)
        self.folder.rename(self.target)
        tables.write(out, FILES, sums(self.target, self.sums))

    def in_threads(self, work: Callable, items: Iterable) -> Iterator:
        """(item, what `work` makes of it) in order, a limited number of them at a time."""
        items = iter(items)
        with ThreadPoolExecutor(self.threads) as pool:
            while some := list(islice(items, AHEAD)):
                yield from zip(some, pool.map(work, some), strict=True)

    def placed(self, found: Iterable[Pair]) -> Iterator[tuple[str, Pair | None]]:
        """(part, pair) of each pair; where there is none, the empty part of the split `train`."""
        part = None
        for pair in found:
            part = pair.part()
            yield part, pair
        if part is None:
            yield TRAIN, None

    def states(self, found: Iterable[Pair]) -> Iterator[tuple[Pair, str]]:
        """(pair, what was recorded of its clip)"""
        return ((pair, self.clips.state(pair.row)) for pair in found)


class Tally:
    """A set of ids that grows without memory: as many, with the same sum of digests, are the same."""

    def __init__(self):
        self.count, self.sum = 0, 0

    def add(self, id: str) -> bool:
        """Count an id; always true."""
        self.count += 1
        self.sum += int(vouch.digest_of(id.encode()), 16)
        return True

    def __eq__(self, other) -> bool:
        return (self.count, self.sum) == (other.count, other.sum)


def remove_tables(folder: Path) -> None:
    """Remove the tables of files of earlier settings: those files are about to be replaced."""
    for path in [*folder.glob("*.csv"), *folder.glob(".*.sum")]:
        path.unlink()


def sums(folder: Path, known: dict[str, str]) -> Iterator[dict]:
    """A row per file of a folder of the release, sorted; `known`: SHA-256 by path from the folder."""
    for name in sorted(os.path.join(place, name) for place, _, names in os.walk(folder) for name in names):
        below = name[len(str(folder)) + 1 :]
        status = os.stat(name)
        digest = known.get(below) or files.sha256(Path(name))
        yield {
            "file": f"{folder.name}/{below}",
            "bytes": status.st_size,
            "mtime": status.st_mtime_ns,
            "sha256": digest,
        }


def main(kind: type[Writer], doc: str) -> None:
    """Parse the command line and write a format; a mistake or a damaged clip is a plain message."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder of a finished run")
    parser.add_argument("--cut", type=Path, required=True, help="the folder with the tables of cut_clips")
    parser.add_argument("--options", type=json.loads, required=True, help="the release's options, as JSON")
    parser.add_argument("--threads", type=int, default=1, help="clips that are read side by side")
    parser.add_argument("--out", type=Path, required=True, help="the table of the files to write")
    args = parser.parse_args()
    try:
        kind(args.results, args.cut, args.options, args.threads).run(args.out)
    except (tables.TableError, DamagedClip, vouch.Damaged) as error:
        sys.exit(str(error))
