# What a run says before it starts, at its end, where a job failed, and after a dry run.
import atexit

from clipmill.plan import places
from clipmill.tools import herald
from clipmill.tools.failures import Failures
from snakemake.logging import logger

failures = Failures()
logger.addFilter(failures)
places.require_folder(pipeline.results)


given = workflow.output_settings
# A run's screen is ours; what --verbose, a dry run, a job or a logger plugin prints is Snakemake's.
is_short = workflow.is_main_process and not (given.verbose or given.dryrun or given.log_handler_settings)


def runs():
    """Whether jobs will run; Snakemake knows it after it has read the workflow."""
    return workflow.executor_plugin is not None and not workflow.touch


def say(line):
    if is_short and not given.quiet:
        print(line, file=sys.stderr, flush=True)


run_herald = herald.Herald(pipeline, failures, say)
logger.addFilter(run_herald.notice)
for handler in logger.handlers:
    if is_short and handler.name == "DefaultStreamHandler":
        handler.addFilter(herald.Short(runs))


onstart:
    places.require(config)
    own_log = os.path.relpath(log[0]) if log else ""
    say(f"Clipmill makes {pipeline.results}. Snakemake's own lines are in {own_log} (with --verbose: here).")
    say(f"How far it is, from any terminal: make watch RESULTS={pipeline.results}")
    run_herald.begin({job.rule.name for job in workflow.dag.needrun_jobs()}, os.path.abspath(own_log))


onerror:
    run_herald.end("failed")
    print(failures.text(), file=sys.stderr)
    say(f"Snakemake's own lines are in {', '.join(map(os.path.relpath, log))}.")


onsuccess:
    run_herald.end("finished")
    account = Path(pipeline.results) / "run.json"
    parts = {"scenes", "scores", "captions"}  # they have said what they did
    if account.exists() and not parts.intersection(workflow.dag_settings.targets):
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


# A process that is ending can ask no server: what lies elsewhere is listed while this one begins.
if given.dryrun and workflow.is_main_process:
    places.look(config)

# Snakemake has no hook for the end of a dry run.
atexit.register(estimate)
