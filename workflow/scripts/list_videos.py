"""List the videos and images of a folder, or those that a CSV names in its column `path`, each with its identity.

Example: python workflow/scripts/list_videos.py --videos footage --out listing.csv --rejects rejects.csv --memo memo
"""

import argparse
import contextlib
import filecmp
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from clipmill.engine import tables, vouch
from clipmill.engine.rejects import TABLE, rejected
from clipmill.engine.shown import CONTROL, shown
from clipmill.videos.sources import COLUMNS, IMAGES, files, root_of

SAMPLE = 64 * 1024
"""Bytes that are read at each of a file's head, middle and tail."""


def main() -> None:
    """Parse the command line and write the listing and its rejects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="folder, or CSV with a column `path`")
    parser.add_argument("--out", type=Path, required=True, help="the listing to write")
    parser.add_argument("--rejects", type=Path, required=True, help="the table of rejects to write")
    parser.add_argument("--memo", type=Path, required=True, help="folder that remembers identities by name, size, time")
    args = parser.parse_args()
    root = root_of(args.videos)
    rows, rejects = listing(root, files(args.videos), args.memo / "files.csv")
    if not rows and not rejects:
        sys.exit(f"{args.videos}: no video or image in it (see `videos` in config/README.md for the extensions taken)")
    tables.write(args.out, COLUMNS, rows)
    tables.write(args.rejects, TABLE, rejects)
    print(f"list_videos: {len(rows)} files taken in, {len(rejects)} rejects", file=sys.stderr)


def listing(root: Path, relpaths: Iterator[str], memo: Path) -> tuple[list[dict], list[dict]]:
    """(rows, rejects), sorted by id, of the files at `relpaths` under `root`."""
    remembered = recalled(memo)
    rows, rejects, seen = {}, [], []
    for relpath in relpaths:
        try:
            relpath.encode()
        except UnicodeEncodeError:
            name = relpath.encode(errors="surrogateescape").decode(errors="backslashreplace")
            rejects.append(reject("", shown(name), "name is not UTF-8", "rename the file"))
            continue
        if CONTROL.search(relpath):
            rejects.append(reject("", shown(relpath), "name holds control characters", "rename the file"))
            continue
        try:
            row = identified(root, relpath, remembered)
        except OSError as error:
            rejects.append(reject("", relpath, "cannot be read", str(error)))
            continue
        seen.append(row)
        add(root, row, rows, rejects)
    tables.write(memo, ("relpath", "id", "bytes", "mtime"), sorted(seen, key=lambda row: row["relpath"]))
    return [rows[key] for key in sorted(rows)], sorted(rejects, key=lambda row: (row["id"], row["relpath"]))


def recalled(memo: Path) -> dict[str, dict]:
    """The identities of earlier runs by relpath; a damaged memo is a forgotten memo."""
    with contextlib.suppress(FileNotFoundError, vouch.Damaged):
        return {row["relpath"]: row for row in tables.read(memo)}
    return {}


def identified(root: Path, relpath: str, remembered: dict) -> dict:
    """A file's row; its content is read only where its name, size or time is new."""
    path = root / relpath
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise OSError("not a regular file")
    kind = "image" if path.suffix.lower() in IMAGES else "video"
    row = {"path": str(path), "relpath": relpath, "kind": kind, "bytes": str(status.st_size)}
    known = remembered.get(relpath)
    row["mtime"] = str(status.st_mtime_ns)
    if known and (known["bytes"], known["mtime"]) == (row["bytes"], row["mtime"]):
        return {**row, "id": known["id"]}
    return {**row, "id": identity(path, status.st_size)}


def identity(path: Path, size: int) -> str:
    """16 hex digits of BLAKE2b over a file's size and 64 KiB from its head, middle and tail."""
    hasher = hashlib.blake2b(str(size).encode(), digest_size=8)
    with open(path, "rb") as file:
        for offset in (0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)):
            file.seek(offset)
            hasher.update(file.read(SAMPLE))
    return hasher.hexdigest()


def add(root: Path, row: dict, rows: dict[str, dict], rejects: list[dict]) -> None:
    """Take a file in, unless its content is known; a different file of the same id gets an id over all bytes."""
    other = rows.get(row["id"])
    if other and not filecmp.cmp(row["path"], other["path"], shallow=False):
        with open(row["path"], "rb") as file:
            row["id"] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
        other = rows.get(row["id"])
    if other:
        rejects.append(reject(row["id"], row["relpath"], "duplicate", f"duplicate of {other['relpath']}"))
    else:
        rows[row["id"]] = row


def reject(identity: str, relpath: str, reason: str, detail: str) -> dict:
    """The row of a file that is not taken in."""
    return rejected({"id": identity, "relpath": relpath}, "list_videos", reason, detail)


if __name__ == "__main__":
    main()
