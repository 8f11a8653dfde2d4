"""Measure a scan near its limits: CPU seconds next to decoding alone and next to PySceneDetect's own command, and the
bytes of the frame store; a markdown table.

Each way is a process of one thread, run in turns; a figure is the median of --runs runs, user + system. The start of
each tool counts. Ratios are medians of the ratios of each turn. Read the ratios: seconds are this machine's.

Example: PYTHONPATH=workflow/scripts python bench/scan.py --videos footage/a.mp4 --runs 5
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import ways
from clipmill.engine import tables
from processes import films, in_turns, measured, ratio

DECODE, CUTS, SCAN = "ffmpeg -threads 1 -f null -", "scenedetect detect-adaptive", "scan_videos"
BARE = "import av,sys; c=av.open(sys.argv[1]); s=c.streams.video[0]; s.thread_type='NONE'; [0 for _ in c.decode(s)]"
COLUMNS = ("id", "relpath", "kind", "bytes")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="video files, or folders of them")
    parser.add_argument("--runs", type=int, default=5, help="turns in which each way runs once")
    parser.add_argument("--detector", default="adaptive", help="the scan's detector")
    parser.add_argument("--only-scan", action="store_true", help="leave PySceneDetect and PyAV out")
    args = parser.parse_args()
    print("| video | way | CPU s | x decode | x scenedetect | store, % of the source |\n|---|---|---|---|---|---|")
    for path in films(args.videos):
        with tempfile.TemporaryDirectory() as folder:
            report(path, *compared(path, Path(folder), args))


def compared(path: Path, work: Path, args: argparse.Namespace) -> tuple[dict[str, list[float]], float]:
    """(CPU seconds of each way in each turn, the share of the source's bytes that the frame store has)."""

    def run(command: list[str]) -> float:
        shutil.rmtree(work / "memo", ignore_errors=True)
        return measured(command, work)[0]

    turns = {name: partial(run, command) for name, command in commands(path, work, args.detector).items()}
    if args.only_scan:
        turns = {name: turns[name] for name in (DECODE, SCAN)}
    seconds = in_turns(turns, args.runs)
    store = sum(file.stat().st_size for file in (work / "store").rglob("*.zip"))
    return seconds, store / path.stat().st_size


def commands(path: Path, work: Path, detector: str) -> dict[str, list[str]]:
    """The command of each way, by its name."""
    tables.write(
        work / "shard.csv",
        COLUMNS,
        [dict(zip(COLUMNS, ("0" * 16, path.name, "video", path.stat().st_size), strict=True))],
    )
    places = ["--memo", "memo", "--store", "store", "--results", ".", "--videos", str(path.parent)]
    scan = [sys.executable, str(ways.SCRIPTS / "scan_videos.py"), "--table", "shard.csv", "--out", "scan/x/out.csv"]
    return {
        DECODE: ways.decoding(path),
        "PyAV, decoding alone": [sys.executable, "-c", BARE, str(path)],
        CUTS: [sys.executable, "-m", "scenedetect", "-q", "-i", str(path), "detect-adaptive"],
        SCAN: [*scan, "--settings", json.dumps(ways.scan(detector)), *places],
    }


def report(path: Path, seconds: dict[str, list[float]], share: float) -> None:
    """Print the rows of a video."""
    for name, found in seconds.items():
        row = [path.name, f"`{name}`" if " -" in name else name, f"{statistics.median(found):.2f}"]
        row += [f"{ratio(found, seconds[other]):.2f}" if other in seconds else "" for other in (DECODE, CUTS)]
        print(f"| {' | '.join([*row, f'{100 * share:.1f}' if name == SCAN else ''])} |", flush=True)


if __name__ == "__main__":
    main()
