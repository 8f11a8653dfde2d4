"""Mistakes in what the captioner is asked, and prompts that lie in files."""

import re
from collections.abc import Iterator

from clipmill.captions.prompts import read, wording

NAME = re.compile(r"[a-z][a-z0-9_]*")
TAKEN = {"text", "windows"}
"""Names that the captioner's own columns have."""


def mistakes(config: dict) -> Iterator[str]:
    """What is wrong in the blocks `caption` and `refine`, a line each. Prompts are as `with_prompts` left them."""
    caption = config["caption"]
    server, fields = caption["server"], caption["fields"]
    if server["url"] and not server["model"]:
        yield "caption.server.model: null is wrong; with caption.server.url it must name the server's model"
    for key, prompt in {"prompt": caption["prompt"], **{f"also.{n}": p for n, p in caption["also"].items()}}.items():
        try:
            wording(prompt, "video")
        except ValueError as error:
            yield f"caption.{key}: {error}"
    for key in ("also", "fields"):
        for name in caption[key]:
            if not NAME.fullmatch(name) or (name in TAKEN and (key, name) != ("fields", "text")):
                yield f"caption.{key}: {name!r} is wrong; a name is of small letters, digits and _, and not 'windows'"
    yield from (f"caption.also: {name!r} is also one of caption.fields" for name in fields if name in caption["also"])
    if caption["format"] == "json":
        yield from _of_data(caption)
    elif fields:
        yield "caption.fields: they are used with caption.format: json only"
    if caption["model"] == "attributes" and not server["url"]:
        for key in ("also", "window_seconds"):
            if caption[key]:
                yield f"caption.{key}: the stand-in 'attributes' answers no question; name a model under caption.model"
        if caption["format"] == "json":
            yield "caption.format: the stand-in 'attributes' answers no question; name a model under caption.model"


def _of_data(caption: dict) -> Iterator[str]:
    from jsonschema import Draft202012Validator, SchemaError

    fields = caption["fields"]
    if fields.get("text", {}).get("type") != "string":
        yield "caption.fields: with caption.format: json one field must be `text: {type: string}`, the caption"
    if caption["window_seconds"]:
        yield "caption.window_seconds: parts of a clip cannot be joined where caption.format is json; use caption.also"
    try:
        Draft202012Validator.check_schema({"properties": fields})
    except SchemaError as error:
        yield f"caption.fields: this is no JSON Schema: {error.message}"


def with_prompts(config: dict) -> Iterator[str]:
    """Replace prompts that name a file by what it holds; a line for each file that cannot be read."""
    caption = config["caption"]
    caption["also"] = dict(caption["also"])
    for block, key in [
        (caption, "prompt"),
        (caption, "system"),
        *((caption["also"], name) for name in caption["also"]),
    ]:
        try:
            block[key] = read(block[key])
        except ValueError as error:
            yield f"caption.{'also.' if block is caption['also'] else ''}{key}: {error}"
