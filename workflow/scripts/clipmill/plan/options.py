"""The options of the rules that list and gather, from a configuration. Light: every job imports it."""

import json
import shlex

from clipmill.engine.fingerprints import columns_made, fingerprint
from clipmill.plan import captioning, targets
from clipmill.plan.flow import script_of
from clipmill.plan.pipeline import Pipeline
from clipmill.videos import lists, sources


def listing(pipeline: Pipeline) -> str:
    """The options of list_videos besides its places."""
    root = ["--videos-root", pipeline.config["videos_root"]] if pipeline.config["videos_root"] else []
    return shlex.join([*root, "--captions", pipeline.config["caption"]["given"], "--ours", *own_columns(pipeline)])


def own_columns(pipeline: Pipeline) -> list[str]:
    """The columns that map rules make, which a list's columns may not be called."""
    config, said = pipeline.config, set(targets.limits(pipeline.schema["properties"]["select"]["properties"]))
    if lists.is_list(config["videos"]):
        said.update(*(captioning.columns_of(config, name) for name in captioning.captioners(config)))
    if config["clusters"]["number"] is not None:
        said.update(targets.CLUSTERS)
    return sorted(said.union(*(columns_made(script_of(name)) for name in pipeline.rules)))


def state_of_sources(pipeline: Pipeline) -> str:
    """A digest of what lies there to take in. It reads the folder or the list."""
    captions = pipeline.config["caption"]["given"] in ("sidecars", "both")
    return sources.state(pipeline.config["videos"], pipeline.results, pipeline.config["videos_root"], captions)


def gathering(pipeline: Pipeline) -> str:
    """The options of gather_captions besides its tables."""
    blocks = captioning.captioners(pipeline.config)
    left = pipeline.config["cut"]["enabled"] and pipeline.config["cut"]["mode"] == "none"
    root = sources.root_of(pipeline.config["videos"], pipeline.config["videos_root"])
    append = {captioning.columns_of(pipeline.config, name)[0]: block["append"] for name, block in blocks.items()}
    words = ["--append", json.dumps(append)] if any(append.values()) else []
    return shlex.join(
        ["--captioners", *captioning.last_rules(pipeline.config), *(["--sources", str(root)] if left else []), *words]
    )


def extras(pipeline: Pipeline, name: str) -> list[str]:
    """The table of a shard's other columns, where a threshold of a rule acts on one."""
    known = pipeline.schema["properties"]["select"]["properties"]
    needed = pipeline.rules[name].settings.keys() - known.keys()
    return [f"{pipeline.results}/plan/{name.partition('.')[0]}/{{shard}}.extras.csv"] if needed else []


def duplicates(pipeline: Pipeline) -> dict[str, str]:
    """`code`, `memo` and `embeddings` (an option, or nothing) of find_duplicates."""
    least = pipeline.config["duplicates"]["embeddings"]
    asked = f"--embeddings {least}" if targets.near(pipeline.config) else ""
    return {"code": fingerprint("find_duplicates"), "memo": f"{pipeline.duplicates}/known.csv", "embeddings": asked}


def clusters(pipeline: Pipeline) -> dict[str, str]:
    """`code` and `number` of find_clusters."""
    return {"code": fingerprint("find_clusters"), "number": str(pipeline.config["clusters"]["number"])}


def quotas(pipeline: Pipeline) -> dict[str, str]:
    """`code` and `target` (JSON) of fill_quotas."""
    target = pipeline.config["select"][targets.KEY]
    return {"code": fingerprint("fill_quotas"), "target": json.dumps(target, ensure_ascii=False)}
