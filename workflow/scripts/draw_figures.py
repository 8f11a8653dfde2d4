"""Draw the figures of a finished run, for Snakemake's report and the card of a release.

Example: python workflow/scripts/draw_figures.py --results results/demo --out results/demo/report/figures
"""

import argparse
import json
from pathlib import Path

from clipmill.engine import vouch
from clipmill.release import figures


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder of a finished run")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    args = parser.parse_args()
    figures.write(args.results, json.loads(vouch.content(args.results / "run.json")), args.out)


if __name__ == "__main__":
    main()
