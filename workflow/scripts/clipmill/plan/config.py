"""The configuration: defaults filled in, and every mistake named at once, before anything runs.

The schema (workflow/schemas/config.schema.yaml) says what a key is, may be, and is by default; this module holds the
few rules that a schema cannot express. `messages` holds the wording of mistakes.
"""

import math
import os
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from clipmill.engine.remote import is_remote
from clipmill.plan import captioning, credentials, messages, named, releases, targets
from clipmill.plan.flow import BY_CLIP
from clipmill.videos.lists import is_list

PATTERN = set("{}<>")
NULL = {"", "~", "null", "none"}
TRUE, FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


class ConfigError(Exception):
    """A configuration that cannot be run; its text holds one line per mistake."""


def check(config: dict, schema_path: str | Path) -> dict:
    """The complete configuration: `config` with the schema's defaults filled in, in the schema's order.

    Text that stands for a number, a yes or no, or nothing becomes that, since Snakemake passes nested values of
    `--config` as text; a number where the schema says `number` becomes a float, so that 5 and 5.0 are one setting;
    `~` in a path becomes the home folder; a prompt's file becomes what it holds. `config` itself is left as it is.

    Raises ConfigError naming every mistake: an unknown key (with the nearest right one), a wrong type, a value out of
    range, and keys that contradict each other.
    """
    from jsonschema import Draft202012Validator

    schema = named.with_columns(load(schema_path), config)
    complete = _complete(config, schema, schema)
    errors = Draft202012Validator(schema).iter_errors(complete)
    known = [path for path, _ in _keys(schema, schema)]
    mistakes = [line for error in errors for line in messages.lines(error, known)]
    mistakes += _unknown_columns(complete, schema, known)
    mistakes = mistakes or list(captioning.with_prompts(complete)) or list(_contradictions(complete, schema))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return complete


def _unknown_columns(config: dict, schema: dict, known: list[tuple[str, ...]]) -> list[str]:
    """Thresholds on columns that are not ours: a list may have them (see `places.require`), a folder has none."""
    ours, videos = list(schema["properties"]["select"]["properties"]), config["videos"]
    if not isinstance(config["select"], dict) or not isinstance(videos, str) or is_list(videos):
        return []
    others = [name for name in config["select"] if name not in ours]
    return [messages.unknown(("select", str(name)), ours, known) for name in others]


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
    """What a node says, with what it refers to (`#/$defs/range`, `#/properties/caption`)."""
    return {**reduce(dict.get, node["$ref"].split("/")[1:], schema), **node} if "$ref" in node else node


def _complete(value, node: dict, schema: dict):
    """`value` with defaults filled in and text turned into what the schema's `node` asks for."""
    node = _resolved(schema, node)
    others = node.get("additionalProperties") or {}
    if "properties" in node or others:
        given = {} if value is None or value == "" else value
        if not isinstance(given, dict):
            return value
        filled = {
            name: _complete(given[name] if name in given else below["default"], below, schema)
            for name, below in node.get("properties", {}).items()
        }
        more = {name: _complete(given[name], others, schema) for name in given if name not in filled}
        return {**filled, **more}
    if "items" in node and isinstance(value, list):
        return [_complete(item, node["items"], schema) for item in value]
    return _plain(value, node)


def _plain(value, node: dict):
    """A single value as the type that `node` asks for, where it can be read as that; otherwise as it is."""
    if node.get("text"):
        return value if value is None or isinstance(value, list | dict) else as_text(value)
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


def as_text(value: object) -> str:
    """A value of YAML as a list's text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _contradictions(config: dict, schema: dict) -> Iterator[str]:
    """What a schema cannot say: keys that are wrong together, and paths that Snakemake would read as patterns."""
    if PATTERN.intersection(config["results"]):
        yield f"results: {config['results']!r} is wrong; Snakemake reads the characters {{ }} < > in it as its own"
    if is_remote(config["results"]):
        yield f"results: {config['results']} lies elsewhere; name a folder of this machine, and the place in release.to"
    known = schema["properties"]["select"]["properties"]
    for column, limits in targets.limits(config["select"]).items():
        low, high = limits["min"], limits["max"]
        if low is not None and high is not None and low > high:
            yield f"select.{column}: min {low} is more than max {high}, so nothing would be kept"
        scorer = known.get(column, {}).get("scorer")
        if scorer and not config["chosen"] and not config["score"][scorer]["enabled"] and (low, high) != (None, None):
            yield (
                f"select.{column}: the column is made by score.{scorer}, which is not enabled; "
                f"set score.{scorer}.enabled to true, or min and max of select.{column} to null"
            )
        needs = known.get(column, {}).get("needs")
        given = reduce(dict.get, needs.split("."), config) if needs else True
        moments = isinstance(given, list)
        measured = config["chosen"] or (len(given) > 1 if moments else given)
        if not measured and (low, high) != (None, None):
            asked = "names several moments" if moments else "is true"
            yield f"select.{column}: the column is measured where {needs} {asked}; set that, or min and max to null"
    shortest, longest = config["clips"]["min_seconds"], config["clips"]["max_seconds"]
    if longest is not None and longest < 2 * shortest:
        yield (
            f"clips.max_seconds: {longest} is less than twice clips.min_seconds ({shortest}), "
            f"so that pieces of a long scene would be too short"
        )
    yield from credentials.mistakes(config)
    yield from releases.mistakes(config["release"])
    if config["videos_root"] and not is_list(config["videos"]):
        yield f"videos_root: {config['videos_root']} is for lists, and videos ({config['videos']}) is none"
    videos, results = Path(config["videos"]).resolve(), Path(config["results"]).resolve()
    if not is_list(config["videos"]) and not is_remote(config["videos"]) and videos.is_relative_to(results):
        yield f"videos: {config['videos']} lies in results ({config['results']}); results may lie in videos only"
    yield from captioning.mistakes(config)
    yield from targets.mistakes(config, known, is_list(config["videos"]))
    yield from named.mistakes(config, known)
    yield from _left_in_sources(config["cut"])
    if not config["match"]["enabled"] and set(config["select"]["match"].values()) != {None}:
        yield "select.match: match is not enabled; set match.enabled to true, or min and max of select.match to null"


def _left_in_sources(cut: dict) -> Iterator[str]:
    """What cannot be done to clips that are left in their sources."""
    for name in BY_CLIP:
        if cut[name] and cut["mode"] == "none":
            yield f"cut.{name}: nothing is encoded with cut.mode none; set cut.{name} to false, or cut.mode to encode"
