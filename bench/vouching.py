"""What vouching costs: its share of the CPU time of one run.

    PYTHONPATH=workflow/scripts:tests/kit python bench/vouching.py --videos ../shared/footage

One run of the whole workflow with the cheapest models (so that the share is the largest) is measured as a whole. Then
what vouching adds to it is done once more and measured: the digest of every table, sum, clip and store (as on writing),
of every part of the memo (on writing and on reading), of every table for each time that it is read, and the check at
the start of a run.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from clipmill.engine import vouch
from clipmill.plan import damage
from clipmill.plan.config import check, load
from clipmill.plan.pipeline import Pipeline
from mill import ROOT, Mill

READS = 4
"""A table is read by the next rule, by a gather, by the summary and by a plan; few tables by all of them."""


def main() -> None:
    """Run, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="a folder of footage")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mill = Mill(Path(folder) / "mill")
        mill.change(videos=str(args.videos.resolve()), cut={"preset": "veryfast", "crf": 18})
        mill.run()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = used.ru_utime + used.ru_stime
        os.chdir(mill.folder)
        schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
        pipeline = Pipeline(check(mill.config, schema), load(schema))
        parts = {"digests on writing and reading": digests(mill.results), "check at the start": start(pipeline)}
    print("| | CPU s | share |\n|---|---|---|")
    for name, seconds in {"the whole run": whole, **parts, "vouching": sum(parts.values())}.items():
        print(f"| {name} | {seconds:.2f} | {100 * seconds / whole:.2f} % |")


def digests(results: Path) -> float:
    """CPU seconds of all digests that a run makes."""
    began = time.process_time()
    for path in results.rglob("*"):
        if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks"):
            times = {".csv": 1 + READS, ".json": 1 + READS, ".parquet": 3}.get(path.suffix, 1)
            for _ in range(times):
                vouch.digest(path)
    return time.process_time() - began


def start(pipeline: Pipeline) -> float:
    """CPU seconds of the check at the start of a run, its imports included."""
    began = time.process_time()
    found = list(damage.findings(pipeline))
    if found:
        sys.exit(f"a fresh run has damaged files: {found}")
    return time.process_time() - began


if __name__ == "__main__":
    main()
