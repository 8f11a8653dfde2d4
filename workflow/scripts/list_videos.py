"""List the videos and images of a folder, or those that a list names in its column `path`, each with its identity.

A list is CSV, TSV, JSON Lines, JSON or Parquet. Its other columns go to a table of their own, by the files' ids.

Example: python workflow/scripts/list_videos.py --videos footage --out listing.csv --rejects rejects.csv \\
             --ignored ignored.csv --extras extras.csv --memo memo
"""

import argparse
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG

from clipmill.engine import files, remote, tables, vouch
from clipmill.engine.rejects import TABLE, Reject, rejected
from clipmill.engine.shown import CONTROL, shown
from clipmill.videos import lists, sample, sidecars
from clipmill.videos.contents import full_identity, identity, is_same
from clipmill.videos.entries import Entries
from clipmill.videos.extras import KEYS
from clipmill.videos.listed import Listed, Remembered
from clipmill.videos.sources import COLUMNS, IMAGES, Found, found, root_of

IGNORED = ("extension", "reason", "files", "bytes", "example")
"""The columns of the table of files that are only counted."""
BESIDE = ("sidecars", "both")
"""Where captions are looked for next to the files."""


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
    tables.write(args.out, (*COLUMNS, *spanned), with_spans(rows, entries.accepted()) if spanned else as_texts(rows))
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
    if given not in BESIDE:
        yield from extras
        return
    texts = {row["id"]: row["text"] for row in rows if row["text"]}
    for entry in extras:
        yield {**entry, "text": entry.get("text") or texts.get(entry["id"], "")}


def as_texts(rows: list[Mapping]) -> Iterator[Mapping]:
    """Rows of the listing as dicts, which are written faster."""
    return (row.texts() if isinstance(row, Listed) else row for row in rows)


def with_spans(rows: list[dict], extras: Iterable[dict]) -> Iterator[dict]:
    """The rows of the listing, each with the spans that the list marks in it, as JSON."""
    wanted = {row["id"] for row in rows}
    marked = groupby((entry for entry in extras if entry["id"] in wanted), key=lambda entry: entry["id"])
    for row, (_, entries) in zip(rows, marked, strict=True):
        yield {**row, "spans": json.dumps([entry["span"] for entry in entries])}


def listing(root: Path | str, everything: Iterable[Found], memo: Path) -> tuple[list[Mapping], list[dict]]:
    """(rows, rejects), sorted by id, of what was found under `root`, which comes sorted by its path."""
    seen, rejects = [], []
    asked = named(remote.base(root), everything, Remembered(memo), rejects)
    for row in remote.side_by_side(identified, asked, asks_a_server):
        if isinstance(row, Listed):
            seen.append(row)
        else:
            rejects.append(row)
    tables.write(memo, ("relpath", "id", "bytes", "mtime"), map(Listed.texts, seen))
    rows, duplicates = told_apart(seen)
    return rows, sorted(rejects + duplicates, key=lambda row: (row["id"], row["relpath"]))


def named(base: str, everything: Iterable[Found], remembered: Remembered, rejects: list[dict]) -> Iterator[Listed]:
    """The row of each file that can be used under its name, without an id where none is remembered for this size and
    version. The others are added to the rejects. `base`: see `remote.base`."""
    for one in everything:
        if one.ignored:
            continue
        relpath, reason, detail = one.relpath, one.reason, one.detail
        if not is_text(relpath):
            reason, detail = "name is not UTF-8", "rename the file"
        elif CONTROL.search(relpath):
            reason, detail = "name holds control characters", "rename the file"
        if reason:
            rejects.append(reject("", as_text(relpath), reason, detail) | {"file": relpath})
            continue
        root = "" if remote.is_remote(relpath) else base
        path = root + relpath
        try:
            size, version = one.state or state_of(path)
        except OSError as error:
            rejects.append(reject("", relpath, "cannot be read", str(error)))
            continue
        kind = "image" if remote.suffix(path) in IMAGES else "video"
        yield Listed(remembered.of(relpath, size, version), root, relpath, kind, size, version)


def asks_a_server(row: Listed) -> bool:
    """Whether a row's id must be made from bytes of a file elsewhere."""
    return not row.id and remote.is_remote(row.root + row.relpath)


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
            sizes[key] += one.state[0] if one.state else size_of(os.path.join(root, one.relpath))
            examples.setdefault(key, as_text(one.relpath))
    return [dict(zip(IGNORED, (*key, counts[key], sizes[key], examples[key]), strict=True)) for key in sorted(counts)]


def size_of(path: str) -> int:
    """Bytes of a file; none for a folder or what is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0


def state_of(path: str) -> tuple[int, int]:
    """Size and time of the last change of a file. Raises OSError where it is none."""
    status = os.stat(path)
    if not S_ISREG(status.st_mode):
        raise OSError("not a regular file")
    return status.st_size, status.st_mtime_ns


def identified(row: Listed) -> Listed | dict:
    """A row with its id, or its reject; the file's content is read only where no id is remembered."""
    path = row.root + row.relpath
    try:
        row.id = row.id or identity(path, row.bytes)
    except OSError as error:
        return reject("", row.relpath, "cannot be fetched" if remote.is_remote(path) else "cannot be read", str(error))
    return row


def told_apart(seen: list[Listed]) -> tuple[list[Mapping], list[dict]]:
    """(rows sorted by id, rejects) of files sorted by path: the first of each content is taken in, later ones are
    duplicates.

    Where different files have the same samples, each gets an id over all its bytes, whatever their order.
    """
    rows, duplicates, others = [], [], []
    for _, group in groupby(sorted(seen, key=attrgetter("id")), key=attrgetter("id")):
        same = list(group)
        if len(same) == 1:
            rows += same
            continue
        try:
            if any(not is_same(same[0]["path"], row["path"]) for row in same[1:]):
                same = [{**row, "id": full_identity(row["path"])} for row in same]
                others += same
        except OSError as error:
            duplicates += [reject(row["id"], row["relpath"], "cannot be read", str(error)) for row in same]
            continue
        firsts: dict[str, Mapping] = {}
        for row in same:
            first = firsts.setdefault(row["id"], row)
            if first is not row:
                duplicates.append(reject(row["id"], row["relpath"], "duplicate", f"duplicate of {first['relpath']}"))
        rows += firsts.values()
    return sorted(rows, key=lambda row: row["id"]) if others else rows, duplicates


def reject(identity: str, relpath: str, reason: str, detail: str) -> dict:
    """The row of a file that is not taken in."""
    return rejected({"id": identity, "relpath": relpath}, "list_videos", reason, detail)


if __name__ == "__main__":
    main()
