"""Measure the CPU steps on this machine and print a markdown table for docs/benchmarks.md.

Figures are CPU seconds (user + system, of one thread where a tool allows it), the median of --runs interleaved runs;
compare the ratios. Videos: --videos, or the sample reel, which is made if it is missing.

Example: make bench ARGS="--videos footage --runs 3"
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import reel
from clipmill.engine import rejects, tables
from clipmill.plan.config import check
from clipmill.plan.flow import BY_CLIP
from clipmill.videos import sources
from clipmill.videos.detectors import DETECTORS
from list_videos import listing
from scan_videos import ScanVideos

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
CONFIG = check({"quality": {"sound": True}}, ROOT / "workflow/schemas/config.schema.yaml")
SETTINGS = {name: CONFIG[name] for name in ("frames", "detectors", "quality", "fmin", "clips")}
SETTINGS |= {name: CONFIG["cut"][name] for name in BY_CLIP}
CUT = {"fps": None, "shorter_size": None, "audio": False, "preset": "veryfast", "crf": 23}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, help="folder of videos for the speeds (default: the reel)")
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs of each way")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sample = ROOT / "sample"
        reel.make(sample)
        videos = args.videos or sample / "videos"
        table = work / "listing.csv"
        rows = [row for row in listing(videos, sources.found(videos), work / "files.csv")[0] if row["kind"] == "video"]
        tables.write(table, sources.COLUMNS, rows)
        scanned = scan(work, videos, table, rows, args.runs)
        cut(work, videos, scanned, args.runs)
    detectors(sample)


def cpu(run: Callable) -> float:
    """CPU seconds of the processes that `run` starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def call(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)


def compared(ways: dict[str, Callable], runs: int) -> dict[str, float]:
    """Median CPU seconds of each way, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            seconds[name].append(cpu(way))
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, found: dict[str, float]) -> None:
    base = next(iter(found.values()))
    print(f"\n| {title} | CPU s | ratio |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.1f} | {seconds / base:.2f} |")


def scan(work: Path, videos: Path, table: Path, rows: list[dict], runs: int) -> Path:
    """Decoding alone, PySceneDetect's command, and the whole scan; returns the scanned table."""
    files = [row["path"] for row in rows]
    out = work / "videos.scan_videos" / "x" / "scan.csv"

    def scan_videos():
        settings = json.dumps(SETTINGS | {"detector": "adaptive"})
        memo, store = tempfile.mkdtemp(dir=work), work / "store"
        places = ["--memo", memo, "--store", store, "--results", work, "--videos", videos]
        call(
            sys.executable, SCRIPTS / "scan_videos.py", "--table", table, "--out", out, "--settings", settings, *places
        )

    def decode():
        for file in files:
            call(FFMPEG, "-v", "quiet", "-threads", "1", "-i", file, "-f", "null", "-")

    def scenedetect():
        for file in files:
            call(sys.executable, "-m", "scenedetect", "-q", "-i", file, "detect-adaptive")

    ways = {
        "ffmpeg, decode only, one thread": decode,
        "scenedetect detect-adaptive (cuts)": scenedetect,
        "scan_videos (cuts, true length, frame store)": scan_videos,
    }
    report(f"one pass over {len(files)} videos", compared(ways, runs))
    return out


def cut(work: Path, videos: Path, scanned: Path, runs: int) -> None:
    """One ffmpeg per clip, as in the reference, and cut_clips."""
    from gather_videos import CLIPS, clips_of

    clips = [clip for row in tables.read(scanned) if not rejects.is_reject(row) for clip in clips_of(row)]
    table, out = work / "clips.csv", work / "captions.cut_clips" / "x" / "cut.csv"
    tables.write(table, CLIPS, clips)

    def ours():
        places = ["--memo", tempfile.mkdtemp(dir=work), "--results", work, "--videos", videos]
        settings = ["--settings", json.dumps(CUT)]
        call(sys.executable, SCRIPTS / "cut_clips.py", "--table", table, "--out", out, *settings, *places)

    def ffmpeg():
        for clip in clips:
            start, length = float(clip["start"]), float(clip["end"]) - float(clip["start"])
            span = ["-ss", f"{start}", "-i", videos / clip["relpath"], "-t", f"{length}"]
            options = ["-threads", "1", "-c:v", "libx264", "-preset", CUT["preset"], "-crf", CUT["crf"], "-an"]
            call(FFMPEG, "-v", "quiet", "-y", *span, *options, work / "clip.mp4")

    ways = {"one ffmpeg per clip (not read back)": ffmpeg, "cut_clips (every file checked)": ours}
    report(f"{len(clips)} clips, x264 {CUT['preset']} crf {CUT['crf']}", compared(ways, runs))
    with open(out, newline="") as file:
        exact = sum(row["cut_num_frames"] == row["num_frames"] for row in csv.DictReader(file))
    print(f"\ncut_clips: {exact} of {len(clips)} clips have exactly the frames of their span.")


def detectors(sample: Path) -> None:
    """Found, missed and false cuts of each detector on the sample reel."""
    truth = json.loads((sample / "truth.json").read_text())
    print("\n| detector on the sample reel | hard cuts found (exact) | missed | false | transitions found | of |")
    print("|---|---|---|---|---|---|")
    for name in DETECTORS:
        found = missed = false = seen = gradual = 0
        for relpath, entry in truth.items():
            if entry["kind"] != "video" or entry["reject"]:
                continue
            with tempfile.TemporaryDirectory() as folder:
                step = ScanVideos(SETTINGS | {"detector": name}, Path(folder), sample / "videos", Path(folder))
                row = {"id": "0" * 16, "relpath": relpath, "kind": "video"}
                scenes = json.loads(step.compute([row], [None])[0]["scenes"])
            cuts = {begin for begin, _ in scenes[1:]}
            spans = [(change["start_frame"] - 3, change["end_frame"] + 3) for change in entry["gradual"]]
            found += len(cuts & set(entry["cuts"]))
            missed += len(set(entry["cuts"]) - cuts)
            inside = {cut for cut in cuts for begin, end in spans if begin <= cut <= end}
            false += len(cuts - set(entry["cuts"]) - inside)
            gradual += len(spans)
            seen += sum(any(begin <= cut <= end for cut in cuts) for begin, end in spans)
        print(f"| {name} | {found} | {missed} | {false} | {seen} | {gradual} |")


if __name__ == "__main__":
    main()
