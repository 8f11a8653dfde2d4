"""Which files are taken in. Light: every Snakemake job imports it."""

import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from clipmill.engine import remote, signed
from clipmill.engine.files import size_and_time
from clipmill.videos import lists, sidecars

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
"""Of the listing; `mtime` is the time of a file's last change in nanoseconds, elsewhere its entity tag."""


UNTIDY = re.compile(r"^/|//|(?:^|/)\.{1,2}(?:/|$)|/$")
"""A path that has shorter names."""


def root_of(videos: str | Path, videos_root: str | Path | None = None) -> Path | str:
    """The folder or address that relpath starts from: the one given, or of a list `videos_root`, otherwise its own
    folder."""
    return remote.place(str((videos_root or Path(videos).parent) if lists.is_list(videos) else videos))


class Found(NamedTuple):
    """Something that lies in a folder or stands in a list."""

    relpath: str
    ignored: str = ""
    """Why it is left out and only counted; empty where it is not."""
    reason: str = ""
    """Why it is a reject, whatever it holds; empty where it is not."""
    detail: str = ""
    state: tuple[int, int | str] | None = None
    """Its size and version, where they have been asked for already, as they are of all files elsewhere."""

    @property
    def taken(self) -> bool:
        """Whether it is to be opened as a video or an image."""
        return not self.ignored and not self.reason


def found(videos: str | Path, results: str | Path | None = None, videos_root: str | None = None) -> list[Found]:
    """Everything that lies in a folder or place, or every file that a list names, sorted by path. Links are followed.

    `results` is left out of a folder, also where a link leads to it. `videos_root`: see `root_of`.
    Raises SystemExit with a plain message where `videos` is neither a folder nor a list that can be read.
    """
    if remote.is_remote(videos):
        return _elsewhere(str(videos))
    videos = Path(videos)
    if lists.is_list(videos):
        return sorted(set(_named(videos, root_of(videos, videos_root))))
    if videos.is_dir():
        return sorted(_walked(videos, results))
    raise SystemExit(f"{videos}: no such folder or list. Set `videos` in the configuration or --config videos=DIR")


def taken(videos: str | Path, results: str | Path | None = None, videos_root: str | None = None) -> list[Found]:
    """The files taken in, sorted. Raises SystemExit as `found` does."""
    return [one for one in found(videos, results, videos_root) if one.taken]


def require(videos: str | Path, results: str | Path | None = None) -> None:
    """End with a plain message where `videos` holds nothing to take in."""
    if lists.is_list(videos):
        row = next(iter(lists.rows(videos)), None)
        if row is None:
            raise SystemExit(f"{videos}: the list has no row")
        require_path(videos, row[1])
    elif all(one.ignored for one in found(videos, results)):
        raise SystemExit(f"{videos}: no video or image in it. Extensions taken: {' '.join(sorted(VIDEOS | IMAGES))}")


def require_path(table: str | Path, row: dict) -> None:
    """End with a plain message where the rows of a list have no column `path`."""
    if "path" not in row:
        raise SystemExit(f"{table}: no column `path`; its columns are {', '.join(row)}")


def _named(table: Path, root: Path | str) -> Iterator[Found]:
    """The file of each row of a list that names one; of rows in turn that name the same, once."""
    return all_usable(root, _names(table, root))


def _names(table: Path, root: Path | str) -> Iterator[str]:
    last = None
    for number, row in lists.rows(table):
        if number == 1:
            require_path(table, row)
        if (name := row.get("path")) and name != last:
            last = name
            yield relpath_of(name, root)


def all_usable(root: Path | str, relpaths: Iterable[str]) -> Iterator[Found]:
    """`usable` of each, in order."""
    one, away = functools.partial(usable, remote.base(root)), remote.is_remote(root)
    return remote.side_by_side(one, relpaths, lambda relpath: away or remote.is_remote(relpath))


def relpath_of(name: str, root: Path | str) -> str:
    """The path of a file from `root`, as a row of a list names it: relative to `root`, or absolute, or an address.

    Of an address below `root`, it is what follows; one that holds a secret goes on without it, and is no file."""
    if remote.is_remote(name):
        below = name.removeprefix(f"{str(root).rstrip('/')}/") if remote.is_remote(root) else name
        return signed.hidden(below) if signed.holds_secret(name) else below
    if not UNTIDY.search(name):
        return name
    if remote.is_remote(root):
        return os.path.normpath(name).lstrip("/")
    return os.path.relpath(name, root) if os.path.isabs(name) else os.path.normpath(name)


def usable(base: str, relpath: str) -> Found:
    """A file that a list names, which is a reject where there is none. `base`: see `remote.base`."""
    path = remote.located(base, relpath)
    if remote.is_remote(path):
        return _usable_elsewhere(path, relpath)
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return Found(relpath) if os.path.lexists(path) else Found(relpath, reason="no such file")
    if S_ISDIR(status.st_mode):
        return Found(relpath, reason="a folder, not a file")
    return Found(relpath, state=(status.st_size, status.st_mtime_ns) if S_ISREG(status.st_mode) else None)


@functools.lru_cache(100_000)
def _usable_elsewhere(address: str, relpath: str) -> Found:
    if signed.holds_secret(address):
        how = "it would stand in tables and logs; credentials come from the environment (docs/places.md)"
        return Found(relpath, reason="its address holds a key or password", detail=how)
    try:
        return Found(relpath, state=remote.state(address))
    except FileNotFoundError:
        return Found(relpath, reason="no such file")
    except IsADirectoryError:
        return Found(relpath, reason="a folder, not a file")
    except OSError as error:
        return Found(relpath, reason="cannot be fetched", detail=str(error))


def _elsewhere(place: str) -> list[Found]:
    """What lies below an address."""
    if place.endswith(tuple(lists.READERS)):
        raise SystemExit(f"{place}: a list must lie on this machine: copy it; `videos_root` may name the place")
    found = []
    for relpath, state in remote.find(place).items():
        hidden = "hidden folder" if relpath.startswith(".") or "/." in os.path.dirname(f"/{relpath}") else ""
        left_out = _left_out(os.path.basename(relpath)) or hidden
        found.append(Found(relpath, left_out, state=state))
    return sorted(found)


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


def state(
    videos: str | Path,
    results: str | Path | None = None,
    videos_root: str | None = None,
    captions: bool = False,
) -> str:
    """A digest of what lies in `videos`: the names of all files, and the sizes and times of those taken in; of a list,
    its content as well. `captions`: whether files next to them count, which hold their captions."""
    hasher = hashlib.blake2b(digest_size=6)
    try:
        root = root_of(videos, videos_root)
        base = remote.base(root)
        if lists.is_list(videos):
            names = _named(Path(videos), root)
            with open(videos, "rb") as table:
                hasher.update(hashlib.file_digest(table, hashlib.blake2b).digest())
        else:
            names = found(videos, results)
        for one in names:
            about = one.ignored or one.reason
            if one.taken:
                path = remote.located(base, one.relpath)
                try:
                    size, version = one.state or size_and_time(path)
                    about = f"{size} {version}" + (sidecars.state(path) if captions else "")
                except OSError:
                    about = "unreadable"
            hasher.update(f"{one.relpath}\0{about}\0".encode(errors="surrogateescape"))
    except (SystemExit, FileNotFoundError) as error:
        return str(error)
    return hasher.hexdigest()
