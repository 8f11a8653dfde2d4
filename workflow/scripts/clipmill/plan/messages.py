"""The wording of mistakes in a configuration."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from clipmill.engine.signed import without_secrets

NAMES = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "string": "text",
         "array": "a list such as [0.1, 0.5]", "object": "a section with keys of its own", "null": "null"}  # fmt: skip


def lines(error, known: list[tuple[str, ...]]) -> Iterator[str]:
    """What is wrong, one line per mistake, from an error of jsonschema; `known` are the paths of the right keys."""
    path = tuple(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        siblings = list(error.schema["properties"])
        for name in error.instance:
            if name not in siblings:
                yield unknown((*path, str(name)), siblings, known)
    else:
        yield f"{'.'.join(path) or 'the configuration'}: {_shown(error.instance)} is wrong; {_allowed(error)}"


def unknown(path: tuple[str, ...], siblings: list[str], known: list[tuple[str, ...]]) -> str:
    """What is said of a key that is none: the nearest right ones, and all of its section."""
    near = _nearest(path, known)
    guess = f": did you mean {near}?" if near else ""
    if "." in path[-1]:
        guess += " Write it nested, one section per level, without dots"
    section = f" in {'.'.join(path[:-1])}" if path[1:] else ""
    return f"unknown key '{'.'.join(path)}'{guess} (known{section}: {', '.join(siblings)})"


def _nearest(path: tuple[str, ...], known: list[tuple[str, ...]]) -> str:
    """The right keys that look most like the wrong one, quoted: of its own section if one is near, otherwise of any."""
    siblings = [key for key in known if key[:-1] == path[:-1]]
    wrong = _letters(path[-1:])
    for candidates, tails in ((siblings, 1), (known, 3)):
        likeness = {
            key: max(SequenceMatcher(None, wrong, _letters(key[-tail:])).ratio() for tail in range(1, tails + 1))
            for key in candidates
        }
        best = max(likeness.values(), default=0)
        if best >= 0.75:
            return " or ".join(f"'{'.'.join(key)}'" for key in candidates if likeness[key] == best)
    return ""


def _letters(parts: tuple[str, ...]) -> str:
    return "".join(letter for letter in "".join(parts).lower() if letter.isalnum())


def _allowed(error) -> str:
    """What would be right in place of a value that jsonschema refuses."""
    limit = error.validator_value
    if error.validator == "type":
        types = [limit] if isinstance(limit, str) else limit
        right = f"it must be {' or '.join(NAMES[name] for name in types)}"
        quote = "string" in types and isinstance(error.instance, bool | int | float | list | dict)
        if quote and error.schema.get("format") == "path":
            return f"{right}: put it in quotes, or ./ before it on the command line"
        return f"{right}: put it in quotes" if quote else right
    return {
        "enum": lambda: f"it must be one of {', '.join(_shown(value) for value in limit)}",
        "minimum": lambda: f"it must be at least {limit}",
        "exclusiveMinimum": lambda: f"it must be more than {limit}",
        "maximum": lambda: f"it must be at most {limit}",
        "minLength": lambda: "it must not be empty",
        "minItems": lambda: "the list must not be empty",
        "uniqueItems": lambda: "the list names one twice",
        "maxItems": lambda: f"the list may hold at most {limit}",
        "pattern": lambda: f"it must look like {limit}",
    }[error.validator]()


def _shown(value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else without_secrets(repr(value))
