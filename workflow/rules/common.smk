# What all rules share. Every job parses this file, so it imports nothing heavy.
import json
import os
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))
# `python` in a rule is the one that runs Snakemake, whether or not its environment is activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}
# Rules find their scripts by it, from whatever folder Snakemake is called.
os.environ |= {"CLIPMILL_WORKFLOW": str(workflow.basedir)}

from clipmill.engine import tables, weights
from clipmill.engine.fingerprints import fingerprint
from clipmill.plan import captioning, options, products, targets
from clipmill.plan.config import ConfigError, check, load
from clipmill.plan.pipeline import Pipeline
from clipmill.report import marks
from snakemake.io import contains_wildcard

SCHEMA = Path(workflow.basedir) / "schemas" / "config.schema.yaml"
try:
    config = check(config, SCHEMA)
except ConfigError as error:
    raise WorkflowError(str(error))

pipeline = Pipeline(config, load(SCHEMA))
os.environ |= {"CLIPMILL_MODELS": config["models"], "CLIPMILL_SCRATCH": config["scratch"] or ""}
os.environ |= {"CLIPMILL_SCRATCH_GIGABYTES": str(config["scratch_gigabytes"])}


pathvars:
    results=pipeline.results,


wildcard_constraints:
    shard=r"\d{5}",
    block=r"[a-z.]+",
    captioner=r"\w+",
    digest="[0-9a-f]{12}",


@cache
def checked():
    """Once per run, before Snakemake looks at any file: say which of our files are damaged or lost, and remove what
    must be made again. A dry run only says it; a job of a cluster and a run that is locked out leave it alone."""
    runs = workflow.is_main_process and workflow.executor_plugin is not None and not workflow.touch
    locks = Path(workflow.persistence.path, "locks")
    if runs and not (locks.is_dir() and any(locks.iterdir())):
        from clipmill.plan import damage

        try:
            damage.heal(pipeline, only_say=workflow.dryrun)
        except OSError as error:
            raise WorkflowError(f"{pipeline.results} cannot be checked: {error}")


def after_check(wildcards):
    """Input function of no files, for a rule that is asked for first."""
    checked()
    return []


def literal(values={}, **more):
    """Params whose braces are text: as plain values, Snakemake would take `{word}` in a path or prompt for a wildcard.
    A function is called, and looked into, for every job, so values without braces are plain; lint wants one for a
    folder."""
    return {
        name: (lambda wildcards, value=value: value) if contains_wildcard(value) or value == pipeline.results else value
        for name, value in (values | more).items()
    }


def literal_path(path):
    """Input function of a file that the configuration names, if it names one; braces in its name are text."""
    return lambda wildcards: [path] if path else []


def shards(*names):
    """Input function: the tables of map rules (by full name, of one phase) for each shard of the phase's plan."""

    def files(wildcards):
        checked()
        if not names:
            return []
        phase = names[0].partition(".")[0]
        manifest = getattr(checkpoints, f"plan_{phase}").get().output.manifest
        numbers = [row["shard"] for row in tables.read(manifest)]
        running = [pipeline.table(name) for name in names if pipeline.rules[name].enabled]
        return [table.format(shard=number) for table in running for number in numbers]

    return files
