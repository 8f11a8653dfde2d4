# What a run says at its start, at its end, and after a dry run.
import atexit


onstart:
    sources.require(config["videos"], pipeline.results)


onsuccess:
    account = Path(pipeline.results) / "run.json"
    if account.exists():
        from clipmill.release import summary

        print(summary.text(json.loads(account.read_text()), account.parent), file=sys.stderr)


def resource(name, rule):
    """A resource of a rule as the profile sets it; 0 where it is not a plain number."""
    given = workflow.get_rule(rule).resources.get(name)
    return (given.value or 0) if given and not given.is_evaluable() else 0


def estimate():
    """After a dry run, print what is still to do and what it would cost."""
    if workflow.dryrun:
        from clipmill.tools import estimate

        print(estimate.text(pipeline, resource), flush=True)


# Snakemake has no hook for the end of a dry run.
atexit.register(estimate)
