"""Archives: many small files in one zip, uncompressed, whose directory is vouched for by a digest in the zip's comment.

A directory is parsed once per process: parsing that of a video of two hours takes as long as decoding 30 pictures.
"""

import os
import threading
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

from clipmill.engine import vouch

KEPT = 32
"""Archives that a process keeps open: more than the videos whose clips it works on side by side."""
HEADER = 30
"""Bytes of the fixed part of the header in front of each file (APPNOTE.TXT 4.3.7)."""


class Archive:
    """An archive being read; safe in threads. Its files are `names`, sorted."""

    def __init__(self, path: Path):
        self.file = path.open("rb", buffering=0)  # closed when nobody holds the archive any more
        self.state = _state(os.fstat(self.file.fileno()))
        with zipfile.ZipFile(self.file) as archive:
            if archive.comment != contents(archive):
                raise zipfile.BadZipFile("its directory has changed")
            entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
        self.names = [entry.filename for entry in entries]
        self.places = [(entry.header_offset, entry.file_size, entry.CRC) for entry in entries]

    def read(self, number: int) -> bytes:
        """The content of the file `names[number]`. Raises zipfile.BadZipFile where it is not as it was written."""
        name, (offset, size, checksum) = self.names[number].encode(), self.places[number]
        begin = HEADER + len(name)
        found = os.pread(self.file.fileno(), begin + size, offset)
        if found[:4] != b"PK\3\4" or found[HEADER:begin] != name:
            raise zipfile.BadZipFile(f"nothing is where {self.names[number]} should be")
        if zlib.crc32(found[begin:]) != checksum or len(found) != begin + size:
            raise zipfile.BadZipFile(f"{self.names[number]} has changed")
        return found[begin:]


class _Kept:
    """A place for one archive, and the lock of those who wait until it is parsed."""

    def __init__(self):
        self.lock, self.archive = threading.Lock(), None


_kept: OrderedDict[Path, _Kept] = OrderedDict()
_kept_lock = threading.Lock()


def opened(path: Path) -> Archive:
    """The archive at `path`, parsed only where it is not kept or is another file now.

    Raises zipfile.BadZipFile where it is damaged, FileNotFoundError where there is none.
    """
    state = _state(os.stat(path))
    with _kept_lock:
        place = _kept.setdefault(path, _Kept())
        _kept.move_to_end(path)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    # Not under the lock of all: a file system that hangs holds up those who read this file, and no others.
    with place.lock:
        if place.archive is None or place.archive.state != state:
            place.archive = None
            place.archive = Archive(path)
        return place.archive


def forget(path: Path) -> None:
    """Keep the archive at `path` no longer."""
    with _kept_lock:
        _kept.pop(path, None)


def contents(archive: zipfile.ZipFile) -> bytes:
    """A digest of what a zip's own directory says, which has no checksum: it stands in the zip's comment."""
    entries = [(entry.filename, entry.CRC, entry.file_size, entry.header_offset) for entry in archive.infolist()]
    return vouch.digest_of(repr(entries).encode()).encode()


def _state(status: os.stat_result) -> tuple[int, ...]:
    """What tells one version of a file from another."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
