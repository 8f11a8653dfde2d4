"""Text from outside as a terminal, a log or a table may show it."""

import re

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys; a tab and a new line, which only move on, are left out."""
HIDDEN = "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff"
"""Marks of direction, invisible marks, and halves of characters: they make a text look like another one."""
LINE = re.compile(f"[\x00-\x1f\x7f-\x9f{HIDDEN}]")
LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{HIDDEN}]")


def shown(text: str) -> str:
    """The text on one line, its control characters and invisible marks written as escapes such as `\\x1b`."""
    return LINE.sub(_escape, text)


def shown_lines(text: str) -> str:
    """The same for text of several lines, such as a traceback or a log: tabs and new lines stay."""
    return LINES.sub(_escape, text)


def printable(text: str, keep: str = "") -> str:
    """The text with everything that is not printable, but for the letters of `keep`, written as escapes: stricter than
    `shown`, for what only a screen shows."""
    return "".join(letter if letter.isprintable() or letter in keep else ascii(letter)[1:-1] for letter in text)


def _escape(found: re.Match) -> str:
    return found[0].encode("unicode_escape").decode()
