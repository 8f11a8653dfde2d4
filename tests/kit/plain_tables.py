"""Tables by the csv module alone, apart from the code that is tested."""

import csv
from pathlib import Path


def table(path: Path) -> list[dict]:
    """The rows of a table."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict]) -> None:
    """Write a table of at least one row."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
