"""Runs the real workflow in a copy of the repository, so that a test may edit code, kill processes and look at jobs."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIGHT = {
    "detector": "content",
    "detectors": {"content": {"min_scene_frames": 10}},
    "clips": {"min_seconds": 0.2},
    "score": {"aesthetic": {"model": "photometric"}, "flow": {"model": "dis"}, "ocr": {"enabled": False}},
    "select": {"aes": {"min": None}, "flow": {"min": None}, "match": {"min": None}},
    "caption": {"model": "attributes"},
    "match": {"model": "attributes"},
    "cut": {"preset": "ultrafast", "crf": 30},
    "shards": {"minutes": 30, "max": 1},
    "report": {"enabled": False},
}
"""A configuration with embedded models, without text detection, whose model takes seconds to load, and without the
threshold page and the figures."""


def merged(base: dict, change: dict) -> dict:
    """`base` with `change` laid over it, at any depth."""
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(out.get(key) or {}, value) if isinstance(value, dict) else value
    return out


class Mill:
    """A copy of the workflow with its own configuration, videos and results."""

    def __init__(self, folder: Path, **change):
        self.folder, self.videos, self.results = folder, folder / "videos", folder / "results"
        for part in ("workflow", "config", "profiles"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.config: dict = merged(LIGHT, {"videos": "videos", "results": "results"})
        self.seen: dict[str, int] = {}
        self.change(**change)

    def copy(self, folder: Path) -> "Mill":
        """A copy with everything done so far, file times included."""
        shutil.copytree(self.folder, folder)
        other = Mill.__new__(Mill)
        other.folder, other.videos, other.results = folder, folder / "videos", folder / "results"
        other.config, other.seen = self.config, dict(self.seen)
        return other

    def change(self, **change) -> "Mill":
        """Lay `change` over the configuration."""
        self.config = merged(self.config, change)
        (self.folder / "test.yaml").write_text(yaml.safe_dump(self.config))
        return self

    def command(self, *args: str, cores: int = 2) -> list[str]:
        """The command line of a run; a later --configfile or --profile may be among `args`."""
        start = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "test.yaml"]
        return [*start, "--show-failed-logs", *args]

    def run(self, *args: str, ok: bool = True, cores: int = 2) -> "Outcome":
        """Run the workflow; with `ok`, fail the test where it fails."""
        before = set(self.logs())
        done = subprocess.run(self.command(*args, cores=cores), cwd=self.folder, capture_output=True, text=True)
        if ok and done.returncode:
            raise AssertionError(f"snakemake failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        log = "".join(path.read_text() for path in self.logs() if path not in before)
        return Outcome(done.returncode, done.stdout + done.stderr, log, self.counted("computed"))

    def logs(self) -> list[Path]:
        """Snakemake's own logs; a dry run has none."""
        return sorted((self.folder / ".snakemake" / "log").glob("*.log"))

    def counted(self, what: str) -> Counter:
        """Items computed (or remembered) by rule since the last call."""
        counts: Counter = Counter()
        for path in sorted((self.results / "logs").glob("*/*.jsonl")):
            lines = path.read_text().splitlines()
            name = f"{path.parent.name}/{path.name}"
            for line in lines[self.seen.get(name, 0) :]:
                record = json.loads(line)
                counts[record["rule"].partition(".")[2]] += record[what]
            self.seen[name] = len(lines)
        return +counts

    def final(self) -> tuple[bytes, bytes]:
        """The bytes of meta.csv and rejects.csv."""
        return (self.results / "meta.csv").read_bytes(), (self.results / "rejects.csv").read_bytes()

    def edit(self, script: str, old: str, new: str) -> None:
        """Replace text that must be there in a script (a path below workflow/scripts)."""
        path = self.folder / "workflow" / "scripts" / script
        text = path.read_text()
        assert old in text, f"{script} no longer holds {old!r}: update this test"
        path.write_text(text.replace(old, new, 1))


class Outcome:
    """What a run of the workflow printed and did."""

    def __init__(self, code: int, text: str, log: str, computed: Counter):
        self.code, self.text, self.log, self.computed = code, text, log, computed

    @property
    def jobs(self) -> Counter:
        """Jobs run by rule (of the last table of jobs that Snakemake printed, which grows after checkpoints)."""
        rules = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):$", self.log or self.text, re.MULTILINE)
        return Counter(rule for rule in rules if rule != "all")

    @property
    def idle(self) -> bool:
        """Whether Snakemake found nothing to do."""
        return "Nothing to be done" in self.text


def footage(folder: Path, videos: int = 3, image: bool = True) -> Path:
    """A small folder of videos of known scenes: numbered frames, 320x180, hard cuts; a picture; a broken file."""
    from numbered_video import write
    from skimage import data, io

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(videos):
        cuts = [20 + 5 * number, 50, 75 + number]
        write(folder / f"video {number}.mp4", 100 + number, Fraction(25), cuts=cuts)
    if image:
        io.imsave(folder / "coffee.png", data.coffee()[:300, :400])
        (folder / "broken.mp4").write_bytes(b"this is no video" * 50)
    return folder
