"""What the rules of the report and of the release take: their params, and where the release's tables of files lie."""

import json

from clipmill.engine.fingerprints import SCRIPTS, digest, fingerprint
from clipmill.plan import targets
from clipmill.plan.flow import AFTER_CAPTIONS, script_of
from clipmill.plan.pipeline import Pipeline
from clipmill.videos import sources

FORMATS = {"webdataset": ["shard_megabytes"], "parquet": [], "huggingface": ["link"], "csv": ["path_prefix"]}
"""The formats of a release, each with the keys of `release` that concern it alone."""
DIVIDED = ["columns", "rename", "splits", "buckets"]
"""The keys that concern all of them."""


def release(pipeline: Pipeline, name: str) -> dict[str, str]:
    """`code` and `options` (JSON) of a format of the release, or of its `card`."""
    of_card = ["formats", "card", "path_prefix", "link"]
    keys = [*DIVIDED, *(of_card if name == "card" else FORMATS[name])]
    ours = list(targets.limits(pipeline.schema["properties"]["select"]["properties"]))
    options = {key: pipeline.config["release"][key] for key in keys} | {"numbers": ours}
    return {"code": fingerprint(f"release_{name}"), "options": json.dumps(options, ensure_ascii=False)}


def sending(pipeline: Pipeline) -> dict[str, str]:
    """`code` and `to` of the rule that sends a release to a place; empty where there is none."""
    return {"code": fingerprint("release_to"), "to": pipeline.config["release"]["to"] or ""}


def sending_table(pipeline: Pipeline) -> str:
    """The table of the files that were sent there."""
    return f"{pipeline.results}/work/release/to/{digest(list(sending(pipeline).values()))}.csv"


def release_table(pipeline: Pipeline, name: str) -> str:
    """The table of files that a format of the release, or its card, writes. As with other tables, a changed setting is
    a missing file."""
    return f"{pipeline.results}/work/release/{name}/{digest(list(release(pipeline, name).values()))}.csv"


def report(pipeline: Pipeline) -> dict[str, str]:
    """`code` and `settings` (JSON) of the threshold page: places, thresholds, and what each column means.

    `code` covers the page's own files, too: a page of another version is made again, and computes nothing.
    """
    config, known = pipeline.config, targets.limits(pipeline.schema["properties"]["select"]["properties"])
    settings = {
        "results": pipeline.results,
        "videos": str(sources.root_of(config["videos"], config["videos_root"])),
        "store": pipeline.store(),
        "memo": pipeline.memo("captions.caption_clips"),
        "rules": [script_of(name) for name in pipeline.steps("captions")],
        "marks": config["marks"],
        # Where clips are chosen by their ids, no limit is applied before captioning.
        "select": {
            column: {} if config["chosen"] and column not in AFTER_CAPTIONS else limits
            for column, limits in targets.limits(config["select"]).items()
        },
        "target": config["select"][targets.KEY] if targets.active(config) else None,
        "duplicates": config["duplicates"]["enabled"],
        "clusters": config["clusters"]["number"] is not None,
        "late": list(AFTER_CAPTIONS),
        "columns": {
            column: {"description": node["description"], "model": model_of(config, column, node.get("scorer", ""))}
            for column, node in known.items()
        },
    }
    web = sorted((SCRIPTS / "clipmill" / "report" / "web").iterdir())
    code = digest(fingerprint("score_report"), [path.read_text(encoding="utf-8") for path in web])
    return {"code": code, "settings": json.dumps(settings, ensure_ascii=False)}


def model_of(config: dict, column: str, scorer: str) -> str:
    """The model that computes a column, as the page names it; empty where none does."""
    block = config["match"] if column in AFTER_CAPTIONS else config["score"].get(scorer, {})
    return " ".join(block[key] for key in ("model", "pretrained") if block.get(key))
