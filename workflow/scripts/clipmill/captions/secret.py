"""A key that must reach no log, table or file."""

import json
from urllib.parse import quote

SHORTEST = 6
"""Characters of a key that is hidden: shorter ones, such as `none`, are words that keep no secret."""
BEGINNING = 12
"""Characters of a key's beginning that are hidden where a text holds no more of it."""
HIDDEN = "[key]"


class Secret:
    """A key from the environment; blanks and line ends around it, as files and shells leave them, are no part of it."""

    def __init__(self, text: str):
        self.text = text.strip()

    def fits_a_header(self) -> bool:
        """Whether a request can carry it; an error of the client would show one that does not fit."""
        return all("!" <= letter <= "~" for letter in self.text)

    def hidden(self, text: str) -> str:
        """The text without the key, as it is or as JSON, Python and URLs write it, nor a longer beginning of it."""
        if len(self.text) < SHORTEST:
            return text
        for form in sorted(self._forms(), key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        for length in range(len(self.text) - 1, BEGINNING - 1, -1):
            text = text.replace(self.text[:length], HIDDEN)
        return text

    def _forms(self) -> set[str]:
        key = self.text
        return {key, json.dumps(key)[1:-1], repr(key)[1:-1], repr(f"'{key}")[2:-1], quote(key), quote(key, safe="")}
