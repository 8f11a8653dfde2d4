# What all rules share. Every job parses this file, so it imports nothing heavy.
import csv
import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))
# `python` in a rule is the one that runs Snakemake, activated or not.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}

from clipmill import models, sources
from clipmill.code import MACHINE, digest, fingerprint, lasting
from clipmill.config import ConfigError, check

try:
    config = check(config, Path(workflow.basedir) / "schemas" / "config.schema.yaml")
except ConfigError as error:
    raise WorkflowError(str(error))

os.environ |= {"CLIPMILL_MODELS": config["models"], "CLIPMILL_SCRATCH": config["scratch"] or ""}

R = config["results"].rstrip("/")
SCORERS = [f"score_{name}" for name, block in config["score"].items() if block["enabled"]]
CUT_FIRST = config["cut"]["when"] == "first"
THRESHOLDS = {column: limits for column, limits in config["select"].items() if set(limits.values()) != {None}}


wildcard_constraints:
    shard=r"\d{5}",


# What each step's result depends on. Thresholds act in select_clips and select_pairs alone.
FRAMES = {"frames_from": config["frames"]}
SETTINGS = {
    "scan_videos": {
        "frames": {key: config["frames"][key] for key in ("fps", "short_side", "quality")},
        "detector": config["detector"],
        "detectors": {config["detector"]: config["detectors"][config["detector"]]},
    },
    **{f"score_{name}": block | FRAMES for name, block in config["score"].items()},
    "select_clips": {column: limits for column, limits in THRESHOLDS.items() if column != "match"},
    "caption_clips": config["caption"] | FRAMES,
    "clean_captions": config["clean"] | {"refine": config["refine"]},
    "score_match": config["match"] | FRAMES,
    "select_pairs": {column: limits for column, limits in THRESHOLDS.items() if column == "match"},
    "label_camera": config["camera"],
    "cut_clips": {key: value for key, value in config["cut"].items() if key != "when"},
}
# Applied to what is remembered, so that a change of it decodes nothing again.
AFTER_MEMO = {"scan_videos": {"fmin": config["fmin"], "clips": config["clips"]}}

# The order of a phase's map rules is data: each reads the table of the one before it, the first one the shard.
CHAIN = {
    "videos": ["scan_videos"],
    "clips": ["cut_clips"] * CUT_FIRST,
    "captions": [
        "caption_clips",
        "clean_captions",
        "score_match",
        "select_pairs",
        *["label_camera"] * config["camera"]["enabled"],
        "cut_clips",
    ],
}
STEPS = {
    "videos": ["scan_videos"],
    "clips": SCORERS + CHAIN["clips"],
    "captions": [step for step in CHAIN["captions"] if step != "select_pairs"],
}


def memo(step):
    """The folder of what a step remembers: its code and what its result depends on."""
    return f"{R}/memo/{step}/{digest(step, fingerprint(step, MACHINE), lasting(SETTINGS[step]))}"


def key(step, phase):
    """A digest for a map rule's code and settings, and those of the rules before it in its phase."""
    before = SCORERS if step == "select_clips" else upstream(step, phase)
    mine = [step, fingerprint(step), lasting(SETTINGS[step]), AFTER_MEMO.get(step)]
    return digest(*mine, [key(other, phase) for other in before])


def upstream(step, phase):
    """The map rule whose table a step reads; none where it reads the shard."""
    chain = CHAIN[phase]
    at = chain.index(step) if step in chain else 0
    return chain[at - 1 : at] if at else []


def work(step, phase):
    """The table that a map rule writes for a shard."""
    return f"{R}/work/{phase}.{step}/{key(step, phase)}/{{shard}}.csv"


def manifest(phase):
    """The list of a phase's shards. Map rules take it as ancient(...), to wait for the plan but not to run again because
    of it. A string, since ancient() would mark the plan's own output, and so the input of the gather, too."""
    return f"{R}/plan/{phase}/manifest.csv"


def shard(phase):
    """A shard's table, which the phase's plan wrote."""
    return f"{R}/plan/{phase}/{{shard}}.csv"


def before(step, phase):
    """The table that a map rule reads."""
    return next((work(other, phase) for other in upstream(step, phase)), shard(phase))


def shards(phase, *patterns):
    """Input function: each pattern for each shard of the phase's plan."""

    def files(wildcards):
        manifest = getattr(checkpoints, f"plan_{phase}").get().output.manifest
        with open(manifest, newline="") as file:
            names = [row["shard"] for row in csv.DictReader(file)]
        return [pattern.format(shard=name) for pattern in patterns for name in names]

    return files


def command(step):
    """A step's script with the options that say what its result depends on, and where its data lie."""
    settings = json.dumps(SETTINGS[step] | AFTER_MEMO.get(step, {}), ensure_ascii=False)
    # The frames that a scan stores depend on its code and settings, so these name their folder.
    store = f"{R}/frames/{Path(memo('scan_videos')).name}"
    places = {"memo": memo(step), "results": R, "store": store, "videos": sources.root_of(config["videos"])}
    given = {"settings": settings, **places, "max-error-share": config["max_error_share"]}
    options = (text for name, value in given.items() for text in (f"--{name}", str(value)))
    return shlex.join([f"workflow/scripts/{step}.py", *options])


def plan_options(phase):
    """The command-line options of a phase's plan: its steps with their memos, and the size of a shard."""
    limits = [f"--{name}={value}" for name, value in config["shards"].items()]
    return shlex.join([*limits, "--steps", *(f"{step}={memo(step)}" for step in STEPS[phase])])


def folders_in_use():
    """The folders of this configuration, so that `make tidy` knows the others."""
    maps = [(step, phase) for phase in CHAIN for step in {*STEPS[phase], *CHAIN[phase]}] + [("select_clips", "clips")]
    return {
        "memo": sorted(memo(step) for phase in STEPS for step in STEPS[phase]),
        "work": sorted(str(Path(work(step, phase)).parent) for step, phase in maps),
    }
