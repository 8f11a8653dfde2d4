"""Which files are taken in. Light: every Snakemake job imports it."""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

VIDEOS = frozenset([
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".flv", ".f4v", ".wmv",
    ".asf", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".m2t", ".ogv", ".ogm",
    ".mxf", ".dv", ".rm", ".rmvb", ".wtv", ".gif",
])  # fmt: skip
IMAGES = frozenset([
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff", ".webp",
    ".avif", ".jp2",
])  # fmt: skip
"""Extensions, in lower case, that the installed libraries read. Pillow reads neither HEIC nor JPEG XL."""

COLUMNS = ("id", "path", "relpath", "kind", "bytes", "mtime")
"""Of the listing; `mtime` is the time of a file's last change in nanoseconds."""


def root_of(videos: str | Path) -> Path:
    """The folder that relpath starts from: the folder given, or the one that holds the CSV given."""
    videos = Path(videos)
    return videos.parent if videos.suffix.lower() == ".csv" else videos


class Found(NamedTuple):
    """Something that lies in a folder or stands in a list."""

    relpath: str
    ignored: str = ""
    """Why it is left out and only counted; empty where it is not."""
    reason: str = ""
    """Why it is a reject, whatever it holds; empty where it is not."""
    detail: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is to be opened as a video or an image."""
        return not self.ignored and not self.reason


def found(videos: str | Path, results: str | Path | None = None) -> list[Found]:
    """Everything that lies in a folder or stands in a CSV, sorted by its path. Links are followed.

    `results` is left out of a folder, also where a link leads to it.
    Raises SystemExit with a plain message where `videos` is neither a folder nor a readable CSV with a column `path`.
    """
    videos = Path(videos)
    if videos.suffix.lower() == ".csv":
        return sorted(_named(videos))
    if videos.is_dir():
        return sorted(_walked(videos, results))
    raise SystemExit(f"{videos}: no such folder or CSV. Set `videos` in the configuration or --config videos=DIR")


def files(videos: str | Path, results: str | Path | None = None) -> list[str]:
    """The relative paths of the files taken in, sorted. Raises SystemExit as `found` does."""
    return [one.relpath for one in found(videos, results) if one.taken]


def require(videos: str | Path, results: str | Path | None = None) -> None:
    """End with a plain message where `videos` holds nothing to take in."""
    if all(one.ignored for one in found(videos, results)):
        raise SystemExit(f"{videos}: no video or image in it. Extensions taken: {' '.join(sorted(VIDEOS | IMAGES))}")


def _named(table: Path) -> Iterator[Found]:
    """The rows of a list, numbered from 1 below its header; repeated and unusable ones are rejects."""
    if not table.is_file():
        raise SystemExit(f"{table}: no such file. Set `videos` in the configuration or --config videos=FILE.csv")
    names: dict[str, int] = {}
    for number, name in enumerate(_paths(table), 1):
        if not name:
            yield Found("", reason="empty path in the list", detail=f"row {number} of {table.name}")
            continue
        relpath = os.path.relpath(table.parent / name, table.parent)
        if relpath in names:
            yield Found(relpath, reason="listed twice", detail=f"row {number}, first in row {names[relpath]}")
            continue
        names[relpath] = number
        yield _usable(table.parent, relpath, number)


def _usable(root: Path, relpath: str, number: int) -> Found:
    """A row of a list, which is a reject where it names no file."""
    path = root / relpath
    if not os.path.lexists(path):
        return Found(relpath, reason="no such file", detail=f"row {number} of the list")
    if path.is_dir():
        return Found(relpath, reason="a folder, not a file", detail=f"row {number} of the list")
    return Found(relpath)


def _paths(table: Path) -> list[str]:
    """The column `path` of a list. Raises SystemExit with the line that cannot be read."""
    content = table.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SystemExit(f"{table}, line {line}: not UTF-8. Save the list as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SystemExit(f"{table}, line {line}: a NUL character. Save the list as UTF-8 text")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if "path" not in (rows.fieldnames or ()):
            raise SystemExit(f"{table}: no column `path`; its columns are {rows.fieldnames}")
        return [row["path"] or "" for row in rows]
    except csv.Error as error:
        raise SystemExit(f"{table}, line {rows.line_num}: {error}") from None


def _walked(root: Path, results: str | Path | None) -> Iterator[Found]:
    """What lies in a folder and below."""
    errors: list[OSError] = []
    own = _place(results) if results and os.path.isdir(results) else None
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=errors.append):
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else relative + os.sep
        place = _place(folder)
        if place == own or place in seen:
            folders.clear()
            if place != own:
                yield Found(relative, "a folder that was seen under another name")
            continue
        seen.add(place)
        yield from (Found(prefix + name, "hidden folder") for name in folders if name.startswith("."))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Found(prefix + name, _left_out(name)) for name in names)
    for error in errors:
        relpath = os.path.relpath(error.filename, root)
        yield Found(relpath, reason="folder cannot be read", detail=error.strerror)


def _place(folder: str | Path) -> tuple[int, int]:
    """What makes a folder the same under another name."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _left_out(name: str) -> str:
    """Why a file of this name is not taken in; empty where it is."""
    if name.startswith("."):
        return "hidden"
    return "" if os.path.splitext(name)[1].lower() in VIDEOS | IMAGES else "extension not taken in"


def state(videos: str | Path, results: str | Path | None = None) -> str:
    """A digest of what lies in `videos`: the names of all files, and the sizes and times of those taken in."""
    hasher = hashlib.blake2b(digest_size=6)
    try:
        root = root_of(videos)
        for one in found(videos, results):
            about = one.ignored or one.reason
            if one.taken:
                try:
                    status = os.stat(root / one.relpath)
                    about = f"{status.st_size} {status.st_mtime_ns}"
                except OSError:
                    about = "unreadable"
            hasher.update(f"{one.relpath}\0{about}\0".encode(errors="surrogateescape"))
    except SystemExit as error:
        return str(error)
    return hasher.hexdigest()
