"""The configuration: defaults filled in, and every mistake named at once, before anything runs.

The schema (workflow/schemas/config.schema.yaml) says what a key is, may be, and is by default; this module holds the
few rules that a schema cannot express. `messages` holds the wording of mistakes.
"""

import math
import os
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from clipmill.captions.prompts import wording
from clipmill.plan import credentials, messages

PATTERN = set("{}<>")
NULL = {"", "~", "null", "none"}
TRUE, FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


class ConfigError(Exception):
    """A configuration that cannot be run; its text holds one line per mistake."""


def check(config: dict, schema_path: str | Path) -> dict:
    """The complete configuration: `config` with the schema's defaults filled in, in the schema's order.

    Text that stands for a number, a yes or no, or nothing becomes that, since Snakemake passes nested values of
    `--config` as text; a number where the schema says `number` becomes a float, so that 5 and 5.0 are one setting;
    `~` in a path becomes the home folder. `config` itself is left as it is.

    Raises ConfigError naming every mistake: an unknown key (with the nearest right one), a wrong type, a value out of
    range, and keys that contradict each other.
    """
    from jsonschema import Draft202012Validator

    schema = load(schema_path)
    complete = _complete(config, schema, schema)
    errors = Draft202012Validator(schema).iter_errors(complete)
    known = [path for path, _ in _keys(schema, schema)]
    mistakes = [line for error in errors for line in messages.lines(error, known)]
    if not mistakes:
        mistakes = list(_contradictions(complete, schema))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return complete


def load(schema_path: str | Path) -> dict:
    """The schema as a dict."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(schema_path).read_text(encoding="utf-8"), Loader=loader)


def documented(schema: dict) -> list[dict]:
    """One row per key that holds a value: `key` (dotted), `default`, `description`, `speed` (whether it only changes
    speed)."""
    return [
        {
            "key": ".".join(path),
            "default": node["default"],
            "description": node["description"],
            "speed": node.get("speed", False),
        }
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
    """A single value as the type that `node` asks for, where it can be read as that; otherwise as it is."""
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


def _contradictions(config: dict, schema: dict) -> Iterator[str]:
    """What a schema cannot say: keys that are wrong together, and paths that Snakemake would read as patterns."""
    if PATTERN.intersection(config["results"]):
        yield f"results: {config['results']!r} is wrong; Snakemake reads the characters {{ }} < > in it as its own"
    for column, limits in config["select"].items():
        low, high = limits["min"], limits["max"]
        if low is not None and high is not None and low > high:
            yield f"select.{column}: min {low} is more than max {high}, so nothing would be kept"
        scorer = schema["properties"]["select"]["properties"][column].get("scorer")
        if scorer and not config["score"][scorer]["enabled"] and (low, high) != (None, None):
            yield (
                f"select.{column}: the column is made by score.{scorer}, which is not enabled; "
                f"set score.{scorer}.enabled to true, or min and max of select.{column} to null"
            )
        needs = schema["properties"]["select"]["properties"][column].get("needs")
        if needs and not reduce(dict.get, needs.split("."), config) and (low, high) != (None, None):
            yield f"select.{column}: the column is measured where {needs} is true; set that, or min and max to null"
    shortest, longest = config["clips"]["min_seconds"], config["clips"]["max_seconds"]
    if longest is not None and longest < 2 * shortest:
        yield (
            f"clips.max_seconds: {longest} is less than twice clips.min_seconds ({shortest}), "
            f"so that pieces of a long scene would be too short"
        )
    yield from credentials.mistakes(config)
    videos, results = Path(config["videos"]).resolve(), Path(config["results"]).resolve()
    if videos.suffix.lower() != ".csv" and videos.is_relative_to(results):
        yield f"videos: {config['videos']} lies in results ({config['results']}); results may lie in videos only"
    server = config["caption"]["server"]
    if server["url"] and not server["model"]:
        yield "caption.server.model: null is wrong; with caption.server.url it must name the server's model"
    try:
        wording(config["caption"]["prompt"], "video")
    except ValueError as error:
        yield str(error)
