"""What a captioner is given, and what it gives back."""

from typing import NamedTuple


class Request(NamedTuple):
    """One question to a captioner."""

    shots: list
    """The frames that it sees (`videos.frames.Shot`), with true times, in order of time; none where it is asked
    about words."""
    kind: str
    """image | video | text"""
    ask: str
    """What it is asked, in words."""
    seconds: float = 0.0
    """The length of what the frames show: of the clip, or of its window."""
    row: dict | None = None
    """The clip's row, for a captioner that `uses` columns of it."""


class Caption(NamedTuple):
    """What was said, how it ended, what it took, and who said it."""

    text: str
    finish: str
    """`stop`, `length` (cut off at the token limit), `refused` (then `text` says why), or `echo` (of the question)."""
    prompt_tokens: int = 0
    output_tokens: int = 0
    model: str = ""
    """The model and its revision, as the captioner knows them."""
