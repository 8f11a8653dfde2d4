# What a run says before it starts, at its end, where a job failed, and after a dry run.
import atexit

from clipmill.plan import places
from clipmill.tools.failures import Failures
from snakemake.logging import logger

failures = Failures()
logger.addFilter(failures)
places.require_folder(pipeline.results)


onstart:
    places.require(config)


onerror:
    print(failures.text(), file=sys.stderr)


onsuccess:
    account = Path(pipeline.results) / "run.json"
    parts = {"scenes", "scores", "captions"}  # they have said what they did
    if account.exists() and not parts.intersection(workflow.dag_settings.targets):
        from clipmill.release import summary

        print(summary.text(json.loads(account.read_text()), account.parent), file=sys.stderr)


def resource(name, rule):
    """A resource of a rule as the profile sets it; 0 where it is not a plain number."""
    given = workflow.get_rule(rule).resources.get(name)
    return (given.value or 0) if given and not given.is_evaluable() else 0


def estimate():
    """After a dry run, print what is still to do and what it would cost, or why a run would not start."""
    if workflow.dryrun:
        from clipmill.tools import estimate

        try:
            places.require(config)
            print(estimate.text(pipeline, resource), flush=True)
        except SystemExit as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)  # nothing else sets the status of a process that is ending


# Snakemake has no hook for the end of a dry run.
atexit.register(estimate)
