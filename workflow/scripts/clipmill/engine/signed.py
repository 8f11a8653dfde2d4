"""Addresses that hold a secret: a user, or a parameter whose name is that of a password, a key or a signature."""

import re
from urllib.parse import unquote_plus

USER = re.compile(r"(?<=://)[^/\s@?#'\"]+@")
NAME = r"(?:\w|-|%)*(?:key|token|secret|passw|pwd|sign|credential|auth)(?:\w|-|%)*|sig|pw|pass|user|jwt|sas|policy"
"""Names of parameters of a URL that hold a secret."""
VALUE = re.compile(rf"((?:^|[?&;#])(?:{NAME})=)[^&;#\s'\"]+", re.IGNORECASE)


def holds_secret(address: str) -> bool:
    """Whether an address names a user, or holds a parameter whose name is that of a secret, as signed ones do."""
    return bool(USER.search(address) or VALUE.search(unquote_plus(address)))


def without_secrets(text: str) -> str:
    """A text to show, the secrets in its addresses replaced by dots."""
    return VALUE.sub(r"\1...", USER.sub("...@", text))


def hidden(address: str) -> str:
    """An address that holds a secret without it, its query left out: however it is spelled, it is not shown, and what
    is left is still told as an address that held one."""
    begin, query, _ = address.partition("?")
    return without_secrets(begin) + ("?signature=..." if query else "")
