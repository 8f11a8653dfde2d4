"""Tidy a finished results folder: remove the files that no table names any more. The memo stays unless --memo.

Example: make tidy RESULTS=results/demo ARGS=--dry-run
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import files, tables, vouch

DAY = 86400
"""Seconds: a temporary file that is older than the account by this much has no living writer on any host."""


def main() -> None:
    """Remove the files, or list them, and say how much space that frees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder of a finished run")
    parser.add_argument("--memo", action="store_true", help="also forget what earlier settings and code remembered")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    args = parser.parse_args()
    if not (args.results / "run.json").exists():
        sys.exit(f"{args.results} has no run.json, so it is not a finished run; nothing was removed")
    freed = 0
    for path in orphans(args.results, args.memo):
        inside = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        freed += sum(file.stat().st_size for file in inside)
        print(path)
        if not args.dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{'would free' if args.dry_run else 'freed'} {freed / 1e6:.1f} MB", file=sys.stderr)


def orphans(results: Path, memo: bool) -> Iterator[Path]:
    """Clips of no pair, frames of videos that are gone, work of former settings, temporary files of dead jobs."""
    account = json.loads(vouch.content(results / "run.json"))
    waiting = not_drawn(results)
    yield from strays(results, account)
    memos = in_use(results, account, "memo")
    digests = {folder.name for folder in memos if folder.parent.name == "scan_videos"}
    videos = {row["id"] for row in tables.read(results / "tables" / "videos.csv")} | waiting
    for folder in (results / "frames").glob("*"):
        if folder.name not in digests:
            yield folder
        else:
            yield from (path for path in folder.rglob("*.zip") if path.stem not in videos)
    newest = (results / "run.json").stat().st_mtime
    work = in_use(results, account, "work")
    yield from (path for path in (results / "work").glob("*.*/*") if path not in work)
    if memo:
        yield from (path for path in (results / "memo").glob("*/*") if path.is_dir() and path not in memos)
    yield from (path for path in results.rglob(".*.tmp") if files.is_stale(path) or path.stat().st_mtime < newest - DAY)


def not_drawn(results: Path) -> set[str]:
    """The ids of the files that a pilot has left out: what an earlier run made of them stays."""
    table = results / "tables" / "sample.csv"
    return {row["id"] for row in tables.read(table) if not row["drawn"]} if table.exists() else set()


def strays(results: Path, account: dict) -> Iterator[Path]:
    """Files in clips/ that no table names: who reads the folder in place of meta.csv would train on them.

    Where clips are cut first, those of rejects are named by tables/clips.csv, and stay.
    """
    first, waiting = account["configuration"]["cut"]["when"] == "first", not_drawn(results)
    if first:
        named = {row["id"] for row in tables.read(results / "tables" / "clips.csv")}
    else:
        named = {row.get("path", "").rpartition("/")[2] for row in tables.read(results / "meta.csv")}
    for path in (results / "clips").glob("[!.]*"):
        if (path.stem if first else path.name) not in named and path.stem.partition("-")[0] not in waiting:
            yield path


def hint(results: Path, account: dict) -> str:
    """What a run says of such files at its end; nothing where there are none."""
    count = sum(1 for _ in strays(results, account))
    if not count:
        return ""
    files = "1 file in clips/ is" if count == 1 else f"{count:,} files in clips/ are"
    return f"{files} of no pair: make tidy RESULTS='{results}' removes such files, ARGS=--dry-run lists them"


def in_use(results: Path, account: dict, kind: str) -> set[Path]:
    """The folders of the last run, `memo` or `work`, wherever the results folder is now and however it is named."""
    before = account["configuration"]["results"]
    return {results / os.path.relpath(folder, before) for folder in account["current"][kind]}


if __name__ == "__main__":
    main()
