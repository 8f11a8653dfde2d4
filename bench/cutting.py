"""Measure a run over some videos, from cuts to clip files, against the reference's way; print Markdown tables.

The reference's way: a detector per file, one ffmpeg per clip for all clips, and three reads of each clip by OpenCV (its
frames for aesthetics, flow and text). Ours: scan_videos, the same pictures of all clips from the frame store, and
cut_clips for those that are kept. Models are left out on both sides; so are listing, plans and Snakemake. Figures are
CPU seconds (user + system), medians of interleaved runs: compare the ratios. Both ways take the clips that our scan
finds, and keep the sound.

Example: PYTHONPATH=workflow/scripts python bench/cutting.py --videos FOLDER --runs 5
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clipmill.engine import rejects, tables
from clipmill.plan.config import check
from clipmill.plan.flow import of_a_clip
from clipmill.videos import sources
from list_videos import listing
from processes import films, in_turns, measured, ratio
from ways import CONFIG, FFMPEG, SCHEMA, SCRIPTS, decoding, scan

READS = {"aesthetic": (0.1, 0.5, 0.9), "flow": (0, 10, 20, 30), "ocr": (10,)}
"""The frames that the reference's scorers read: shares of a clip's length, or numbers."""
SAME = "ours, veryfast, crf 23"
"""Our way with the settings of the reference's second one."""
OURS = {
    "ours, default (veryfast, crf 18)": {},
    SAME: {"crf": 23},
    "ours, `cut.mode: smart`": {"mode": "smart"},
}


def main() -> None:
    """Print a table of each way's CPU seconds with a part of the clips kept, and one of cutting alone."""
    if sys.argv[1:2] == ["--read"]:
        return read(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--videos", nargs="+", type=Path, required=True, help="videos, all in one folder, or that folder"
    )
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each way")
    parser.add_argument("--kept", type=float, nargs="*", default=[0.3, 1.0], help="shares of the frames that are kept")
    parser.add_argument("--alone", action="store_true", help="measure cutting alone, not a run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), films(args.videos))
        if args.alone:
            cutting(bench, args.runs)
        else:
            whole(bench, args.kept, args.runs)
    return None


class Bench:
    """The videos, their clips, and the ways to make clip files of them."""

    def __init__(self, work: Path, videos: list[Path]):
        self.work, self.files, self.videos, self.spent = work, videos, videos[0].parent, 0.0
        rows = listing(self.videos, sources.found(self.videos), work / "files.csv")[0]
        names = {path.name for path in videos}
        tables.write(work / "videos.csv", sources.COLUMNS, [row for row in rows if row["relpath"] in names])
        self.scanned = self.scan()
        self.clips = clips_of(self.scanned)
        tables.write(work / "clips.csv", tuple(self.clips[0]), self.clips)
        self.frames = sum(int(clip["num_frames"]) for clip in self.clips)

    def call(self, *command: str | Path) -> None:
        """Run a command, and add up what it costs."""
        self.spent += measured(list(command))[0]

    def cost(self, way: Callable) -> float:
        """CPU seconds of what a way calls."""
        before = self.spent
        way()
        return self.spent - before

    def compared(self, ways: dict[str, Callable], runs: int) -> dict[str, list[float]]:
        """CPU seconds of each way in each turn."""
        return in_turns({name: partial(self.cost, way) for name, way in ways.items()}, runs)

    def step(self, script: str, table: Path, out: Path, settings: dict, *more: str | Path) -> Path:
        """Run a step's script without anything remembered."""
        places = ["--memo", tempfile.mkdtemp(dir=self.work), "--results", self.work, "--videos", self.videos]
        given = ["--table", table, "--out", out, "--settings", json.dumps(settings)]
        self.call(sys.executable, SCRIPTS / f"{script}.py", *given, *places, *more)
        return out

    def scan(self) -> Path:
        out = self.work / "videos.scan_videos" / "x" / "scan.csv"
        return self.step("scan_videos", self.work / "videos.csv", out, scan("adaptive"), "--store", self.work / "store")

    def cut(self, table: Path, **settings) -> Path:
        block = check({"cut": settings}, SCHEMA)["cut"]
        out = self.work / "captions.cut_clips" / "x" / "cut.csv"
        return self.step("cut_clips", table, out, of_a_clip(block) | {"check": block["check"]})

    def kept(self, share: float) -> Path:
        """A table of clips, drawn in a fixed order, that have at least this share of all frames."""
        order, table, chosen, frames = list(self.clips), self.work / f"kept {share}.csv", [], 0
        random.Random(1).shuffle(order)
        while order and frames < share * self.frames:
            chosen.append(order.pop())
            frames += int(chosen[-1]["num_frames"])
        tables.write(table, tuple(self.clips[0]), sorted(chosen, key=lambda clip: clip["id"]))
        print(f"\nKept: {len(chosen)} of {len(self.clips)} clips, {frames / self.frames:.0%} of the frames.")
        return table

    def ours(self, table: Path, settings: dict) -> None:
        """Scan, look at stored pictures of all clips three times, cut those of a table."""
        self.scan()
        for what in READS:
            self.call(sys.executable, __file__, "--read", what, self.work / "clips.csv", self.work / "store")
        self.cut(table, **settings)

    def reference(self, preset: str) -> None:
        """A detector per file, an ffmpeg per clip, and three reads of each clip."""
        for path in self.files:
            self.call(sys.executable, "-m", "scenedetect", "-q", "-i", path, "detect-adaptive")
        for clip in self.clips:
            start, length = float(clip["start"]), float(clip["end"]) - float(clip["start"])
            span = ["-ss", f"{start}", "-i", self.videos / clip["relpath"], "-t", f"{length}"]
            self.call(
                FFMPEG,
                "-v",
                "quiet",
                "-y",
                *span,
                "-c:v",
                "libx264",
                "-preset",
                preset,
                "-crf",
                "23",
                self.file(clip["id"]),
            )
        for what in READS:
            self.call(sys.executable, __file__, "--read", what, self.work / "clips.csv", self.work / "cut")

    def file(self, identity: str) -> Path:
        (self.work / "cut").mkdir(exist_ok=True)
        return self.work / "cut" / f"{identity}.mp4"

    def decode(self) -> None:
        for path in self.files:
            self.call(*decoding(path))


def clips_of(scanned: Path) -> list[dict]:
    """The clips of a scanned table."""
    import gather_videos

    rows = [row for row in tables.read(scanned) if not rejects.is_reject(row)]
    clips = [clip for row in rows for clip in gather_videos.clips_of(row) if not clip.get("reason")]
    return [{name: str(clip.get(name, "")) for name in gather_videos.CLIPS} for clip in clips]


def read(what: str, table: str, folder: str) -> None:
    """Read the frames of a scorer: of clip files as the reference does, or from our frame store."""
    store = Path(folder)
    if store.name == "store":
        from clipmill.videos import frames

        for row in tables.read(table):
            here = frames.Store(store, store)
            frames.sampled(here, row) if what == "flow" else frames.read(here, row, CONFIG["score"][what]["frames"])
        return
    import cv2

    for row in tables.read(table):
        capture = cv2.VideoCapture(str(store / f"{row['id']}.mp4"))
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        for wanted in READS[what]:
            number = int(wanted * total) if isinstance(wanted, float) else min(wanted, total - 1)
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            capture.read()


def cutting(bench: Bench, runs: int) -> None:
    """What cutting all clips costs, in passes of decoding."""
    table = bench.work / "clips.csv"
    ways = {
        "ffmpeg, decode only, one thread": bench.decode,
        "cut_clips, veryfast, crf 23": partial(bench.cut, table, crf=23),
        "the same without sound": partial(bench.cut, table, crf=23, audio=False),
        "the same with `cut.check: packets`": partial(bench.cut, table, crf=23, check="packets"),
        "the same with `cut.check: decode`": partial(bench.cut, table, crf=23, check="decode"),
        "cut_clips, `cut.mode: smart`": partial(bench.cut, table, mode="smart"),
    }
    found = bench.compared(ways, runs)
    base = next(iter(found.values()))
    print(f"\n| all {len(bench.clips)} clips, {bench.frames} frames, {len(bench.files)} videos | CPU s | x decode |")
    print("|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {statistics.median(seconds):.1f} | {ratio(seconds, base):.2f} |")


def whole(bench: Bench, shares: list[float], runs: int) -> None:
    """What a run costs with a share of the frames kept; the reference's way costs the same for any."""
    ways = {f"reference, {preset}, crf 23": partial(bench.reference, preset) for preset in ("medium", "veryfast")}
    for share in shares:
        table = bench.kept(share)
        of = OURS if share < 1 else {SAME: OURS[SAME]}
        ways |= {f"{share:.0%} kept: {name}": partial(bench.ours, table, settings) for name, settings in of.items()}
    found = bench.compared(ways, runs)
    bases = {name: seconds for name, seconds in found.items() if name.startswith("reference")}
    print("\n| a run | CPU s |" + "".join(f" {name} / this |" for name in bases))
    print("|---|---|" + "---|" * len(bases))
    for name, seconds in found.items():
        ratios = "".join(f" {ratio(base, seconds):.2f} |" for base in bases.values())
        print(f"| {name} | {statistics.median(seconds):.1f} |{ratios}")


if __name__ == "__main__":
    main()
