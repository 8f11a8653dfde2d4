"""Copy a table for a spreadsheet: what one would run as a formula is marked with an apostrophe.

Example: python -m clipmill.tools.sheet results/demo/meta.csv --out meta-sheet.csv
"""

import argparse
import re
from pathlib import Path

from clipmill.engine import tables
from clipmill.engine.shown import shown_lines

FORMULA = re.compile(r"\s*[=+@|%-]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def main() -> None:
    """Parse the command line and write the copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the table to copy, such as meta.csv or rejects.csv")
    parser.add_argument("--out", type=Path, required=True, help="the copy to write")
    args = parser.parse_args()
    if not args.table.is_file():
        raise SystemExit(f"{args.table}: no such table")
    names = tables.columns(args.table)
    rows = ({name: marked(row[name] or "") for name in names} for row in tables.read(args.table))
    print(f"{args.out}: {tables.write(args.out, names, rows)} rows")


def marked(cell: str) -> str:
    """A cell that no spreadsheet runs, without what a terminal would obey; numbers stay numbers."""
    cell = shown_lines(cell)
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell


if __name__ == "__main__":
    main()
