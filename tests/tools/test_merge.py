"""make merge: finished folders joined are as one run over all their sources."""

import csv
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numbered_video
import pytest
from mill import ROOT, Mill

TABLES = ("meta.csv", "rejects.csv", *(f"tables/{name}.csv" for name in (
    "listing", "videos", "clips", "scores", "selected", "captions", "duplicates", "ignored", "sample")))  # fmt: skip
CHECK = ROOT.parent / "shared" / "checks" / "check_results.py"


def tool(name: str, *args: object, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a tool in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-m", f"clipmill.tools.{name}", *map(str, args)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def table(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Mill:
    """A run over all sources in `results`, runs over two halves in `may` and `june`. One source lies in both halves
    under two names; a clip of each half shows what one of the other shows; each half has files that cannot be used."""
    mill = Mill(tmp_path_factory.mktemp("merge") / "mill", duplicates={"enabled": True}, report={"enabled": True})
    mill.videos.mkdir()
    for name, size in (("a one", (320, 180)), ("b two", (320, 180)), ("c one small", (240, 136))):
        seed = {"a one": 100, "b two": 101, "c one small": 100}[name]
        numbered_video.write(mill.videos / f"{name}.mp4", seed, Fraction(25), cuts=[30, 60], size=size)
    shutil.copy(mill.videos / "b two.mp4", mill.videos / "d two again.mp4")
    (mill.videos / "broken.mp4").write_bytes(b"this is no video" * 50)
    names = ["a one.mp4", "b two.mp4", "gone.mp4", "broken.mp4", "c one small.mp4", "d two again.mp4"]
    rows = [{"path": name, "license": f"cc-{number}", "title": f"Title, {name}"} for number, name in enumerate(names)]
    for name, some in (("all", rows), ("may", rows[:3]), ("june", rows[3:])):
        write(mill.videos / f"{name}.csv", some)
    mill.change(videos="videos/all.csv").run()
    for name in ("may", "june"):
        mill.change(videos=f"videos/{name}.csv", results=name).run()
    return mill


@pytest.fixture(scope="module")
def merged(runs) -> tuple[Path, subprocess.CompletedProcess]:
    done = tool("merge", "may", "june", "--out", "merged", folder=runs.folder)
    assert done.returncode == 0, done.stderr
    return runs.folder / "merged", done


@pytest.mark.slow
def test_folders_merged_equal_one_run_over_all(runs, merged):
    results, done = merged
    assert "1 sources lie in more than one folder and are kept once, such as d two again.mp4" in done.stderr
    for name in TABLES:
        assert (results / name).read_bytes() == (runs.folder / "results" / name).read_bytes(), name
    assert {row["reason"] for row in table(results / "rejects.csv") if row["stage"] == "find_duplicates"} == {
        "duplicate"
    }
    one, other = (json.loads((runs.folder / name / "run.json").read_text()) for name in ("results", "merged"))
    for key in ("counts", "rejects", "selection", "models", "ignored"):
        assert one[key] == other[key]
    for row in table(results / "meta.csv"):
        clip = results / row["path"]
        assert clip.read_bytes() == (runs.folder / "results" / row["path"]).read_bytes()
        assert clip.stat().st_nlink == 2, "a clip is another name of the one that was cut"
    assert len(list((results / "clips").iterdir())) == len(table(results / "meta.csv"))


@pytest.mark.slow
def test_it_is_whole_for_the_audit_and_for_an_independent_check(merged):
    results, _ = merged
    done = tool("audit", results, "--deep")
    assert done.returncode == 0, done.stdout + done.stderr
    if CHECK.exists():
        done = subprocess.run([sys.executable, CHECK, results], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    assert tool("diff", results.parent / "results", results, "--exit-code").returncode == 0


@pytest.mark.slow
def test_a_release_is_made_of_it_and_no_run_writes_to_it(runs, merged, tmp_path):
    results, _ = merged
    (runs.folder / "of.yaml").write_text("release: {card: {name: Both}}\n")
    done = tool("release", "merged", "--config", "of.yaml", folder=runs.folder)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=results / "release").returncode == 0
    held = json.loads((results / "release/release.json").read_text())
    assert held["selection"] == json.loads((runs.folder / "results/run.json").read_text())["selection"]
    mill = runs.change(results="merged")
    before = (results / "meta.csv").read_bytes()
    for dry in (["-n"], []):
        assert "merged was made by make merge, so no run may write to it" in mill.run(*dry, ok=False).text
    assert (results / "meta.csv").read_bytes() == before
    done = tool("merge", "merged", "june", "--out", "again", folder=runs.folder)
    assert done.returncode == 0, done.stderr
    assert (runs.folder / "again/meta.csv").read_bytes() == before
