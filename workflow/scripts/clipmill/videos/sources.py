"""Which files are taken in. Light: every Snakemake job imports it."""

import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

VIDEOS = frozenset([".mp4", ".avi", ".mov", ".mkv", ".m2ts", ".webm", ".m4v", ".ts", ".mpg", ".gif"])
IMAGES = frozenset([".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"])
"""Extensions, in lower case: the reference's, and webm, m4v, ts, m2ts, mpg, gif."""

COLUMNS = ("id", "path", "relpath", "kind", "bytes")


def root_of(videos: str | Path) -> Path:
    """The folder that relpath starts from: the folder given, or the one that holds the CSV given."""
    videos = Path(videos)
    return videos.parent if videos.suffix.lower() == ".csv" else videos


def files(videos: str | Path) -> Iterator[str]:
    """The relative paths of the files taken in, sorted. Hidden files and other extensions are not; links are followed.

    Raises SystemExit with a plain message where `videos` is neither a folder nor a CSV with a column `path`.
    """
    videos = Path(videos)
    if videos.suffix.lower() == ".csv":
        yield from sorted(set(_named(videos)))
    elif videos.is_dir():
        yield from sorted(_walked(videos))
    else:
        raise SystemExit(f"{videos}: no such folder or CSV. Set `videos` in the configuration or --config videos=DIR")


def require(videos: str | Path) -> None:
    """End with a plain message where `videos` holds nothing to take in."""
    if next(files(videos), None) is None:
        raise SystemExit(f"{videos}: no video or image in it. Extensions taken: {' '.join(sorted(VIDEOS | IMAGES))}")


def _named(table: Path) -> Iterator[str]:
    if not table.is_file():
        raise SystemExit(f"{table}: no such file. Set `videos` in the configuration or --config videos=FILE.csv")
    with open(table, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if "path" not in (rows.fieldnames or ()):
            raise SystemExit(f"{table}: no column `path`; its columns are {rows.fieldnames}")
        for row in rows:
            yield os.path.relpath(table.parent / (row["path"] or ""), table.parent)


def _walked(root: Path) -> Iterator[str]:
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEOS | IMAGES:
                yield os.path.relpath(os.path.join(folder, name), root)


def state(videos: str | Path) -> str:
    """A digest of the names, sizes and times of the files taken in, which any new, changed or lost file changes."""
    hasher = hashlib.blake2b(digest_size=6)
    try:
        root = root_of(videos)
        for relpath in files(videos):
            try:
                status = os.stat(root / relpath)
                about = f"{status.st_size} {status.st_mtime_ns}"
            except OSError:
                about = "unreadable"
            hasher.update(f"{relpath}\0{about}\0".encode(errors="surrogateescape"))
    except SystemExit as error:
        return str(error)
    return hasher.hexdigest()
