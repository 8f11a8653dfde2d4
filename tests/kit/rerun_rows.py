"""Every key of the configuration with another value, and what such a change makes run again by the pipeline's table."""

import copy

from clipmill.plan import config
from clipmill.plan.pipeline import PHASES, Pipeline, script_of
from mill import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SCHEMA_READ = config.load(SCHEMA)


SPECIAL = {"prompt": "video-style", "url": "http://host/v1", "head_sha256": "0" * 64}
"""Another value of a key that takes only some texts."""
OBJECTS = {"also": {"short": "video-short"}, "fields": {"text": {"type": "string"}}}
"""Another value of a key that holds names and values; of any other one, `{a: {b: 1}}`."""


def pipeline(**change) -> Pipeline:
    return Pipeline(config.check({"results": "out", **change}, SCHEMA), SCHEMA_READ)


def values(properties: dict, path=()):
    """(path, another value, whether it is marked as speed only) of each key with a value."""
    other = {"boolean": lambda old: not old, "integer": lambda old: 7, "number": lambda old: 0.77}
    for name, node in properties.items():
        node = {**SCHEMA_READ["$defs"].get(node.get("$ref", "").rsplit("/", 1)[-1], {}), **node}
        if "properties" in node:
            yield from values(node["properties"], (*path, name))
        elif "enum" in node:
            yield (
                (*path, name),
                next((some for some in node["enum"] if some != node["default"]), "another"),
                node.get("speed"),
            )
        else:
            kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
            value = other.get(kinds[0], lambda old: "another")(node["default"])
            value = OBJECTS.get(name, {"a": {"b": 1}}) if kinds == ["object"] else value
            value = {"array": [0.25], "prompt": "video-style", "url": "http://host/v1", "head_sha256": "0" * 64}.get(
                name, value
            )
            yield (*path, name), [0.25] if kinds == ["array"] else value, node.get("speed")


KEYS = {".".join(path): (path, value, speed) for path, value, speed in values(SCHEMA_READ["properties"])}


def changed(given: dict, key: str) -> dict:
    """A checked configuration with another value of a key."""
    path, value, _ = KEYS[key]
    out = copy.deepcopy(given)
    block = out
    for name in path[:-1]:
        block = block[name]
    block[path[-1]] = value
    return out


def running(mill: Pipeline) -> dict[str, object]:
    """What makes Snakemake run each rule again: its params, and the places of its tables."""
    rules = {
        name: (mill.table(name), mill.params(name) if rule.remembers else mill.selection(name))
        for name, rule in mill.rules.items()
        if rule.enabled
    }
    plans = {f"plan_{phase}": mill.plan(phase) for phase in PHASES}
    return (
        rules | plans | {"fetch_models": (mill.models(), mill.config["models"]), "list_videos": mill.config["videos"]}
    )


def rerun(old: Pipeline, new: Pipeline) -> tuple[list[str], list[str]]:
    """The rules that compute again, and those that only run again, from one pipeline to another.

    A rule runs again where its own table would be another one, and where it reads a table that is written again.
    """
    before, after = running(old), running(new)
    known = {old.memo(name) for phase in PHASES for name in old.steps(phase)}
    computes = [name for phase in PHASES for name in new.steps(phase) if new.memo(name) not in known]
    runs = [name for name in after if after[name] != before.get(name) and name not in computes]
    for name, rule in new.rules.items():
        if rule.enabled and name not in computes + runs and set(rule.reads) & {*computes, *runs}:
            runs.append(name)
    runs.sort(key=list(after).index)
    return [script_of(name) or name for name in computes], [script_of(name) or name for name in runs]
