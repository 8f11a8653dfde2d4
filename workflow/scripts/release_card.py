"""Complete a release: its card, Croissant, release.json and SHA256SUMS.

Example: python workflow/scripts/release_card.py --results results/demo --options "$OPTIONS" \\
             --formats "$TABLE" --out card.csv
"""

import argparse
import json
import sys
from pathlib import Path

from clipmill.engine import tables, vouch
from clipmill.release.delivery import Delivery


def main() -> None:
    """Parse the command line and write; a mistake is a plain message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder of a finished run")
    parser.add_argument("--options", type=json.loads, required=True, help="the release's options, as JSON")
    parser.add_argument("--formats", type=Path, nargs="+", required=True, help="the formats' tables of files")
    parser.add_argument("--out", type=Path, required=True, help="the table of the files to write")
    args = parser.parse_args()
    try:
        Delivery(args.results, args.options).write(args.formats, args.out)
    except (tables.TableError, vouch.Damaged) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
