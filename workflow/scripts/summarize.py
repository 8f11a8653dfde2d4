"""Summarize a run: run.json holds its counts, rejects, times, models, versions and configuration; --show prints it.

Example: python workflow/scripts/summarize.py --results results/demo --show
"""

import argparse
import json
from pathlib import Path

from clipmill.engine import files, vouch, weights
from clipmill.release import selection, summary
from clipmill.videos import chosen


def main() -> None:
    """Parse the command line and write or print the account."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="the lists of models that fetch_model wrote")
    parser.add_argument("--configuration", type=json.loads, default={}, help="the configuration, as JSON")
    parser.add_argument("--current", type=json.loads, default={}, help="the memo and work folders in use, as JSON")
    parser.add_argument("--out", type=Path, help="the account to write")
    parser.add_argument("--show", action="store_true", help="print the account of the finished run")
    args = parser.parse_args()
    if args.show:
        print(summary.text(json.loads(vouch.content(args.results / "run.json")), args.results))
        return
    files.remove_stale(args.results)
    with files.whole(args.out) as file:
        account = summary.account(args.results, weights.listed(args.models), args.configuration, args.current)
        if ids := args.configuration.get("chosen"):
            account["chosen"] = chosen.told(ids, args.results / "tables/clips.csv")
        json.dump(account, file, indent=2, ensure_ascii=False)
    selection.keep(args.results, account)


if __name__ == "__main__":
    main()
