"""`select.target`: a number of clips, or hours, or a share, which the selection fills evenly. Light: every job imports
it."""

from collections.abc import Iterator

KEY = "target"
"""The key of `select` that is no column."""
LATE = ("match", "text")
"""Columns that come after the selection."""
MADE = ("source", "cluster", "cmotion", "id", "video_id", "kind", "scene")
"""What can be balanced besides columns with thresholds."""


CLUSTERS = ("cluster", "cluster_size")
"""The columns that `clusters.number` gives."""


def limits(select: dict) -> dict:
    """What `select` asks of columns."""
    return {column: given for column, given in select.items() if column != KEY}


def active(config: dict) -> bool:
    """Whether the selection has a target. Where clips are chosen by their ids, none is applied."""
    target = config["select"][KEY]
    return not config["chosen"] and any(target[name] is not None for name in ("clips", "hours", "share"))


def needs_camera(config: dict) -> bool:
    """Whether the camera's movement must be known before the selection."""
    return active(config) and "cmotion" in config["select"][KEY]["balance"]


def near(config: dict) -> bool:
    """Whether duplicates are also found by CLIP vectors."""
    return config["duplicates"]["enabled"] and config["duplicates"]["embeddings"] is not None


def needs_vectors(config: dict) -> bool:
    """Whether each clip needs a CLIP vector."""
    return near(config) or config["clusters"]["number"] is not None


def named(config: dict) -> list[str]:
    """The columns that an active target names."""
    target = config["select"][KEY]
    return [*target["balance"], target["order"]] if active(config) else []


def mistakes(config: dict, columns: dict, from_list: bool) -> Iterator[str]:
    """One line per mistake. `columns`: those of the schema; `from_list`: whether a list may have others."""
    target = config["select"][KEY]
    given = [name for name in ("clips", "hours", "share") if target[name] is not None]
    if len(given) > 1:
        yield f"select.target: {' and '.join(given)} are given; it must be one of clips, hours and share"
    for key, name in (("balance", one) for one in target["balance"]) if active(config) else ():
        yield from _column(config, columns, from_list, key, name)
    if active(config):
        yield from _column(config, columns, from_list, "order", target["order"])


def _column(config: dict, columns: dict, from_list: bool, key: str, name: str) -> Iterator[str]:
    """What is wrong with a column that a target names."""
    scorer = columns.get(name, {}).get("scorer")
    if name in LATE:
        yield f"select.target.{key}: {name} is known after captioning only, and clips are selected before"
    elif scorer and not config["score"][scorer]["enabled"]:
        yield f"select.target.{key}: {name} is made by score.{scorer}, which is not enabled"
    elif name == "cmotion" and key == "order":
        yield "select.target.order: cmotion is a name, which cannot be put in order"
    elif name == "cluster" and config["clusters"]["number"] is None and not from_list:
        yield f"select.target.{key}: cluster is made where clusters.number is set"
    elif not from_list and name not in (*MADE, *limits(columns)):
        known = ", ".join([*MADE, *(one for one in limits(columns) if one not in LATE)])
        yield f"select.target.{key}: there is no column {name} (known: {known})"
