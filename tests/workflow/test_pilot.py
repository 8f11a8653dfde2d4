"""A pilot: a sample of the files runs, the whole is foretold, and what the pilot computed is not computed twice."""

import json
import shutil
import subprocess
import sys

import pytest
from clipmill.engine import tables
from clipmill.tools import books, tidy
from mill import ROOT

CHECK = ROOT.parent / "shared" / "checks" / "check_results.py"
STORES = "frames/*/**/*.zip"


@pytest.fixture(scope="module")
def piloted(finished_mill, tmp_path_factory):
    """A pilot on the footage of the finished run, in a folder of its own. Never change it: copy it."""
    mill = finished_mill.copy(tmp_path_factory.mktemp("pilot") / "mill")
    for folder in (mill.results, mill.folder / ".snakemake"):
        shutil.rmtree(folder)
    mill.seen.clear()
    mill.first = mill.change(sample={"videos": 2, "seed": 1}).run()
    return mill


@pytest.fixture
def pilot(piloted, tmp_path):
    """A copy of a finished pilot, which a test may change."""
    return piloted.copy(tmp_path / "mill")


def drawn(mill) -> set[str]:
    return {row["id"] for row in tables.read(mill.results / "tables/sample.csv") if row["drawn"]}


def test_only_the_sample_runs_and_the_rest_is_neither_lost_nor_rejected(piloted):
    everyone = list(tables.read(piloted.results / "tables/sample.csv"))
    assert len(everyone) == 5
    assert len(drawn(piloted)) == piloted.first.computed["scan_videos"] == 3, "two videos and the image"
    assert {row["id"] for row in tables.read(piloted.results / "tables/listing.csv")} == drawn(piloted)
    assert {row["id"][:16] for row in tables.read(piloted.results / "rejects.csv")} <= drawn(piloted)
    account = json.loads((piloted.results / "run.json").read_text())
    assert list(books.findings(piloted.results, account)) == []
    if CHECK.is_file():
        done = subprocess.run([sys.executable, CHECK, piloted.results], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_run_says_what_the_whole_would_yield_and_cost(piloted):
    pilot = json.loads((piloted.results / "run.json").read_text())["pilot"]
    assert pilot["files"] == {"image": 1, "video": 4}
    assert pilot["drawn"] == 3
    pairs = len(list(tables.read(piloted.results / "meta.csv")))
    assert pilot["yields"]["pairs"]["sample"] == pairs <= pilot["yields"]["pairs"]["whole"]
    assert pilot["cost"]["cpu_hours"]["whole"] >= pilot["cost"]["cpu_hours"]["sample"] > 0
    assert "Pilot: 3 files of 1 image and 4 videos (seed 1). The whole, with 95 % margins:" in piloted.first.text


def test_the_whole_after_a_pilot_computes_the_rest_only_and_gives_the_same_bytes(piloted, pilot, finished_mill):
    first, stores = piloted.first.computed, {path: path.stat().st_mtime_ns for path in pilot.results.glob(STORES)}
    assert len(stores) >= 2
    rest = pilot.change(sample={"videos": None}).run().computed
    fresh = finished_mill.copy(pilot.folder.parent / "fresh")
    fresh.seen.clear()
    assert first + rest == fresh.counted("computed")
    assert {path: path.stat().st_mtime_ns for path in stores} == stores
    assert pilot.final() == finished_mill.final()
    for table in ("listing", "videos", "clips", "scores", "selected", "captions", "sample"):
        name = f"tables/{table}.csv"
        assert (pilot.results / name).read_bytes() == (finished_mill.results / name).read_bytes(), name
    assert json.loads((pilot.results / "run.json").read_text())["pilot"] is None
    # A pilot after the whole computes nothing, and what it leaves out is not left over.
    assert pilot.change(sample={"videos": 2}).run().computed == {}
    for path in tidy.orphans(pilot.results, memo=False):
        assert path.relative_to(pilot.results).parts[0] not in ("clips", "frames"), path
    assert "left over" not in audited(pilot.results)


def audited(results) -> str:
    """What an audit says."""
    command = [sys.executable, "-m", "clipmill.tools.audit", str(results)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "workflow/scripts")}, capture_output=True, text=True)
    return done.stdout


def test_an_audit_finds_a_pilot_in_order(piloted):
    assert audited(piloted.results).strip().endswith("all is well")


def test_a_dry_run_of_a_pilot_tells_the_cost_of_the_sample(pilot):
    shutil.rmtree(pilot.results)
    said = pilot.run("-n").text
    (scan,) = (line for line in said.splitlines() if line.startswith("  scan_videos"))
    assert scan.split()[1] == "3"
