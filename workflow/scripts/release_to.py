"""Send a finished release to a place such as s3://bucket/set; what is there already is not sent again.

Example: python workflow/scripts/release_to.py --results results/demo --files csv.csv card.csv --to s3://bucket/set \\
             --out to.csv
"""

import argparse
import sys
from pathlib import Path

from clipmill.engine import remote, vouch
from clipmill.release.sending import Sending


def main() -> None:
    """Parse the command line and send; a refusal is a plain message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder with the release")
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="the tables of its files")
    parser.add_argument("--to", required=True, help="the place, such as s3://bucket/set")
    parser.add_argument("--out", type=Path, required=True, help="the table of the files to write")
    args = parser.parse_args()
    try:
        Sending(args.results, args.to).run(args.files, args.out)
    except (remote.Unreachable, vouch.Damaged) as error:
        sys.exit(f"release.to: {error}")


if __name__ == "__main__":
    main()
