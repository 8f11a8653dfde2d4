"""What a file holds: an identity from samples of its bytes, and whether two files are the same. Of a file elsewhere,
the samples alone are asked for."""

import filecmp
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from clipmill.engine import fetched, remote, vouch

SAMPLE = 64 * 1024
"""Bytes that are read at each of a file's head, middle and tail."""


def identity(path: str | Path, size: int) -> str:
    """16 hex digits of BLAKE2b over a file's size and 64 KiB from its head, middle and tail.

    Raises OSError where these cannot be read.
    """
    hasher = hashlib.blake2b(str(size).encode(), digest_size=8)
    offsets = (0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE))
    for part in (_samples_elsewhere if remote.is_remote(path) else _samples)(path, size, offsets):
        hasher.update(part)
    return hasher.hexdigest()


def _samples(path: str | Path, size: int, offsets: tuple[int, ...]) -> Iterator[bytes]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        known: dict[int, bytes] = {}
        for offset in offsets:
            if offset not in known:
                known[offset] = os.pread(file, min(SAMPLE, size), offset)
            yield known[offset]
    finally:
        os.close(file)


def _samples_elsewhere(address: str, size: int, offsets: tuple[int, ...]) -> Iterator[bytes]:
    """The same of a file elsewhere; a small one is read at once."""
    whole = remote.read(address, 0, size) if 0 < size <= len(offsets) * SAMPLE else b""
    for offset in offsets if size else ():
        end = min(size, offset + SAMPLE)
        yield whole[offset:end] if whole else remote.read(address, offset, end)


def full_identity(path: str) -> str:
    """16 hex digits of BLAKE2b over all bytes of a file."""
    with open(fetched.here(path), "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def is_same(one: str, other: str) -> bool:
    """Whether two files hold the same bytes. Those of other places are fetched."""
    if remote.is_remote(one) or remote.is_remote(other):
        return vouch.digest(fetched.here(one)) == vouch.digest(fetched.here(other))
    return filecmp.cmp(one, other, shallow=False)
