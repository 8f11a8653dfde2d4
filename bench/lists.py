"""What a list of a million rows costs to take in: CPU seconds and the most memory of list_videos.

    PYTHONPATH=workflow/scripts python bench/lists.py

Each kind of list has `--rows` rows with a licence, a title and an address, and a span in one of `--files` files. The
last line is a list of as many files that are not there. `state`: what a run does to see whether anything has changed.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from clipmill.engine.fingerprints import SCRIPTS

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
        rows = [made(number, args.files) for number in range(args.rows)]
        print(f"| {args.rows} rows | CPU s | MB | state, CPU s | rows used | rejects |\n|---|---|---|---|---|---|")
        for write in (as_csv, as_tsv, as_jsonl, as_json, as_parquet):
            report(write(work, rows), write.__name__.removeprefix("as_"))
        gone = [{**row, "path": f"gone/{number:08d}.mp4"} for number, row in enumerate(rows)]
        report(as_csv(work, gone), "csv, no such file")


def made(number: int, files: int) -> dict:
    """A row of the list."""
    seconds = number // files
    return {
        "path": f"video {number % files}.mp4",
        "start": f"{seconds}.5",
        "end": f"{seconds + 3}.25",
        "license": ("CC0-1.0", "CC-BY-4.0", "other")[number % 3],
        "title": f"Title number {number}, with a comma",
        "url": f"https://host.example/watch?v={number:011d}",
    }


def as_csv(work: Path, rows: list[dict], delimiter: str = ",", name: str = "list.csv") -> Path:
    """The list as CSV."""
    with open(work / name, "w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        out.writeheader()
        out.writerows(rows)
    return work / name


def as_tsv(work: Path, rows: list[dict]) -> Path:
    """The list as TSV."""
    return as_csv(work, rows, "\t", "list.tsv")


def as_jsonl(work: Path, rows: list[dict]) -> Path:
    """The list as JSON Lines."""
    with open(work / "list.jsonl", "w") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return work / "list.jsonl"


def as_json(work: Path, rows: list[dict]) -> Path:
    """The list as one array."""
    (work / "list.json").write_text(json.dumps(rows))
    return work / "list.json"


def as_parquet(work: Path, rows: list[dict]) -> Path:
    """The list as Parquet."""
    pq.write_table(pa.Table.from_pylist(rows), work / "list.parquet")
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


def measured(command: list[str]) -> tuple[float, int]:
    """CPU seconds and most MB of a command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
