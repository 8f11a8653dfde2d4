"""Captions in files next to a source: `x.txt`, otherwise `x.json`, of `x.mp4`."""

import json
import os
from pathlib import Path

from clipmill.engine.rejects import Reject

SUFFIXES = (".txt", ".json")
KEYS = ("text", "caption")
"""The keys of a JSON object that may hold the caption; the first one that is there does."""


def caption_of(source: Path) -> str:
    """The caption next to a source, without blanks around it; "" where there is none.

    Raises Reject where the file that should hold it cannot be read.
    """
    for suffix in SUFFIXES:
        path = source.with_suffix(suffix)
        try:
            text = path.read_text(encoding="utf-8-sig")
            return (text if suffix == ".txt" else _of_json(json.loads(text))).strip()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise Reject("its caption cannot be read", f"{path.name}: {error}") from None
    return ""


def _of_json(value: object) -> str:
    """The caption in a JSON text: a string, or a key of an object."""
    if isinstance(value, dict):
        value = next((value[key] for key in KEYS if value.get(key) is not None), "")
    if not isinstance(value, str):
        raise ValueError(f"no text under {' or '.join(KEYS)}")
    value.encode()
    return value


def state(source: str) -> str:
    """Sizes and times of the files that may hold a source's caption."""
    found = []
    for suffix in SUFFIXES:
        try:
            status = os.stat(f"{os.path.splitext(source)[0]}{suffix}")
            found.append(f"{status.st_size} {status.st_mtime_ns}")
        except OSError:
            found.append("")
    return "\0".join(found)
