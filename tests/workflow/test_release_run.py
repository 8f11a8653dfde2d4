"""`snakemake release` on a real run: what it makes, what makes it again, and what stops it."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from clipmill.engine import tables
from mill import ROOT, Mill

FORMATS = {"release_webdataset", "release_parquet", "release_huggingface", "release_csv"}


@pytest.fixture(scope="module")
def released(finished_mill, tmp_path_factory) -> Mill:
    """A finished run, released. Never change it."""
    mill = finished_mill.copy(tmp_path_factory.mktemp("released") / "mill").change(report={"enabled": True})
    mill.run()
    mill.first = mill.run("release")
    return mill


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_is_made_only_when_it_is_asked_for(finished_mill, released):
    assert not (finished_mill.results / "release").exists()
    assert released.first.jobs.keys() == FORMATS | {"release_card", "release"}
    rows = list(tables.read(released.results / "meta.csv"))
    held = json.loads((released.results / "release/release.json").read_text())
    assert held["pairs"] == len(rows) > 0
    for row in rows:
        (clip,) = (released.results / "release/huggingface").rglob(Path(row["path"]).name)
        assert clip.read_bytes() == (released.results / row["path"]).read_bytes()
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=released.results / "release")
    assert done.returncode == 0


def test_a_key_of_the_release_rewrites_what_depends_on_it_and_nothing_else(released, tmp_path):
    mill = released.copy(tmp_path / "mill")
    before = digests(mill.results / "release")
    account = (mill.results / "run.json").read_bytes()
    mill.change(release={"path_prefix": "s3://bucket/"})
    assert mill.run().idle, "a plain run leaves a release alone"
    assert mill.run("release").jobs.keys() == {"release_csv", "release_card", "release"}
    mill.change(release={"splits": {"test": 1}, "card": {"name": "Mine"}})
    assert mill.run("release").jobs.keys() == FORMATS | {"release_card", "release"}
    assert not list((mill.results / "release").rglob("*train*"))
    mill.change(release={"splits": {"test": 0}, "card": {"name": None}, "path_prefix": None})
    mill.run("release")
    after = digests(mill.results / "release")
    assert {name for name in after if before.get(name) != after[name]} == {
        "csv/train.csv",
        "SHA256SUMS",
        "croissant.json",
        "release.json",
    }
    assert after.keys() == before.keys(), "the absolute paths of a CSV are those of its folder"
    assert (mill.results / "run.json").read_bytes() == account


@pytest.mark.slow
def test_a_damaged_clip_stops_it_and_the_named_command_heals(released, tmp_path):
    mill = released.copy(tmp_path / "mill")
    clip = next((mill.results / "clips").glob("*.mp4"))
    before, status = clip.read_bytes(), clip.stat()
    clip.write_bytes(before[:100] + bytes([before[100] ^ 1]) + before[101:])
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    mill.change(release={"formats": ["webdataset"], "shard_megabytes": 1})
    failed = mill.run("release", ok=False)
    assert failed.code == 1
    assert f"results/clips/{clip.name} is damaged (its content has changed): run make audit RESULTS='results'" in (
        failed.text
    )
    assert "Traceback" not in failed.text
    audit = [sys.executable, "-m", "clipmill.tools.audit", "results", "--remove"]
    environment = os.environ | {"PYTHONPATH": "workflow/scripts"}
    subprocess.run(audit, cwd=mill.folder, env=environment, capture_output=True)
    mill.run("release")
    assert clip.read_bytes() == before


def test_a_lost_or_changed_file_of_a_release_is_made_again(released, tmp_path):
    mill = released.copy(tmp_path / "mill")
    before = digests(mill.results / "release")
    (shard,) = (mill.results / "release").glob("webdataset/videos-*.tar")
    shard.write_bytes(b"x")
    (mill.results / "release/README.md").unlink()
    assert mill.run("release").jobs.keys() == {"release_webdataset", "release_card", "release"}
    assert digests(mill.results / "release") == before


def test_a_release_follows_the_pairs(released, tmp_path):
    mill = released.copy(tmp_path / "mill")
    kept = sorted(float(row["aes"]) for row in tables.read(mill.results / "meta.csv"))
    mill.change(select={"aes": {"min": kept[2]}})
    hint = mill.run().text
    rows = list(tables.read(mill.results / "meta.csv"))
    assert 0 < len(rows) < len(kept)
    assert f"{len(kept) - len(rows)} files in clips/ are of no pair: make tidy RESULTS='results'" in hint
    mill.run("release")
    names = {path.name for path in (mill.results / "release/huggingface").rglob("*") if path.suffix in (".mp4", ".png")}
    assert names == {Path(row["path"]).name for row in rows}
    tidy = [sys.executable, "-m", "clipmill.tools.tidy", "results"]
    subprocess.run(tidy, cwd=mill.folder, env=os.environ | {"PYTHONPATH": "workflow/scripts"}, check=True)
    assert {path.name for path in (mill.results / "clips").iterdir()} == names


def test_a_column_that_is_not_there_is_a_plain_message(released, tmp_path):
    mill = released.copy(tmp_path / "mill").change(release={"rename": {"txt": "caption"}})
    failed = mill.run("release", ok=False)
    assert failed.code == 1
    assert "release.rename: meta.csv has no column txt (it has: path, id, " in failed.text
    assert "Traceback" not in failed.text


def test_snakemakes_report_holds_figures_tables_and_captions(released):
    released.run("--report", "report.zip")
    with zipfile.ZipFile(released.folder / "report.zip") as report:
        names = {Path(name).name for name in report.namelist()}
        page = report.read("report/report.html").decode()
    assert {
        "funnel.svg",
        "rejects.svg",
        "scores.svg",
        "lengths.svg",
        "rejects.html",
        "thresholds.html",
        "models.html",
        "index.html",
    } <= (names)
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        assert caption.read_text().split()[3] in page
    for category in ("0 Threshold page", "1 Funnel", "2 Scores", "3 Pairs", "4 Models"):
        assert category in page


@pytest.mark.parametrize("graphviz", [True, False])
def test_graphs_are_drawn_in_colours_by_phase(released, graphviz, tmp_path):
    drawn = subprocess.run(
        released.command("--quiet", "all", "--rulegraph", "dot", "release"), cwd=released.folder, capture_output=True
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    if not graphviz:
        environment["PATH"] = str(Path(os.__file__).parents[2] / "bin")
    draw = [sys.executable, "-m", "clipmill.tools.graph", "--out", str(tmp_path / "rules.svg")]
    subprocess.run(draw, input=drawn.stdout, env=environment, check=True)
    suffix = ".svg" if (tmp_path / "rules.svg").exists() else ".mmd"
    if not graphviz:
        assert suffix == ".mmd"
    text = (tmp_path / f"rules{suffix}").read_text()
    for rule, colour in (("scan_videos", "#a6cee3"), ("release_card", "#cab2d6"), ("caption_clips", "#fdbf6f")):
        assert rule in text
        assert colour in text
