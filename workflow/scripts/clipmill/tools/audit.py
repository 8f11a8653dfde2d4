"""Audit a finished results folder: books, order, digests and files; with --deep, every clip is decoded.

Every file is read whole, also where its size and time are as they were. One line per finding; the exit status is 1
where there is any. Nothing is changed unless --remove.

Example: make audit RESULTS=results/demo ARGS=--deep
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from clipmill.engine import fetched, remote, tables, vouch
from clipmill.engine.rejects import Reject
from clipmill.plan.damage import FIRST, GATHERED
from clipmill.tools import books, tidy
from clipmill.tools.books import DAMAGED, LEFT_OVER, Finding
from clipmill.videos import images
from clipmill.videos.clip_file import read_back

AGAIN = "run the command that made this folder again"
EXPECTED = (*FIRST, *(name for names in GATHERED.values() for name in names))
"""The files that every finished run has."""
CLIPS = 1000
"""Clips that are decoded side by side: their rows are in memory."""


def main() -> None:
    """Print every finding, and what heals it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder of a finished run")
    parser.add_argument("--deep", action="store_true", help="decode every clip and compare it with its row")
    parser.add_argument("--remove", action="store_true", help="remove what is damaged, so that a run makes it again")
    args = parser.parse_args()
    if not (args.results / "run.json").exists():
        sys.exit(f"{args.results} has no run.json, so it is not a finished run: {AGAIN}")
    audit, found = Audit(args.results), Counter()
    for finding in audit.findings(args.deep):
        found[finding.kind] += 1
        print(finding, flush=True)
        for path in finding.remove if args.remove else ():
            path.unlink(missing_ok=True)
    print("\n".join(audit.conclusion(found, args.remove)))
    sys.exit(bool(found))


class Audit:
    """One look at a results folder."""

    def __init__(self, results: Path):
        self.results, self.files, self.bytes = results, 0, 0
        self.vouched: set[str] = set()
        self.bar = tqdm(unit="file", disable=not sys.stderr.isatty())

    def findings(self, deep: bool) -> Iterator[Finding]:
        """Everything that is not as it should be. The account comes first: it says which folders are in use."""
        account = self.results / "run.json"
        if damage := self.damage(account):
            yield Finding(account, damage)
            return
        account = json.loads(account.read_text(encoding="utf-8"))
        work, memos = (tidy.in_use(self.results, account, kind) for kind in ("work", "memo"))
        damaged = [Finding(path, why) for path in self.written(work | memos) if (why := self.damage(path))]
        yield from damaged
        losses = list(self.losses(work))
        yield from losses
        if any(str(finding.path.relative_to(self.results)) in EXPECTED for finding in damaged):
            print("The books are not compared: one of the tables is damaged or missing.", file=sys.stderr)
            return
        yield from books.findings(self.results, account)
        if not damaged + losses:
            yield from self.strays()
        if deep:
            yield from self.undecodable()

    def written(self, folders: set[Path]) -> list[Path]:
        """Every table, JSON file and part of the memo, those of which only the sum is left included."""
        found = {self.results / name for name in EXPECTED if name != "run.json"}
        for folder in (*folders, self.results / "plan", self.results / "memo/list_videos", self.results / "history"):
            names = [path for path in folder.rglob("*") if path.is_file()]
            sums = [path for path in names if path.name.startswith(".") and path.suffix == ".sum"]
            found |= {path for path in names if path.suffix in (".csv", ".json", ".parquet")}
            found |= set(map(vouch.vouched, sums))
        return sorted(found)

    def damage(self, path: Path) -> str | None:
        """How a file of ours is not as it was written, in words; None where it is."""
        try:
            (vouch.check_named if path.suffix == ".parquet" else vouch.check)(path)
        except vouch.Damaged as error:
            return error.why
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return self.count(path)

    def count(self, path: Path) -> None:
        """Take a file that is whole into the sum."""
        self.files, self.bytes = self.files + 1, self.bytes + path.stat().st_size
        self.bar.update()

    def losses(self, work: set[Path]) -> Iterator[Finding]:
        """The tables of planned shards that are lost with their sums; the clips and frame stores that are not as the
        tables vouch for."""
        for folder in sorted(work):
            phase = folder.parent.name.partition(".")[0]
            for shard in readable(self.results / "plan" / phase / "manifest.csv"):
                table = folder / f"{shard['shard']}.csv"
                if not table.exists() and not vouch.place(table).exists():
                    gathered = [self.results / name for name in GATHERED[phase]]
                    yield Finding(table, "is missing", also=tuple(gathered))
                yield from self.files_of(table)

    def files_of(self, table: Path) -> Iterator[Finding]:
        """The clips and frame stores of a table that are not as they were written."""
        try:
            known = vouch.read(table)
        except vouch.Damaged:
            return  # a finding of its own
        for name, state in known.files.items() if known else ():
            self.vouched.add(name)
            path = self.results / name
            if why := changed(path, state):
                yield Finding(path, why)
            else:
                self.count(path)

    def strays(self) -> Iterator[Finding]:
        """Clips that meta.csv names and no table vouches for; files that nothing names."""
        for row in tables.read(self.results / "meta.csv"):
            path = row.get("path")
            if path and (Path(path).is_absolute() or remote.is_remote(path)):
                if not (fetched.exists(path) if remote.is_remote(path) else Path(path).is_file()):
                    yield Finding(self.results / "meta.csv", f"names a source that is not there: {path}")
            elif path and path not in self.vouched:
                yield Finding(self.results / "meta.csv", f"names a file that nothing vouches for: {row['path']}")
        left = {path for path in tidy.orphans(self.results, memo=False) if path.is_file()}
        waiting = tidy.not_drawn(self.results)
        yield from (Finding(path, "belongs to no row", LEFT_OVER) for path in sorted(left))
        for path in sorted([*(self.results / "clips").rglob("*"), *(self.results / "frames").rglob("*.*")]):
            named = str(path.relative_to(self.results)) in self.vouched
            named |= path.stem.partition("-")[0] in waiting
            if path.is_file() and path.suffix != ".tmp" and not named and not left & {path, *path.parents}:
                yield Finding(path, "is none of our files: move it elsewhere", LEFT_OVER)

    def undecodable(self) -> Iterator[Finding]:
        """The clips that do not decode to the frames and the size of their row."""
        rows = (row for row in tables.read(self.results / "meta.csv") if row.get("path"))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for part in iter(lambda: list(islice(rows, CLIPS)), []):
                paths = [self.results / row["path"] for row in part]
                for path, why in zip(paths, pool.map(undecoded, paths, part), strict=True):
                    self.bar.update()
                    if why:
                        yield Finding(path, why)

    def conclusion(self, found: Counter, removed: bool) -> list[str]:
        """What was read, how it stands, and what heals it."""
        self.bar.close()
        state = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "all is well"
        lines = [f"{self.results}: {self.files} files ({self.bytes / 1e9:.3f} GB) are whole; {state}"]
        if found[DAMAGED]:
            before = "" if removed else f"make audit RESULTS='{self.results}' ARGS=--remove, then "
            lines.append(f"To heal what is damaged: {before}{AGAIN}.")
        if found[LEFT_OVER]:
            lines.append(f"To remove clips and frames that belong to no row: make tidy RESULTS='{self.results}'")
        return lines


def changed(path: Path, recorded: str) -> str | None:
    """How a file differs from its recorded state, in words, also where size and time are the same; None where it does
    not."""
    try:
        same = vouch.digest(path) == recorded.split()[0]
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if same else vouch.CHANGED


def undecoded(path: Path, row: dict) -> str | None:
    """How a clip differs from its row, in words; None where it does not."""
    size = int(row["height"]), int(row["width"])
    try:
        if path.suffix == ".mp4":
            read_back(str(path), int(row["num_frames"]), size, float(row["fps"]))
            return None
        shown = images.read(path).picture
    except Reject as error:
        return f"is not as its row says: {error.detail}"
    except Exception as error:  # whatever a library raises on a damaged file
        return f"cannot be decoded: {type(error).__name__}: {error}"
    found = shown.height, shown.width
    return None if found == size else f"is not as its row says: {found} pixels (height, width), not {size}"


def readable(table: Path) -> list[dict]:
    """The rows of a small table; none where it is damaged, which is a finding of its own."""
    try:
        return list(tables.read(table))
    except (OSError, ValueError):
        return []


if __name__ == "__main__":
    main()
