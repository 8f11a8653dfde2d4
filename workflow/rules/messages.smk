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
    if account.exists():
        from clipmill.release import summary
        from clipmill.tools import tidy

        read = json.loads(account.read_text())
        print(summary.text(read, account.parent), tidy.hint(account.parent, read), file=sys.stderr, sep="\n")


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
