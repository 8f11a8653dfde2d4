"""Captions in files next to a source: `x.txt`, otherwise `x.json`, of `x.mp4`."""

import json
import os
from pathlib import Path

from clipmill.engine import fetched, remote
from clipmill.engine.rejects import Reject

SUFFIXES = (".txt", ".json")
KEYS = ("text", "caption")
"""The keys of a JSON object that may hold the caption; the first one that is there does."""


def caption_of(source: str | Path) -> str:
    """The caption next to a source, without blanks around it; "" where there is none.

    Raises Reject where the file that should hold it cannot be read.
    """
    for suffix in SUFFIXES:
        path = f"{os.path.splitext(source)[0]}{suffix}"
        try:
            text = _content(path).decode("utf-8-sig")
            return (text if suffix == ".txt" else _of_json(json.loads(text))).strip()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise Reject("its caption cannot be read", f"{os.path.basename(path)}: {error}") from None
    return ""


def _content(path: str) -> bytes:
    if remote.is_remote(path):
        return remote.read(path, 0, size) if (size := remote.state(path)[0]) else b""
    return Path(path).read_bytes()


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
            size, version = fetched.state(f"{os.path.splitext(source)[0]}{suffix}")
            found.append(f"{size} {version}")
        except OSError:
            found.append("")
    return "\0".join(found)
