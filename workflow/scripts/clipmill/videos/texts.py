"""Text files in UTF-8, with or without a mark at their start; another encoding is a plain message with the line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20
"""Characters that are read at once."""


def lines(path: Path) -> Iterator[str]:
    """The lines of a text in UTF-8, with or without a mark at its start."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise SystemExit(f"{path}, line {number}: a NUL character. Save the list as UTF-8 text")
                yield line
        except UnicodeDecodeError:
            raise not_utf8(path) from None


def not_utf8(path: Path) -> SystemExit:
    """What is said of a list in another encoding, with the first line that shows it."""
    number = 0
    with open(path, "rb") as file, contextlib.suppress(UnicodeDecodeError):
        for line in file:
            number += 1
            line.decode("utf-8-sig")
    return SystemExit(f"{path}, line {number}: not UTF-8. Save the list as UTF-8")


def chunks(path: Path) -> Iterator[str]:
    """A text in parts."""
    with open(path, encoding="utf-8-sig") as file:
        try:
            while chunk := file.read(CHUNK):
                yield chunk
        except UnicodeDecodeError:
            raise not_utf8(path) from None
