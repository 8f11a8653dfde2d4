"""What a captioner is given, and what it gives back."""

from typing import NamedTuple

import numpy as np


class Request(NamedTuple):
    """One item to caption."""

    frames: list[np.ndarray]
    """HxWx3 uint8 RGB, in order of time."""
    kind: str
    """image | video"""
    seconds: float = 0.0
    """The length of the clip."""
    row: dict | None = None
    """The clip's row, for a captioner that `uses` columns of it."""


class Caption(NamedTuple):
    """What was said, and how it ended."""

    text: str
    finish: str
    """`stop`, `length` (cut off at the token limit), or `refused` (then `text` says why)."""
