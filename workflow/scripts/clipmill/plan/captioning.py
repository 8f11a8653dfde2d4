"""Mistakes in what captioners are asked, and prompts that lie in files."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import reduce

from clipmill.captions.prompts import columns, read, wording
from clipmill.plan import engines

NAME = re.compile(r"[a-z][a-z0-9_]*")
COLUMN = re.compile(r"[A-Za-z0-9_]+")
TAKEN = {"text", "windows"}
"""Names that the captioner's own columns have."""


def captioners(config: dict) -> dict[str, dict]:
    """The blocks of all captioners by their dotted names."""
    return {"caption": config["caption"]} | {f"captioners.{name}": it for name, it in config["captioners"].items()}


def last_rules(config: dict) -> dict[str, str]:
    """The other captioners that run, by name, with the full name of the last rule of each."""
    last = "clean_captions" if config["clean"]["enabled"] else "caption_clips"
    return {name: f"captions.{last}.{name}" for name, block in config["captioners"].items() if block["enabled"]}


def on_servers(config: dict) -> list[str]:
    """The names of the other captioners whose model runs elsewhere."""
    return [name for name, block in config["captioners"].items() if engines.engine(block) == "server"]


def mistakes(config: dict) -> Iterator[str]:
    """What is wrong in the blocks of captioners, a line each. Prompts are as `with_prompts` left them."""
    for name, block in captioners(config).items():
        yield from (f"{name}.{line}" for line in _of_block(block, name))
        yield from (f"{name}.append: {line}" for line in _not_measured(config, block["append"]))
    for name in config["captioners"]:
        if not COLUMN.fullmatch(name) or name in TAKEN:
            yield f"captioners.{name}: a name has letters, digits and _ only, and not 'windows': it is in text_{name}"
    times = Counter(column for name in captioners(config) for column in columns_of(config, name))
    yield from (f"captioners: two captions would be the column {name}" for name, number in times.items() if number > 1)


def columns_of(config: dict, name: str) -> list[str]:
    """The columns that a captioner fills in meta.csv, by the dotted name of its block: of another one than `caption`,
    its name is in each."""
    captioner = name.partition(".")[2]
    made = columns(captioners(config)[name])
    return [f"text_{captioner}{column.removeprefix('text')}" if captioner else column for column in made]


def _not_measured(config: dict, append: list[str]) -> Iterator[str]:
    """What cannot be said behind a caption, because it is not measured."""
    makers = {"aes": "score.aesthetic", "flow": "score.flow", "cmotion": "camera"}
    for column in append:
        if not reduce(dict.get, makers[column].split("."), config)["enabled"]:
            yield f"{column} is made by {makers[column]}, which is not enabled"


def _of_block(caption: dict, name: str) -> Iterator[str]:
    """What is wrong in one captioner's block, without its name."""
    server, fields = caption["server"], caption["fields"]
    if server["url"] and not server["model"]:
        yield f"server.model: null is wrong; with {name}.server.url it must name the server's model"
    for key, prompt in {"prompt": caption["prompt"], **{f"also.{n}": p for n, p in caption["also"].items()}}.items():
        try:
            wording(prompt, "video")
        except ValueError as error:
            yield f"{key}: {error}"
    for key in ("also", "fields"):
        for word in caption[key]:
            if not NAME.fullmatch(word) or (word in TAKEN and (key, word) != ("fields", "text")):
                yield f"{key}: {word!r} is wrong; a name is of small letters, digits and _, and not 'windows'"
    yield from engines.mistakes(caption, name)
    yield from (f"also: {word!r} is also one of {name}.fields" for word in fields if word in caption["also"])
    if caption["format"] == "json":
        yield from _of_data(caption, name)
    elif fields:
        yield f"fields: they are used with {name}.format: json only"
    if caption["model"] == "attributes" and not server["url"]:
        why = f"the stand-in 'attributes' answers no question; name a model under {name}.model"
        asked = [key for key in ("also", "window_seconds") if caption[key]]
        yield from (f"{key}: {why}" for key in [*asked, *(["format"] if caption["format"] == "json" else [])])


def _of_data(caption: dict, name: str) -> Iterator[str]:
    from jsonschema import Draft202012Validator, SchemaError

    fields = caption["fields"]
    if fields.get("text", {}).get("type") != "string":
        yield f"fields: with {name}.format: json one field must be `text: {{type: string}}`, the caption"
    if caption["window_seconds"]:
        yield f"window_seconds: parts of a clip cannot be joined where {name}.format is json; use {name}.also"
    try:
        Draft202012Validator.check_schema({"properties": fields})
    except SchemaError as error:
        yield f"fields: this is no JSON Schema: {error.message}"


def with_prompts(config: dict) -> Iterator[str]:
    """Replace prompts that name a file by what it holds; a line for each file that cannot be read."""
    for name, caption in captioners(config).items():
        caption["also"] = dict(caption["also"])
        of_block = [(caption, "prompt", ""), (caption, "system", "")]
        for block, key, before in [*of_block, *((caption["also"], key, "also.") for key in caption["also"])]:
            try:
                block[key] = read(block[key])
            except ValueError as error:
                yield f"{name}.{before}{key}: {error}"
