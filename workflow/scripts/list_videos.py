"""List the videos and images of a folder, or those that a list names in its column `path`, each with its identity.

A list is CSV, TSV, JSON Lines, JSON or Parquet. Its other columns go to a table of their own, by the files' ids.

Example: python workflow/scripts/list_videos.py --videos footage --out listing.csv --rejects rejects.csv \\
             --ignored ignored.csv --extras extras.csv --memo memo
"""

import argparse
import contextlib
import filecmp
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG

from clipmill.engine import fetched, files, remote, tables, vouch
from clipmill.engine.rejects import TABLE, Reject, rejected
from clipmill.engine.shown import CONTROL, shown
from clipmill.videos import lists, sample, sidecars
from clipmill.videos.entries import Entries
from clipmill.videos.extras import KEYS
from clipmill.videos.listed import Listed, Remembered
from clipmill.videos.sources import COLUMNS, IMAGES, Found, found, root_of

IGNORED = ("extension", "reason", "files", "bytes", "example")
"""The columns of the table of files that are only counted."""
BESIDE = ("sidecars", "both")
"""Where captions are looked for next to the files."""
SAMPLE = 64 * 1024
"""Bytes that are read at each of a file's head, middle and tail."""


def main() -> None:
    """Parse the command line and write the listing and its rejects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--videos", type=remote.place, required=True, help="folder or address, or list with a column `path`"
    )
    parser.add_argument(
        "--videos-root", type=remote.place, help="folder that the paths of a list start from (default: its own)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the listing to write")
    parser.add_argument("--rejects", type=Path, required=True, help="the table of rejects to write")
    parser.add_argument("--ignored", type=Path, help="the table to write of files that are only counted")
    parser.add_argument("--extras", type=Path, help="the table to write of a list's other columns")
    parser.add_argument(
        "--captions", default="column", choices=("column", "sidecars", "both", "none"), help="where captions are given"
    )
    parser.add_argument("--ours", nargs="*", default=[], help="more names of columns that are ours")
    parser.add_argument("--results", type=Path, help="folder of results, which is left out")
    parser.add_argument("--memo", type=Path, required=True, help="folder that remembers identities by name, size, time")
    parser.add_argument("--sample", type=json.loads, default={}, help="the configuration's `sample`, as JSON")
    parser.add_argument("--sampled", type=Path, help="the table of the sample to write; empty without one")
    args = parser.parse_args()
    root = root_of(args.videos, args.videos_root)
    if lists.is_list(args.videos):
        with Entries(args.videos, root, args.ours, args.captions in ("column", "both")) as entries:
            rows, rejects = listing(root, entries.found(), args.memo / "files.csv")
            rows, rejects = with_captions(rows, rejects, args.captions)
            entries.join(rows, rejects)
            refused = write_list(args, drawn(args, rows), entries)
    else:
        everything = found(args.videos, args.results)
        rows, rejects = listing(root, everything, args.memo / "files.csv")
        rows, rejects = with_captions(rows, rejects, args.captions)
        write_folder(args, rows, rejects, ignored(root, everything))
        refused = len(rejects)
    came = f", {remote.Moved.bytes} bytes fetched" if remote.Moved.bytes else ""
    note_fetched(args.memo / "fetched.json")
    print(f"list_videos: {len(rows)} files taken in, {refused} rejects{came}", file=sys.stderr)


def note_fetched(memo: Path) -> None:
    """Add what was fetched to what earlier listings of these results have fetched, for the run's account."""
    if remote.Moved.bytes:
        before = 0
        with contextlib.suppress(FileNotFoundError, vouch.Damaged):
            before = json.loads(vouch.content(memo))
        with files.whole(memo) as file:
            json.dump(before + remote.Moved.bytes, file)


def write_folder(args: argparse.Namespace, rows: list[dict], rejects: list[dict], left_out: list[dict]) -> None:
    """Write the tables of a folder, and say what was left out."""
    if not rows and not rejects:
        sys.exit(f"{args.videos}: no video or image in it (see `videos` in config/README.md for the extensions taken)")
    rows = drawn(args, rows)
    tables.write(args.out, COLUMNS, rows)
    tables.write(args.rejects, TABLE, rejects)
    captioned = ("text",) if args.captions in BESIDE else ()
    write_others(args, left_out, (*KEYS, *captioned), rows if captioned else [])
    for row in left_out:
        shown = row["extension"] or "no extension"
        print(f"ignored: {row['files']} x {shown} ({row['reason']}), such as {row['example']}", file=sys.stderr)


def drawn(args: argparse.Namespace, rows: list[dict]) -> list[dict]:
    """The rows that a pilot takes in; without one, all of them."""
    return sample.drawn(rows, args.sample, args.memo / "lengths.csv", args.sampled)


def write_list(args: argparse.Namespace, rows: list[dict], entries: Entries) -> int:
    """Write the tables of a list, and say which of its columns have other names; returns the number of rejects."""
    names = list(entries.names.values())
    captioned = ["text"] if args.captions in BESIDE and "text" not in names else []
    spanned = ("spans",) if entries.spanned else ()
    tables.write(args.out, (*COLUMNS, *spanned), with_spans(rows, entries.accepted()) if spanned else rows)
    refused = tables.write(args.rejects, (*TABLE, *names), entries.refused())
    write_others(args, [], (*KEYS, *names, *captioned), captioned_too(entries.accepted(), rows, args.captions))
    for column, name in entries.renamed.items():
        print(f"list_videos: the list's column `{shown(column)}` goes on as `{shown(name)}`", file=sys.stderr)
    return refused


def write_others(args: argparse.Namespace, left_out: list[dict], names: Iterable[str], extras: Iterable[dict]) -> None:
    """Write the tables that are asked for: files that are only counted, and a list's other columns."""
    if args.ignored:
        tables.write(args.ignored, IGNORED, left_out)
    if args.extras:
        tables.write(args.extras, names, extras)


def with_captions(rows: list[dict], rejects: list[dict], given: str) -> tuple[list[dict], list[dict]]:
    """(rows, rejects) of a listing, with the captions next to the files as `text`, where they are asked for."""
    if given not in BESIDE:
        return rows, rejects
    taken, faulty = [], []
    for row in rows:
        try:
            taken.append({**row, "text": sidecars.caption_of(row["path"])})
        except Reject as error:
            faulty.append(reject(row["id"], row["relpath"], error.reason, error.detail))
    return taken, sorted(rejects + faulty, key=lambda row: (row["id"], row["relpath"]))


def captioned_too(extras: Iterable[dict], rows: list[dict], given: str) -> Iterator[dict]:
    """The rows of a list, with the caption next to the file where the list gives none."""
    texts = {row["id"]: row["text"] for row in rows if row["text"]} if given in BESIDE else {}
    for entry in extras:
        yield {**entry, "text": entry.get("text") or texts.get(entry["id"], "")}


def with_spans(rows: list[dict], extras: Iterable[dict]) -> Iterator[dict]:
    """The rows of the listing, each with the spans that the list marks in it, as JSON."""
    wanted = {row["id"] for row in rows}
    marked = groupby((entry for entry in extras if entry["id"] in wanted), key=lambda entry: entry["id"])
    for row, (_, entries) in zip(rows, marked, strict=True):
        yield {**row, "spans": json.dumps([entry["span"] for entry in entries])}


def listing(root: Path | str, everything: Iterable[Found], memo: Path) -> tuple[list[Mapping], list[dict]]:
    """(rows, rejects), sorted by id, of what was found under `root`, which comes sorted by its path."""
    remembered = Remembered(memo)
    seen, rejects = [], []
    asked = (about(root, one, remembered) for one in named(everything, rejects))
    for row in remote.side_by_side(lambda about: identified(root, *about), asked, lambda about: about[0].state):
        if isinstance(row, Listed):
            seen.append(row)
        else:
            rejects.append(row)
    tables.write(memo, ("relpath", "id", "bytes", "mtime"), sorted(seen, key=attrgetter("relpath")))
    rows, duplicates = told_apart(seen)
    return rows, sorted(rejects + duplicates, key=lambda row: (row["id"], row["relpath"]))


def named(everything: Iterable[Found], rejects: list[dict]) -> Iterator[Found]:
    """What can be read under its name; the others are added to the rejects."""
    for one in everything:
        if one.ignored:
            continue
        reason, detail = one.reason, one.detail
        if not is_text(one.relpath):
            reason, detail = "name is not UTF-8", "rename the file"
        elif CONTROL.search(one.relpath):
            reason, detail = "name holds control characters", "rename the file"
        if reason:
            rejects.append(reject("", as_text(one.relpath), reason, detail) | {"file": one.relpath})
            continue
        yield one


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str) -> str:
    """A file's name as tables and logs hold it: bytes that are not UTF-8 and control characters are spelled out."""
    return shown(name.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def ignored(root: Path | str, everything: Iterable[Found]) -> list[dict]:
    """A row per extension and reason of what is left out: how many files, their bytes, and one of them."""
    counts, sizes, examples = Counter(), Counter(), {}
    for one in everything:
        if one.ignored:
            key = (as_text(Path(one.relpath).suffix.lower()), one.ignored)
            counts[key] += 1
            sizes[key] += one.state[0] if one.state else size_of(root / one.relpath)
            examples.setdefault(key, as_text(one.relpath))
    return [dict(zip(IGNORED, (*key, counts[key], sizes[key], examples[key]), strict=True)) for key in sorted(counts)]


def size_of(path: Path) -> int:
    """Bytes of a file; none for a folder or what is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0


def about(root: Path | str, one: Found, remembered: Remembered) -> tuple[Found, remote.State | OSError, str]:
    """(the file, its size and version or why these cannot be told, its id if that is remembered)"""
    try:
        state = one.state or state_of(os.path.join(root, one.relpath))
    except OSError as error:
        return one, error, ""
    return one, state, remembered.of(one.relpath, *state)


def state_of(path: str) -> tuple[int, int]:
    """Size and time of the last change of a file. Raises OSError where it is none."""
    status = os.stat(path)
    if not S_ISREG(status.st_mode):
        raise OSError("not a regular file")
    return status.st_size, status.st_mtime_ns


def identified(root: Path | str, one: Found, state: remote.State | OSError, known: str) -> Listed | dict:
    """A file's row, or its reject; its content is read only where its name, size or version is new."""
    if isinstance(state, OSError):
        return reject("", one.relpath, "cannot be read", str(state))
    suffix = remote.suffix(remote.join(root, one.relpath))
    try:
        known = known or identity(remote.place(remote.join(root, one.relpath)), state[0])
    except OSError as error:
        return reject("", one.relpath, "cannot be fetched" if one.state else "cannot be read", str(error))
    return Listed(known, str(root), one.relpath, "image" if suffix in IMAGES else "video", *state)


def identity(path: Path | str, size: int) -> str:
    """16 hex digits of BLAKE2b over a file's size and 64 KiB from its head, middle and tail."""
    hasher = hashlib.blake2b(str(size).encode(), digest_size=8)
    offsets = (0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE))
    for part in sampled_elsewhere(path, size, offsets) if remote.is_remote(path) else sampled(path, offsets):
        hasher.update(part)
    return hasher.hexdigest()


def sampled(path: str | Path, offsets: tuple[int, ...]) -> Iterator[bytes]:
    """The samples of a file."""
    with open(path, "rb") as file:
        for offset in offsets:
            file.seek(offset)
            yield file.read(SAMPLE)


def sampled_elsewhere(address: str, size: int, offsets: tuple[int, ...]) -> Iterator[bytes]:
    """The same of a file elsewhere; a small one is read at once."""
    whole = remote.read(address, 0, size) if 0 < size <= len(offsets) * SAMPLE else b""
    for offset in offsets if size else ():
        end = min(size, offset + SAMPLE)
        yield whole[offset:end] if whole else remote.read(address, offset, end)


def told_apart(seen: list[Listed]) -> tuple[list[Mapping], list[dict]]:
    """(rows sorted by id, rejects): the first file of each content is taken in, later ones are duplicates.

    Where different files have the same samples, each gets an id over all its bytes, whatever their order.
    """
    rows, duplicates = [], []
    for _, group in groupby(sorted(seen, key=attrgetter("id", "relpath")), key=attrgetter("id")):
        same = list(group)
        try:
            if any(not is_same(same[0]["path"], row["path"]) for row in same[1:]):
                same = [{**row, "id": full_identity(row["path"])} for row in same]
        except OSError as error:
            duplicates += [reject(row["id"], row["relpath"], "cannot be read", str(error)) for row in same]
            continue
        firsts: dict[str, Mapping] = {}
        for row in same:
            first = firsts.setdefault(row["id"], row)
            if first is not row:
                duplicates.append(reject(row["id"], row["relpath"], "duplicate", f"duplicate of {first['relpath']}"))
        rows += firsts.values()
    return sorted(rows, key=lambda row: row["id"]), duplicates


def is_same(one: str, other: str) -> bool:
    """Whether two files hold the same bytes. Those of other places are fetched."""
    if remote.is_remote(one) or remote.is_remote(other):
        return vouch.digest(fetched.here(one)) == vouch.digest(fetched.here(other))
    return filecmp.cmp(one, other, shallow=False)


def full_identity(path: str) -> str:
    """16 hex digits of BLAKE2b over all bytes of a file."""
    with open(fetched.here(path), "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def reject(identity: str, relpath: str, reason: str, detail: str) -> dict:
    """The row of a file that is not taken in."""
    return rejected({"id": identity, "relpath": relpath}, "list_videos", reason, detail)


if __name__ == "__main__":
    main()
