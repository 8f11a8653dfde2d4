"""Compare what the detectors find and what they cost: gradual transitions in edits that are made here, of which all is
known, and CPU seconds of `scan_videos` on real files. Prints markdown tables.

Each scan is a process of one thread, run in turns; a figure is the median of --runs runs, user + system, the start of
the process and the network's loading included.

Example: PYTHONPATH=workflow/scripts:tests/kit:demo python bench/gradual.py --footage FOLDER --videos FOLDER
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import ways
from clipmill.engine import tables
from clipmill.videos.detectors import DETECTORS
from clipmill.videos.view import Viewer
from edits import Made, camera, edited, filmed, flashed, lit, over, titled
from processes import films, in_turns, measured, ratio

NAMES = "adaptive", "transnetv2", "hybrid"
SIZE = 54, 96
LENGTHS = 6, 8, 11, 15, 20, 28, 38, 50
KINDS = "dissolve", "black", "dissolve", "wipe", "dissolve", "white", "dissolve", "cut"
PHOTOGRAPHS = "chelsea", "coffee", "rocket", "grass", "astronaut", "hubble_deep_field", "gravel", "camera", "retina"
SHOTS = {
    "iio_cockatoo.mp4": [(0, 70), (70, 140), (140, 210), (210, 280)],
    "mpy_chaplin.mp4": [(0, 80), (80, 160), (160, 240)],
    "decord_flipping_a_pancake.mkv": [(0, 80), (80, 170), (170, 240)],
    "mpy_big_buck_bunny_0_30.webm": [(60, 130), (285, 375), (380, 470)],
    "cosmos_test_video_30s.mp4": [(286, 346), (523, 573)],
}
"""Spans of real footage within which nothing is cut."""
NEAR = 3
"""Frames around a transition within which a find is one."""


class Film(NamedTuple):
    """A film that was made: (frames, *SIZE, 3) uint8, and its transitions."""

    frames: np.ndarray
    truth: list[Made]


def edits(footage: Path | None = None, shots: int = 20, seed: int = 0) -> Iterator[tuple[str, Film]]:
    """Films by name, each of so many shots: cameras over blobs, over photographs, and real footage where it is."""
    import reel

    random = np.random.default_rng(seed)
    across, down, zoom = random.choice([0, 0.3, 0.6, 1.2], shots), random.choice([0, 0.3], shots), [0, 0, 0, 0.002]
    speeds = [(across[n], down[n], zoom[n % len(zoom)]) for n in range(shots)]
    yield "cameras", made([camera(1000 * seed + n, 75, *speeds[n], SIZE) for n in range(shots)], random)
    views = [over(seed + n, reel.photograph(PHOTOGRAPHS[n % len(PHOTOGRAPHS)]), 75, SIZE) for n in range(shots)]
    yield "photographs", made(views, random)
    if footage:
        real = [shot for name, spans in SHOTS.items() if (footage / name).exists()
                for shot in filmed(footage / name, spans, SIZE)]  # fmt: skip
        yield "footage", made([real[n] for n in random.permutation(len(real))] * 2, random)


def reel_films() -> Iterator[tuple[str, Film]]:
    """The videos of the sample reel."""
    import reel

    sample = ways.ROOT / "sample"
    reel.make(sample)
    for name, known in json.loads((sample / "truth.json").read_text()).items():
        if known["kind"] == "video" and not known["reject"]:
            with av.open(sample / "videos" / name) as film:
                frames = np.stack([frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)])
            cuts = [Made("cut", at, at) for at in known["cuts"]]
            kinds = {"dissolve": "dissolve", "fade": "black"}
            spans = [Made(kinds[one["kind"]], one["start_frame"], one["end_frame"]) for one in known["gradual"]]
            yield f"reel: {name}", Film(frames, cuts + spans)


def made(shots: list[np.ndarray], random: np.random.Generator) -> Film:
    """A film of these shots, its transitions of all kinds and lengths."""
    lengths = random.permutation(np.resize(LENGTHS, len(shots) - 1)).tolist()
    joins = [(KINDS[n % len(KINDS)], length) for n, length in enumerate(lengths)]
    frames, truth = edited(shots, joins)
    return Film(np.clip(frames, 0, 255).astype(np.uint8), truth)


def single() -> Iterator[tuple[str, Film]]:
    """Shots without a transition."""
    dim = camera(5, 90, 0, size=SIZE)
    shots = {
        "fast pan": camera(1, 90, 6, size=SIZE),
        "pan": camera(2, 90, 2, size=SIZE),
        "zoom": camera(3, 90, 0, 0, 0.01, SIZE),
        "sunset": lit(camera(4, 90, size=SIZE), 0.4),
        "lamp": np.concatenate([dim[:40], lit(dim[40:50], 1.6), 1.6 * dim[50:]]),
        "title": titled(camera(6, 120, size=SIZE)),
        "flash": flashed(camera(7, 90, size=SIZE), 45),
    }
    for name, frames in shots.items():
        yield name, Film(np.clip(frames, 0, 255).astype(np.uint8), [])


def scenes(name: str, film: Film, **settings) -> list[tuple[int, int]]:
    """What a detector makes of a film."""
    detector, viewer = DETECTORS[name](ways.CONFIG["detectors"][name] | settings), Viewer()
    for index, image in enumerate(film.frames):
        detector.feed(index, viewer(av.VideoFrame.from_ndarray(image, "bgr24")), 25.0)
    return detector.scenes(len(film.frames))


class Judged(NamedTuple):
    """Transitions by kind: how many there are and how many were found; and cuts where nothing is."""

    made: dict[str, int]
    found: dict[str, int]
    false: int


def judged(film: Film, found: list[tuple[int, int]]) -> Judged:
    """Which transitions of a film the scenes tell: by an end or a begin of one within it, of a cut exactly at it."""
    ends = [0, *(end for _, end in found)]
    breaks = list(zip(ends, [*(begin for begin, _ in found), len(film.frames)], strict=True))
    breaks = [(first, end) for first, end in breaks if end > 0 and first < len(film.frames)]
    count: dict[str, int] = dict.fromkeys(sorted({made.kind for made in film.truth}), 0)
    hits, matched = dict(count), set()
    for kind, begin, end in film.truth:
        mine = {(first, last) for first, last in breaks if first <= end + NEAR and begin - NEAR <= last}
        count[kind] += 1
        hits[kind] += bool(mine) and (kind != "cut" or any(last == end for _, last in mine))
        matched |= mine
    return Judged(count, hits, len(breaks) - len(matched))


def truth(footage: Path | None = None, seed: int = 0, shots: int = 20, names=NAMES) -> dict[str, dict[str, Judged]]:
    """How each detector does on each film, printed as a table."""
    kinds = ("dissolve", "black", "white", "wipe", "cut")
    print(f"| film | detector | {' | '.join(kinds)} | false |\n|---|---|{'---|' * len(kinds)}---|")
    results: dict[str, dict[str, Judged]] = {}
    for film, held in [*edits(footage, shots, seed), *reel_films(), *single()]:
        results[film] = {name: judged(held, scenes(name, held)) for name in names}
        for name, (count, hits, false) in results[film].items():
            cells = (f"{hits[kind]} of {count[kind]}" if count.get(kind) else "" for kind in kinds)
            print(f"| {film} | {name} | {' | '.join(cells)} | {false} |", flush=True)
    return results


def cost(videos: list[Path], runs: int, names=NAMES) -> None:
    """CPU seconds of the scan of all videos in one job, by detector, printed as a table."""
    found = in_turns({name: partial(scan, videos, name) for name in names}, runs)
    print(f"\n| scan of {len(videos)} videos in one job | CPU s | ratio |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {statistics.median(seconds):.1f} | {ratio(seconds, found[names[0]]):.2f} |", flush=True)


def scan(videos: list[Path], detector: str) -> float:
    """CPU seconds of one job of scan_videos."""
    rows = [
        {"id": f"{number:016x}", "relpath": str(path), "kind": "video", "bytes": path.stat().st_size}
        for number, path in enumerate(videos)
    ]
    with tempfile.TemporaryDirectory() as folder:
        tables.write(Path(folder) / "shard.csv", ("id", "relpath", "kind", "bytes"), rows)
        places = ["--memo", "memo", "--store", "store", "--videos", "/", "--results", folder]
        given = [
            "--table",
            "shard.csv",
            "--out",
            "videos.scan_videos/x/out.csv",
            "--settings",
            json.dumps(ways.scan(detector)),
        ]
        return measured([sys.executable, ways.SCRIPTS / "scan_videos.py", *given, *places], Path(folder))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, help="the folder of real footage of which shots are taken for edits")
    parser.add_argument("--videos", type=Path, nargs="*", default=[], help="files, or folders, whose scan is timed")
    parser.add_argument("--runs", type=int, default=5, help="turns in which each detector runs once")
    parser.add_argument("--seed", type=int, default=0, help="another number makes other edits")
    parser.add_argument("--detectors", nargs="+", default=NAMES, help="ratios are to the first one")
    parser.add_argument("--no-truth", action="store_true", help="only time the scans")
    args = parser.parse_args()
    if not args.no_truth:
        truth(args.footage, args.seed, names=args.detectors)
    if args.videos:
        cost(films(args.videos), args.runs, args.detectors)


if __name__ == "__main__":
    main()
