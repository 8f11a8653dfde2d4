"""Columns that the configuration itself names: those of classifiers and labels. Light: every job imports it."""

import re
from collections import Counter
from collections.abc import Iterator

from clipmill.engine import weights
from clipmill.engine.fingerprints import columns_made
from clipmill.plan import targets
from clipmill.plan.flow import map_rules, script_of
from clipmill.videos.lists import OURS

NAME = re.compile(r"[a-z][a-z0-9_]*")


def columns(config: dict) -> dict[str, str]:
    """{column: what it says} of each classifier and label. What is no such entry is left out: the schema says so."""
    score = config.get("score")
    score = score if isinstance(score, dict) else {}
    classifiers, labels = score.get("classifiers") or [], score.get("labels") or {}
    found = {
        str(entry["name"]): f"How sure {entry.get('model')} is that it is {entry.get('label')}, 0-1."
        for entry in (classifiers if isinstance(classifiers, list) else [])
        if isinstance(entry, dict) and entry.get("name")
    }
    labels = labels if isinstance(labels, dict) else {}
    return found | {str(name): f"100 x cosine of the frames and the text: {text}" for name, text in labels.items()}


def with_columns(schema: dict, config: dict) -> dict:
    """The schema, in which these columns have thresholds as our own have."""
    select = schema["properties"]["select"]
    more = {
        name: {"$ref": "#/$defs/range", "default": {}, "named": True, "description": text}
        for name, text in columns(config).items()
        if name not in select["properties"]
    }
    select = {**select, "properties": {**select["properties"], **more}}
    return {**schema, "properties": {**schema["properties"], "select": select}}


def mistakes(config: dict, columns: dict) -> Iterator[str]:
    """One line per mistake. `columns`: those with thresholds, of `with_columns`."""
    score, steps = config["score"], map_rules(config, config)
    taken = OURS.union(*(columns_made(script_of(name)) for name in steps))
    taken |= {*targets.CLUSTERS} | {name for name, node in columns.items() if not node.get("named")}
    names = [
        *((f"score.classifiers.{entry['name']}", entry["name"]) for entry in score["classifiers"]),
        *((f"score.labels.{name}", name) for name in score["labels"]),
    ]
    for key, name in names:
        if not NAME.fullmatch(name):
            yield f"{key}: a column's name begins with a small letter and has small letters, digits and _ only"
        elif name in taken:
            yield f"{key}: the column {name} is Clipmill's own; choose another name"
    for name, times in Counter(name for _, name in names).items():
        if times > 1:
            yield f"score.classifiers and score.labels: {times} columns would be called {name}"
    model = score["aesthetic"]["model"]
    asking = {
        "score.labels: labels need": score["labels"],
        "score.coherence: it needs": score["coherence"]["enabled"],
        "duplicates.embeddings: embeddings need": targets.near(config),
        "clusters.number: clusters need": config["clusters"]["number"] is not None,
    }
    for said in (said for said, asked in asking.items() if asked and model in weights.EMBEDDED):
        yield f"{said} an open_clip model, and score.aesthetic.model is {model}"
