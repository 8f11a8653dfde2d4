"""The configuration: defaults filled in, and every mistake named at once, before anything runs.

The schema (workflow/schemas/config.schema.yaml) says what a key is, may be, and is by default; here stand the few rules
that it cannot say, and the words in which a mistake is told.
"""

import math
import os
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

from clipmill.prompts import wording

SCORED = {"aes": "aesthetic", "flow": "flow", "ocr": "ocr", "ocr_area": "ocr"}
"""The scorer that makes a column."""

NULL = {"", "~", "null", "none"}
TRUE, FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


class ConfigError(Exception):
    """A configuration that cannot be run; its text holds one line for each mistake."""


def check(config: dict, schema_path: str | Path) -> dict:
    """The complete configuration: `config` with the schema's defaults filled in, in the schema's order.

    Text that stands for a number, a yes or no, or nothing becomes that, since Snakemake hands nested values of
    `--config` over as text; a number where the schema says `number` becomes a float, so that 5 and 5.0 are one setting;
    `~` in a path becomes the home folder. `config` itself is left as it is.

    Raises ConfigError naming every mistake: an unknown key (with the nearest right one), a wrong type, a value out of
    range, and keys that contradict each other.
    """
    from jsonschema import Draft202012Validator

    schema = load(schema_path)
    complete = _complete(config, schema, schema)
    errors = Draft202012Validator(schema).iter_errors(complete)
    mistakes = [line for error in errors for line in _lines(error, schema)]
    if not mistakes:
        mistakes = list(_contradictions(complete))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return complete


def load(schema_path: str | Path) -> dict:
    """The schema as a dict."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(schema_path).read_text(encoding="utf-8"), Loader=loader)


def documented(schema: dict) -> list[dict]:
    """One row for each key that holds a value: `key` (dotted), `default`, `description`."""
    return [
        {"key": ".".join(path), "default": node["default"], "description": node["description"]}
        for path, node in _keys(schema, schema)
        if "properties" not in node
    ]


def _keys(schema: dict, node: dict, path: tuple = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Every key of the schema, sections included, with what the schema says of it."""
    for name, below in node.get("properties", {}).items():
        below = _resolved(schema, below)
        yield (*path, name), below
        yield from _keys(schema, below, (*path, name))


def _resolved(schema: dict, node: dict) -> dict:
    return {**schema["$defs"][node["$ref"].rsplit("/", 1)[1]], **node} if "$ref" in node else node


def _complete(value, node: dict, schema: dict):
    """`value` with defaults filled in and text turned into what the schema's `node` asks for."""
    node = _resolved(schema, node)
    if "properties" in node:
        given = {} if value is None or value == "" else value
        if not isinstance(given, dict):
            return value
        filled = {
            name: _complete(given[name] if name in given else below["default"], below, schema)
            for name, below in node["properties"].items()
        }
        return {**filled, **{name: given[name] for name in given if name not in filled}}
    if "items" in node and isinstance(value, list):
        return [_complete(item, node["items"], schema) for item in value]
    return _plain(value, node)


def _plain(value, node: dict):
    """A single value as the type that `node` asks for, where it can be read as that; else as it is."""
    types = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])
    if isinstance(value, str):
        word = value.strip().lower()
        if word in NULL and ("null" in types or None in node.get("enum", ())):
            return None
        if "boolean" in types and word in TRUE | FALSE:
            return word in TRUE
        if "number" in types or "integer" in types:
            value = _number(value)
        elif node.get("format") == "path":
            value = os.path.expanduser(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not math.isfinite(value):
        return str(value)
    if "integer" in types:
        return int(value) if value == int(value) else value
    return float(value) if "number" in types else value


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _lines(error, schema: dict) -> Iterator[str]:
    """What is wrong, in a line a mistake, from an error of jsonschema."""
    path = tuple(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for name in error.instance:
            if name not in known:
                yield _unknown((*path, str(name)), known, schema)
    else:
        yield f"{'.'.join(path) or 'the configuration'}: {_shown(error.instance)} is wrong; {_allowed(error)}"


def _unknown(path: tuple[str, ...], known: list[str], schema: dict) -> str:
    near = _nearest(path, schema)
    guess = f": did you mean {near}?" if near else ""
    if "." in path[-1]:
        guess += " Write it nested, a section a level, without dots"
    section = f" in {'.'.join(path[:-1])}" if path[1:] else ""
    return f"unknown key '{'.'.join(path)}'{guess} (known{section}: {', '.join(known)})"


def _nearest(path: tuple[str, ...], schema: dict) -> str:
    """The right keys that look most like the wrong one, quoted: of its own section if one is near, else of any."""
    keys = [key for key, _ in _keys(schema, schema)]
    siblings = [key for key in keys if key[:-1] == path[:-1]]
    wrong = _letters(path[-1:])
    for candidates, tails in ((siblings, 1), (keys, 3)):
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


NAMES = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "string": "text",
         "array": "a list such as [0.1, 0.5]", "object": "a section with keys of its own", "null": "null"}  # fmt: skip


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
        "maxItems": lambda: f"the list may hold at most {limit}",
        "pattern": lambda: f"it must look like {limit}",
    }[error.validator]()


def _shown(value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _contradictions(config: dict) -> Iterator[str]:
    """Keys that are right alone and wrong together."""
    for column, limits in config["select"].items():
        low, high = limits["min"], limits["max"]
        if low is not None and high is not None and low > high:
            yield f"select.{column}: min {low} is more than max {high}, so nothing would be kept"
        scorer = SCORED.get(column)
        if scorer and not config["score"][scorer]["enabled"] and (low, high) != (None, None):
            yield (
                f"select.{column}: the column is made by score.{scorer}, which is not enabled; "
                f"set score.{scorer}.enabled to true, or min and max of select.{column} to null"
            )
    shortest, longest = config["clips"]["min_seconds"], config["clips"]["max_seconds"]
    if longest is not None and longest < 2 * shortest:
        yield (
            f"clips.max_seconds: {longest} is less than twice clips.min_seconds ({shortest}), "
            f"so that pieces of a long scene would be too short"
        )
    server = config["caption"]["server"]
    if server["url"] and not server["model"]:
        yield "caption.server.model: null is wrong; with caption.server.url it must name the server's model"
    try:
        wording(config["caption"]["prompt"], "video")
    except ValueError as error:
        yield str(error)
