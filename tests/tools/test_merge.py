"""make merge: finished folders joined are as one run over all their sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numbered_video
import pytest
from clipmill.engine import files, tables
from clipmill.tools import merge
from mill import ROOT, Mill
from plain_tables import table, write

TABLES = ("meta.csv", "rejects.csv", *(f"tables/{name}.csv" for name in (
    "listing", "videos", "clips", "scores", "selected", "captions", "duplicates", "ignored", "sample")))  # fmt: skip
CHECK = ROOT.parent / "shared" / "checks" / "check_results.py"


def tool(name: str, *args: object, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a tool in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-m", f"clipmill.tools.{name}", *map(str, args)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def said(path: Path) -> str:
    """A table, without the place of a reject in its list, which differs."""
    return re.sub(r"(; )?row \d+ of \w+\.csv", "", path.read_text())


def checked(results: Path) -> list[str]:
    """What an independent check, where it is at hand, finds broken."""
    if not CHECK.exists():
        return []
    done = subprocess.run([sys.executable, CHECK, results], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if not line.startswith("ok ")]


@pytest.fixture
def twice(finished) -> tuple[Path, Path]:
    """A finished folder, and a copy of it."""
    copy = finished.folder / "copy"
    shutil.copytree(finished.results, copy)
    return finished.results, copy


def merge_of(monkeypatch, *args: object) -> None:
    """Call the tool in this process."""
    monkeypatch.setattr(sys, "argv", ["merge", *map(str, args)])
    merge.main()


def test_a_folder_merged_with_its_copy_is_that_folder(twice, monkeypatch, capsys):
    out = twice[0].parent / "merged"
    merge_of(monkeypatch, *twice, "--out", out)
    listed = len(table(twice[0] / "tables/listing.csv"))
    assert f"{listed} sources lie in more than one folder and are kept once" in capsys.readouterr().err
    for name in TABLES:
        if (twice[0] / name).exists():
            assert (out / name).read_bytes() == (twice[0] / name).read_bytes(), name
    assert checked(out) == checked(twice[0])
    done = tool("audit", out, "--deep")
    assert done.returncode == 0, done.stdout + done.stderr
    for row in table(out / "meta.csv"):
        assert (out / row["path"]).samefile(twice[0] / row["path"])
    config = out.parent / "of.yaml"
    config.write_text("release: {formats: [huggingface, parquet]}\n")
    done = tool("release", out, "--config", config)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in out.glob("release/huggingface/*/data/train/*-*")} == {
        row["id"] for row in table(out / "meta.csv")
    }


def test_what_cannot_be_merged_is_a_plain_message_and_leaves_nothing(twice, monkeypatch):
    one, copy = twice
    out = one.parent / "merged"

    def refused(*args: object) -> str:
        with pytest.raises(SystemExit) as ended:
            merge_of(monkeypatch, *args)
        return str(ended.value)

    assert "is there already" in refused(one, copy, "--out", copy)
    assert "name two folders or more" in refused(one, one, "--out", out)
    assert "has no run.json, so it is not a finished run" in refused(one, one.parent / "videos", "--out", out)
    rows = table(copy / "tables/videos.csv")
    rows[0]["digest"] = "0" * 32
    tables.write(copy / "tables/videos.csv", rows[0], rows)
    said = refused(one, copy, "--out", out)
    assert f"merge: {rows[0]['id']} stands for different files: videos/" in said
    assert "Run a list that names both in one run" in said
    account = json.loads((copy / "run.json").read_text())
    account["configuration"]["cut"]["crf"] = 5
    account["configuration"]["shards"]["max"] = 7
    with files.whole(copy / "run.json") as file:
        json.dump(account, file)
    said = refused(one, copy, "--out", out)
    assert "were made with other settings (cut.crf), so they are no parts of one run" in said
    assert not out.exists()


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
        assert said(results / name) == said(runs.folder / "results" / name), name
    assert ("select_clips", "duplicate") in {(row["stage"], row["reason"]) for row in table(results / "rejects.csv")}
    one, other = (json.loads((runs.folder / name / "run.json").read_text()) for name in ("results", "merged"))
    for key in ("counts", "rejects", "selection", "models", "ignored"):
        assert one[key] == other[key]
    for row in table(results / "meta.csv"):
        clip = results / row["path"]
        assert clip.read_bytes() == (runs.folder / "results" / row["path"]).read_bytes()
        assert clip.stat().st_nlink == 2, "another name of the clip that was cut"
    assert len(list((results / "clips").iterdir())) == len(table(results / "meta.csv"))


@pytest.mark.slow
def test_it_is_whole_for_the_audit_and_for_an_independent_check(merged):
    results, _ = merged
    done = tool("audit", results, "--deep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checked(results) == checked(results.parent / "results"), "that check does not know of duplicates"


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
