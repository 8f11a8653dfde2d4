"""What a list of a million rows costs to take in: CPU seconds and the most memory of list_videos.

    PYTHONPATH=workflow/scripts python bench/lists.py

Each kind of list has `--rows` rows with a licence, a title and an address, and a span in one of `--files` files. The
last line is a list of as many files that are not there. `state`: what a run does to see whether anything has changed.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from clipmill.engine.fingerprints import SCRIPTS
from processes import measured

STATE = "import sys; from clipmill.videos import sources; print(sources.state(sys.argv[1]))"


def main() -> None:
    """Write the lists, take them in, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=2_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for number in range(args.files):
            (work / f"video {number}.mp4").write_bytes(f"content {number}".encode() * 100)
        # This process stays small: the most memory of a process that it starts is no less than its own.
        rows = partial(made, range(args.rows), args.files)
        print(f"| {args.rows} rows | CPU s | MB | state, CPU s | rows used | rejects |\n|---|---|---|---|---|---|")
        for write in (as_csv, as_tsv, as_jsonl, as_json, as_parquet):
            report(write(work, rows()), write.__name__.removeprefix("as_"))
        gone = ({**row, "path": f"gone/{number:08d}.mp4"} for number, row in enumerate(rows()))
        report(as_csv(work, gone), "csv, no such file")


def made(numbers: Iterable[int], files: int) -> Iterator[dict]:
    """The rows of the list."""
    for number in numbers:
        seconds = number // files
        yield {
            "path": f"video {number % files}.mp4",
            "start": f"{seconds}.5",
            "end": f"{seconds + 3}.25",
            "license": ("CC0-1.0", "CC-BY-4.0", "other")[number % 3],
            "title": f"Title number {number}, with a comma",
            "url": f"https://host.example/watch?v={number:011d}",
        }


def as_csv(work: Path, rows: Iterator[dict], delimiter: str = ",", name: str = "list.csv") -> Path:
    """The list as CSV."""
    with open(work / name, "w", newline="") as file:
        first = next(rows)
        out = csv.DictWriter(file, list(first), delimiter=delimiter)
        out.writeheader()
        out.writerows(chain([first], rows))
    return work / name


def as_tsv(work: Path, rows: Iterator[dict]) -> Path:
    """The list as TSV."""
    return as_csv(work, rows, "\t", "list.tsv")


def as_jsonl(work: Path, rows: Iterator[dict]) -> Path:
    """The list as JSON Lines."""
    with open(work / "list.jsonl", "w") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return work / "list.jsonl"


def as_json(work: Path, rows: Iterator[dict]) -> Path:
    """The list as one array."""
    with open(work / "list.json", "w") as file:
        file.write(f"[{json.dumps(next(rows))}")
        file.writelines(f",\n{json.dumps(row)}" for row in rows)
        file.write("]")
    return work / "list.json"


def as_parquet(work: Path, rows: Iterator[dict]) -> Path:
    """The list as Parquet, written by a process of its own."""
    source = as_jsonl(work, rows)
    convert = (
        "import sys, pyarrow.json as j, pyarrow.parquet as p; p.write_table(j.read_json(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", convert, source, work / "list.parquet"], check=True)
    return work / "list.parquet"


def report(table: Path, name: str) -> None:
    """Take a list in as its own process, and print what that took."""
    out = table.parent / "out"
    options = {"videos": table, "out": out / "listing.csv", "rejects": out / "rejects.csv"}
    options |= {"extras": out / "extras.csv", "ignored": out / "ignored.csv", "memo": out / "memo"}
    given = [f"--{option}={path}" for option, path in options.items()]
    seconds, memory = measured([sys.executable, str(SCRIPTS / "list_videos.py"), *given])
    state, _ = measured([sys.executable, "-c", STATE, str(table)])
    used, rejects = ((out / name).read_bytes().count(b"\n") - 1 for name in ("extras.csv", "rejects.csv"))
    print(f"| {name} | {seconds:.1f} | {memory} | {state:.1f} | {used} | {rejects} |", flush=True)


if __name__ == "__main__":
    main()
