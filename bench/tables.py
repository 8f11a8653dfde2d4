"""What the steps cost that only read and write tables, next to `cat`: CPU seconds and most memory, over made-up clips.

    PYTHONPATH=workflow/scripts:tests/kit python bench/tables.py                       # a million clips, five runs
    PYTHONPATH=workflow/scripts:tests/kit python bench/tables.py --clips 10000000 --runs 1    # about 30 GB of disk
    PYTHONPATH=workflow/scripts:tests/kit python bench/tables.py --plot docs/growth.svg
    PYTHONPATH=workflow/scripts:tests/kit python bench/tables.py --small

Each step is the rule's own program on one table of all clips. `cat` copies to a file what that step reads. Figures are
medians of runs in turns. --scripts: other scripts to measure, such as those of an earlier version.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import gather_captions
import gather_videos
import numpy as np
import pyarrow as pa
import scored_run
from clipmill.engine import blocks, files, rejects, tables
from clipmill.engine.memo import Memo
from clipmill.plan import products
from mill import ROOT
from processes import measured

LIMITS = {"aes": {"min": 5}, "flow": {"min": 0.5}, "ocr_area": {"max": 0.02}}
PER_VIDEO, ROWS = 45, 100_000
"""Clips of a video of six minutes; rows that are made at a time."""
SCORES = {"aes": ("aes",), "flow": ("flow",), "ocr": ("ocr", "ocr_area")}
PART = 2_000
"""Clips of a part of a memo: what a job leaves."""
SIZES = [10_000, 100_000, 1_000_000]


def main() -> None:
    """Measure, and print or plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scripts", type=Path, default=ROOT / "workflow/scripts", help="where the rules' scripts lie")
    parser.add_argument("--steps", nargs="+", help="only these, which must have been made before (--folder)")
    parser.add_argument("--folder", type=Path, help="where the tables are made, and left")
    parser.add_argument("--small", action="store_true", help="select of few clips, by rows and in blocks")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="with --plot")
    parser.add_argument("--plot", type=Path, help="draw what a clip costs at growing sizes into this file")
    args = parser.parse_args()
    if args.small:
        return small(args)
    if args.plot:
        return plot(args)
    if args.folder:
        return show(of(args.folder, args.clips, args))
    with tempfile.TemporaryDirectory() as folder:
        return show(of(Path(folder), args.clips, args))


def show(found: dict[str, list[tuple[float, int, float]]]) -> None:
    """Print the table."""
    print("| step | CPU s | `cat` of what it reads | ratio | most MB |\n|---|---|---|---|---|")
    for name, runs in found.items():
        cpu, cat = (statistics.median(run[place] for run in runs) for place in (0, 2))
        print(f"| {name} | {cpu:.2f} | {cat:.3f} | {cpu / max(cat, 1e-3):.1f} | {max(run[1] for run in runs)} |")


def of(folder: Path, clips: int, args: argparse.Namespace) -> dict[str, list[tuple[float, int, float]]]:
    """(CPU s, most MB, CPU s of `cat`) of each run of each step."""
    run = Made(folder.resolve(), clips, args.scripts)
    found: dict[str, list] = {}
    for number in range(args.runs):
        for name, step in run.steps().items():
            if not args.steps or name in args.steps:
                alone(step.prepare, number)
                copied = measured(["sh", "-c", 'cat "$@" > copy; rm copy', "cat", *map(str, step.reads)], folder)[0]
                found.setdefault(name, []).append((*measured(step.command, folder), copied))
                print(f"{name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return found


def alone(work: Callable[[int], None], number: int) -> None:
    """Do this in a process of its own: a program counts the memory of the one that starts it as its own."""
    process = multiprocessing.get_context("fork").Process(target=work, args=(number,))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("the tables could not be made")


class Step:
    """A program, what it reads, and how that is made."""

    def __init__(self, command: list, reads: list[Path], prepare: Callable[[int], None] = lambda number: None):
        self.command, self.reads, self.prepare = [sys.executable, *map(str, command)], reads, prepare


class Made:
    """A results folder of made-up clips."""

    def __init__(self, folder: Path, clips: int, scripts: Path):
        self.folder, self.clips, self.scripts = folder, clips, scripts
        self.mill = scored_run.pipeline(folder)
        random = np.random.default_rng(0)
        kinds = {"aes": random.normal(5.3, 0.8, ROWS), "flow": random.lognormal(0, 1.5, ROWS),
                 "ocr": random.integers(0, 9, ROWS), "ocr_area": random.random(ROWS) ** 3 * 0.06,
                 "start": random.random(ROWS) * 300, "match": random.normal(25, 4, ROWS)}  # fmt: skip
        self.pool = {name: pa.array([tables.number(value) for value in kind]) for name, kind in kinds.items()}
        self.other = pa.array([tables.number(value) for value in random.random(ROWS)])

    def steps(self) -> dict[str, Step]:
        """Each step, in the order in which one makes what the next one reads."""
        at, clips = self.folder, self.folder / "tables/clips.csv"
        work, early = at / "work/clips.select_clips/00000.csv", at / "work/rejects"
        scored = [at / f"work/clips.score_{name}.csv" for name in SCORES]
        selected, extras = at / "tables/selected.csv", at / "tables/extras.csv"
        captioned = at / "work/captions.csv"
        rejected = [early / f"{name}.csv" for name in ("list_videos", "videos", "clips")]
        tables_of = [at / name for name in ("tables/listing.csv", "tables/videos.csv", "tables/clips.csv",
                                            "tables/selected.csv", "meta.csv", "rejects.csv")]  # fmt: skip
        plan = [self.scripts / "plan.py", "--table", clips, "--minutes", "30", "--max", "2000"]
        memos = [f"{name}={at}/memo/{name}" for name in ("score_aesthetic", "score_flow", "score_ocr")]
        manifest = at / "plan/clips/manifest.csv"
        settings = products.report(self.mill)["settings"]
        return {
            "plan": Step([*plan, "--manifest", manifest, "--steps", *memos], [clips], self.videos),
            "plan, all remembered": Step(
                [*plan, "--manifest", at / "plan/known/manifest.csv", "--steps", f"score_flow={at}/memo/known"],
                [clips], self.remembered
            ),
            "select": Step(
                [self.scripts / "select_clips.py", "--table", clips, "--scores", *scored, "--out", work,
                 "--select", json.dumps(LIMITS)],
                [clips, *scored], self.scores
            ),
            "gather clips": Step(
                [self.scripts / "gather_clips.py", "--clips", clips, "--extras", extras, "--shards", work,
                 "--scores", at / "tables/scores.csv", "--selected", selected, "--rejects", rejected[-1]],
                [clips, work]
            ),
            "gather captions": Step(
                [self.scripts / "gather_captions.py", "--selected", selected, "--extras", extras, "--shards", captioned,
                 "--captions", at / "tables/captions.csv", "--meta", at / "meta.csv", "--rejects", at / "rejects.csv",
                 "--rejected", *rejected],
                [selected, captioned, *rejected], self.captions
            ),
            "summary": Step([self.scripts / "summarize.py", "--results", at, "--out", at / "run.json"], tables_of),
            "report": Step(
                [self.scripts / "score_report.py", "--settings", settings, "--out", at / "report/index.html",
                 "--complete", at / "report/complete.json"],
                [at / name for name in ("tables/scores.csv", "tables/captions.csv", "meta.csv", "rejects.csv")]
            ),
        }  # fmt: skip

    def videos(self, number: int) -> None:
        """The tables of the first phase."""
        (self.folder / "plan/clips/plan.json").unlink(missing_ok=True)
        if number:
            return
        videos = [{"id": f"{video:016x}", "relpath": name_of(video), "kind": "video", "duration": "360"}
                  for video in range(-(-self.clips // PER_VIDEO))]  # fmt: skip
        for name in ("listing", "videos"):
            tables.write(self.folder / f"tables/{name}.csv", videos[0], videos)
        tables.write(self.folder / "tables/extras.csv", ("id", "row", "span"), [])
        tables.write(self.folder / "tables/ignored.csv", ("extension", "reason", "files", "bytes", "example"), [])
        for name in ("list_videos", "videos"):
            tables.write(self.folder / f"work/rejects/{name}.csv", rejects.TABLE, [])
        self.write("tables/clips.csv", gather_videos.CLIPS, self.made())

    def made(self) -> Iterator[pa.RecordBatch]:
        """The rows of tables/clips.csv."""
        for first in range(0, self.clips, ROWS):
            count = min(ROWS, self.clips - first)
            places = range(first, first + count)
            video = [f"{place // PER_VIDEO:016x}" for place in places]
            frame = [place % PER_VIDEO * 190 for place in places]
            columns = dict.fromkeys(gather_videos.CLIPS, self.other[:count]) | {
                "id": [f"{of}-{at:08d}" for of, at in zip(video, frame, strict=True)], "video_id": video,
                "relpath": [name_of(place // PER_VIDEO) for place in places],
                "start_frame": list(map(str, frame)), "end_frame": [str(at + 190) for at in frame],
                "start": [tables.number(at / 25) for at in frame], "digest": video,
                "end": [tables.number(at / 25 + 7.6) for at in frame],
            } | {name: [text] * count for name, text in (
                ("kind", "video"), ("num_frames", "190"), ("height", "720"), ("width", "1280"), ("fps", "25"),
                ("aspect_ratio", "0.5625"), ("resolution", "921600"), ("bytes", "123456789"),
                ("mtime", "1700000000000000000"))}  # fmt: skip
            yield blocks.block({name: pa.array(column) for name, column in columns.items()}, gather_videos.CLIPS)

    def remembered(self, number: int) -> None:
        """A memo that holds every clip, in parts as jobs leave them."""
        (self.folder / "plan/known/plan.json").unlink(missing_ok=True)
        memo = Memo(self.folder / "memo/known", ("flow",))
        if number or memo.parts():
            return
        for parts in blocks.divided(blocks.read(self.folder / "tables/clips.csv", ["id", "start"]),
                                    [PART] * -(-self.clips // PART)):  # fmt: skip
            rows = pa.table({"id": pa.chunked_array([part["id"] for part in parts]),
                             "flow": pa.chunked_array([part["start"] for part in parts])})  # fmt: skip
            others = {"key": "0123456789ab", "fault": "", "reason": "", "detail": ""}
            for name, text in others.items():
                rows = rows.append_column(name, pa.repeat(text, len(rows)))
            memo.write_part(rows.select(memo.columns).combine_chunks())

    def scores(self, number: int) -> None:
        """The tables of the scorers: the clips with a column more."""
        for name, columns in SCORES.items() if not number else ():
            self.write(f"work/clips.score_{name}.csv", [*gather_videos.CLIPS, *columns, *rejects.COLUMNS],
                       (blocks.changed(rows, {column: self.some(column, len(rows)) for column in columns})
                        for rows in blocks.read(self.folder / "tables/clips.csv")))  # fmt: skip

    def captions(self, number: int) -> None:
        """The table of the last rule of the captions phase: a caption for each selected clip."""
        more = ["text", "match", *gather_captions.CUT, "path", "cmotion", "shake", "frames_digest"]
        said = pa.array(
            [f'A wide, calm view number {at} of a "landscape", ' + "in warm colours " * 12 for at in range(999)]
        )
        names = [*tables.columns(self.folder / "tables/selected.csv"), *more, *rejects.COLUMNS]

        def rows() -> Iterator[pa.RecordBatch]:
            for given in blocks.read(self.folder / "tables/selected.csv"):
                cut = {column: given[column.removeprefix("cut_")] for column in gather_captions.CUT}
                paths = blocks.joined("clips/", given["id"], ".mp4")
                texts = said.take(pa.array(np.arange(len(given)) % len(said)))
                match = self.some("match", len(given))
                others = {"cmotion": match, "shake": match, "frames_digest": given["video_id"]} | cut
                yield blocks.changed(given, {"text": texts, "match": match, "path": paths} | others)

        if not number:
            self.write("work/captions.csv", names, rows())

    def some(self, name: str, count: int) -> pa.Array:
        """So many values of a kind."""
        return pa.concat_arrays([self.pool[name]] * (-(-count // ROWS)))[:count]

    def write(self, path: str, names: list[str], stream: Iterator[pa.RecordBatch]) -> None:
        """Write a table."""
        with files.whole(self.folder / path) as file:
            out = blocks.Writer(file, names)
            for rows in stream:
                out.write(rows)


def name_of(video: int) -> str:
    """The name of a file."""
    return f"a folder/of films/film number {video:07d}.mp4"


def small(args: argparse.Namespace) -> None:
    """Print from which size on a selection in blocks is cheaper than one by rows."""
    print("| clips | MB of the table | by rows: CPU s | in blocks |\n|---|---|---|---|")
    for clips in (1_000, 3_000, 10_000, 30_000):
        with tempfile.TemporaryDirectory() as folder:
            run = Made(Path(folder), clips, args.scripts)
            steps = run.steps()
            alone(steps["plan"].prepare, 0)
            alone(steps["select"].prepare, 0)
            python, _, *given = steps["select"].command
            found: dict[int, list[float]] = {10**12: [], 0: []}
            for _, (large, costs) in product(range(args.runs), found.items()):
                path = f"import sys; sys.path.insert(0, '{args.scripts}')"
                code = (
                    f"{path}; from clipmill.clips import selecting as s; s.LARGE = {large}; s.main('select_clips', '')"
                )
                costs.append(measured([python, "-c", code, *given], run.folder)[0])
            by_rows, in_blocks = map(statistics.median, found.values())
            size = (run.folder / "tables/clips.csv").stat().st_size / 1e6
            print(f"| {clips:,} | {size:.1f} | {by_rows:.2f} | {in_blocks:.2f} |", flush=True)


def plot(args: argparse.Namespace) -> None:
    """Draw and print what a clip costs at each size, a program's start (that of one clip) taken off."""
    import matplotlib.pyplot as plt

    costs: dict[int, dict[str, float]] = {}
    for size in (1, *args.sizes):
        with tempfile.TemporaryDirectory() as folder:
            found = of(Path(folder), size, args)
        costs[size] = {name: statistics.median(run[0] for run in runs) for name, runs in found.items()}
    print("| CPU microseconds a clip | " + " | ".join(f"{size:,}" for size in args.sizes) + " |")
    print("|---" * (len(args.sizes) + 1) + "|")
    plt.rcParams |= {"svg.hashsalt": "clipmill", "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, start in costs[1].items():
        each = [1e6 * (costs[size][name] - start) / size for size in args.sizes]
        each = [value if value > 0 else math.nan for value in each]  # nan: less than starts differ among themselves
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in each) + " |")
        axes.plot(args.sizes, each, marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="clips", ylabel="CPU microseconds a clip, start taken off")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(args.plot, metadata={"Date": None})


if __name__ == "__main__":
    main()
