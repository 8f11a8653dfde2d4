"""Every key of the configuration with another value, and what such a change makes run again by the pipeline's table.

Run as a program, it renews the table of docs/reruns.md:

    PYTHONPATH=workflow/scripts python tests/kit/rerun_rows.py
"""

import copy

from clipmill.plan import config, options, products, targets
from clipmill.plan.flow import PHASES, script_of
from clipmill.plan.pipeline import Pipeline
from mill import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SCHEMA_READ = config.load(SCHEMA)
MANUAL = ROOT / "docs/reruns.md"


OBJECTS = {"also": {"short": "video-short"}, "fields": {"text": {"type": "string"}}}
"""Another value of a key that holds names and values; of any other one, `{a: {b: 1}}`."""


def pipeline(**change) -> Pipeline:
    return Pipeline(config.check({"results": "out", **change}, SCHEMA), SCHEMA_READ)


CAPTIONERS = config.check({"captioners": {"other": {"model": "attributes"}}}, SCHEMA)["captioners"]
TEXTS = {
    "to": "s3://bucket/set",
    "prompt": "video-style",
    "url": "http://host/v1",
    "head_sha256": "0" * 64,
    "api_key_env": "OTHER_KEY",
}
FILES = {"marks": "marks.csv", "chosen": "ids.csv", "order": "flow"}
LISTS = {"formats": ["csv"], "balance": ["source"], "append": ["aes"], "columns": ["path", "id", "text"]}
CLASSIFIER = {"name": "marked", "model": "org/model", "label": "watermark"}
LISTS |= {"classifiers": config.check({"score": {"classifiers": [CLASSIFIER]}}, SCHEMA)["score"]["classifiers"]}
SPECIAL = {
    "captioners": CAPTIONERS,
    "rename": {"id": "key"},
    "labels": {"indoor": "a photo of a room"},
    **TEXTS,
    **FILES,
    **LISTS,
}
"""Values of keys that have a form of their own."""


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
            value = [0.25] if kinds == ["array"] else value
            value = SPECIAL.get(name, value)
            value = max(value, 2 * node["minimum"]) if isinstance(value, int) and node.get("minimum") else value
            yield (*path, name), value, node.get("speed")


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
    releases = {f"release_{name}": products.release(mill, name) for name in (*products.FORMATS, "card")}
    quotas = {"fill_quotas": options.quotas(mill)} if targets.active(mill.config) else {}
    gathering = {"gather_captions": options.gathering(mill)}
    return (
        rules
        | gathering
        | quotas
        | plans
        | releases
        | {"release_to": products.sending(mill)}
        | {f"fetch_model {block}": (named, mill.config["models"]) for block, named in mill.models().items()}
        | {"score_report": (mill.config["marks"], mill.config["report"])}
        | {"list_videos": (mill.config["videos"], options.listing(mill), mill.config["sample"])}
    )


def rerun(old: Pipeline, new: Pipeline) -> tuple[list[str], list[str]]:
    """The rules that compute again, and those that only run again, from one pipeline to another.

    A rule runs again where its own table would be another one, and where it reads a file that is written again.
    """
    before, after = running(old), running(new)
    known = {old.memo(name) for phase in PHASES for name in old.steps(phase)}
    computes = [name for phase in PHASES for name in new.steps(phase) if new.memo(name) not in known]
    runs = [name for name in after if after[name] != before.get(name) and name not in computes]
    for name, rule in new.rules.items():
        read = {*rule.reads, f"fetch_model {rule.block}" if new.lists(name) else ""}
        if rule.enabled and name not in computes + runs and read & {*computes, *runs}:
            runs.append(name)
    return names(computes), names(sorted(runs, key=list(after).index))


def names(steps: list[str]) -> list[str]:
    """The names of these rules as the Snakefile has them, each once."""
    return list(dict.fromkeys(script_of(step.partition(" ")[0]) or step.partition(" ")[0] for step in steps))


def after(key: str) -> tuple[Pipeline, Pipeline]:
    """The default pipeline before and after another value of a key."""
    before = pipeline()
    return before, Pipeline(changed(before.config, key), SCHEMA_READ)


def row(key: str) -> str:
    """The row of docs/reruns.md about a key."""
    if key == "results":
        return "| `results` | everything, in the new folder | every rule |"
    cells = (", ".join(f"`{name}`" for name in found) or "-" for found in rerun(*after(key)))
    return f"| `{key}` | {' | '.join(cells)} |"


def manual() -> str:
    """docs/reruns.md with the rows as they must be."""
    before, _, rest = MANUAL.read_text().partition("|---|---|---|\n| `")
    end = rest[rest.index("\n\n") :]
    return before + "|---|---|---|\n" + "\n".join(row(key) for key in KEYS) + end


if __name__ == "__main__":
    MANUAL.write_text(manual())
