"""Say what a part of the flow has made: counts, rejects by reason, and where its tables are.

Example: python workflow/scripts/part.py scenes --results results/demo
"""

import argparse
from pathlib import Path

from clipmill.release import parts
from clipmill.videos import chosen


def main() -> None:
    """Parse the command line and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=tuple(parts.PARTS), help="the part that has run")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--chosen", type=Path, nargs="*", default=[], help="the list of chosen ids")
    args = parser.parse_args()
    print(parts.text(args.part, args.results))
    for path in args.chosen:
        print(chosen.told(path, args.results / "tables/clips.csv"))


if __name__ == "__main__":
    main()
