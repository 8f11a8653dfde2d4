# The release: the account of the run.


rule summarize:
    input:
        models=rules.fetch_models.output,
        listing=rules.list_videos.output.listing,
        videos=rules.gather_videos.output.videos,
        clips=rules.gather_videos.output.clips,
        selected=rules.gather_clips.output.selected,
        meta=rules.gather_captions.output.meta,
        rejects=rules.gather_captions.output.rejects,
    output:
        f"{R}/run.json",
    log:
        f"{R}/logs/summarize.log",
    benchmark:
        f"{R}/benchmarks/summarize.tsv"
    threads: 1
    params:
        code=fingerprint("summarize"),
        configuration=json.dumps(config),
        current=json.dumps(folders_in_use()),
        results=lambda wildcards, output: os.path.dirname(output[0]),
    shell:
        "python workflow/scripts/summarize.py --results {params.results:q} --models {input.models:q}"
        " --configuration {params.configuration:q} --current {params.current:q} --out {output:q} > {log:q} 2>&1"


def number(resource, rule):
    """A resource of a rule as the profile has it; 0 where it is not a plain number."""
    given = workflow.get_rule(rule).resources.get(resource)
    return given.value if given and not given.is_evaluable() else 0


def estimate():
    """Print what is still to do and what it would cost, if this was a dry run."""
    if workflow.dryrun:
        steps = {phase: {step: memo(step) for step in STEPS[phase]} for phase in STEPS}
        gpus = {step: number("gpu", step) for phase in STEPS for step in STEPS[phase]}
        devices = {phase: number("devices", f"plan_{phase}") for phase in STEPS}
        command = [sys.executable, "workflow/scripts/estimate.py"]
        command += ["--results", R, "--videos", config["videos"], *(f"--{k}={v}" for k, v in config["shards"].items())]
        command += ["--steps", json.dumps(steps), "--gpus", json.dumps(gpus), "--devices", json.dumps(devices)]
        sys.stdout.flush()
        subprocess.run(command)


# Snakemake has no hook for the end of a dry run.
atexit.register(estimate)
