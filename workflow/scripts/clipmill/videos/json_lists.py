"""Lists as JSON: a line per object, or one array of objects or of paths, never in memory whole."""

import json
from collections.abc import Iterator
from pathlib import Path

from clipmill.videos import texts

LONGEST = 1 << 26
"""Characters of the longest object of an array."""


class Number(str):
    """A number of a JSON text, as it was written."""


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


def _object(path: Path, line: int, item: object) -> dict[str, str]:
    """A row from what stands in a JSON list: an object, or the path alone."""
    if type(item) is str:
        item = {"path": item}
    if not isinstance(item, dict):
        raise SystemExit(f"{path}, line {line}: neither an object nor a path")
    return {_whole(name): _whole(value) if type(value) is str else _text(value) for name, value in item.items()}


def _whole(text: str) -> str:
    """A text without halves of characters, which no file can hold: they are spelled out."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def _text(value: object) -> str:
    """A JSON value as text: what is nested as JSON."""
    if value is None:
        return ""
    if isinstance(value, Number):
        return str(value)
    return _whole(json.dumps(_plain(value), ensure_ascii=False))


def _plain(value: object) -> object:
    """A nested value whose numbers are numbers again."""
    if isinstance(value, Number):
        return json.loads(value)
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list) else value


def lines(path: Path) -> Iterator[dict[str, str]]:
    """The objects of JSON Lines."""
    for number, line in enumerate(texts.lines(path), 1):
        if text := line.strip():
            try:
                item, end = DECODER.raw_decode(text)
                if end != len(text):
                    raise json.JSONDecodeError("more than one value", text, end)
            except (json.JSONDecodeError, RecursionError) as error:
                raise SystemExit(f"{path}, line {number}: no JSON: {error}") from None
            yield _object(path, number, item)


def array(path: Path) -> Iterator[dict[str, str]]:
    """The items of one array, one after the other: the file is never in memory whole."""
    items = Items(path)
    if items.skip(" \t\r\n") != "[":
        raise SystemExit(f"{path}, line {items.line}: no array of objects or paths")
    items.at += 1
    while (mark := items.skip(" \t\r\n,")) != "]":
        if not mark:
            raise SystemExit(f"{path}, line {items.line}: the array does not end; the file is cut short")
        yield _object(path, items.line, items.item())


class Items:
    """A JSON text that is read bit by bit."""

    def __init__(self, path: Path):
        self.path, self.chunks = path, texts.chunks(path)
        self.buffer, self.at, self.line, self.counted = "", 0, 1, 0

    def skip(self, letters: str) -> str:
        """The next letter that is none of these; "" at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in letters:
                self.at += 1
            if self.at < len(self.buffer):
                self.line += self.buffer.count("\n", self.counted, self.at)
                self.counted = self.at
                return self.buffer[self.at]
            if not self.more():
                return ""

    def more(self) -> bool:
        """Read on; whether there was anything."""
        chunk = next(self.chunks, "")
        self.line += self.buffer.count("\n", self.counted, self.at)
        self.buffer, self.at, self.counted = self.buffer[self.at :] + chunk, 0, 0
        return bool(chunk)

    def item(self) -> object:
        """The value that begins here."""
        while True:
            try:
                value, end = DECODER.raw_decode(self.buffer, self.at)
                if end == len(self.buffer) and self.more():
                    continue  # a number may go on
                self.at = min(end, len(self.buffer))
                return value
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self.buffer) - self.at > LONGEST or not self.more():
                    raise SystemExit(f"{self.path}, line {self.line}: no JSON: {error}") from None
