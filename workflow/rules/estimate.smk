# A dry run ends with what is still to do and what it would cost.
import atexit
import subprocess


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
