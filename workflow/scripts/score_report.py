"""The threshold page: report/index.html. With --complete, the page of a finished run, with captions and pairs.

Example: python workflow/scripts/score_report.py --settings "$SETTINGS" --out results/demo/report/index.html
"""

import argparse
import json
from pathlib import Path

from clipmill.engine import files, vouch
from clipmill.plan import costs
from clipmill.report import page


def main() -> None:
    """Parse the command line and write the page; --complete names a stamp, which is written last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=json.loads, required=True, help="what Pipeline.report gives, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    parser.add_argument("--complete", type=Path, help="the stamp to write of a page with captions and pairs")
    args = parser.parse_args()
    results = Path(args.settings["results"])
    text = page.build(results, args.settings, costs.RATES, complete=args.complete is not None)
    with files.whole(args.out) as file:
        file.write(text)
    if args.complete:
        with files.whole(args.complete) as file:
            json.dump({"page": args.out.name, "digest": vouch.digest(args.out)}, file, indent=2)
    print(f"{args.out}: {len(text) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
