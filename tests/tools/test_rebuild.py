"""A dataset without its pixels: meta.csv and the sources give the same clips again, and every other one is named."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mill import Mill
from one_file import Scanned, ffmpeg

SETTINGS = [{}, {"fps": 10.0, "shorter_size": 90}]


@pytest.fixture(scope="module", params=SETTINGS, ids=["as they are", "another rate and size"])
def shared_set(request, finished_mill, tmp_path_factory) -> Mill:
    """A finished run at this rate and size."""
    if not request.param:
        return finished_mill
    mill = finished_mill.copy(tmp_path_factory.mktemp("small") / "mill").change(cut=request.param)
    mill.run()
    return mill


@pytest.fixture
def elsewhere(shared_set, tmp_path) -> Path:
    """Another machine: meta.csv and run.json, and the sources in a folder of another name."""
    shutil.copytree(shared_set.videos, tmp_path / "footage")
    for name in ("meta.csv", "run.json"):
        shutil.copy(shared_set.results / name, tmp_path / name)
    return tmp_path


def rebuild(folder: Path, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "clipmill.tools.rebuild", "meta.csv", "footage", "rebuilt", *more]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow" / "scripts")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def rows(table: Path) -> list[dict]:
    with open(table, newline="") as file:
        return list(csv.DictReader(file))


def test_the_digest_is_that_of_the_raw_frames(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=162x90:rate=25:duration=2", "-pix_fmt", "yuv420p", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    raw = tmp_path / "raw.yuv"
    ffmpeg("-i", tmp_path / "a.mp4", "-vf", "select=between(n\\,10\\,29)", "-f", "rawvideo", raw)
    truth = hashlib.sha256(raw.read_bytes()).hexdigest()[:32]
    for settings in ({}, {"crf": 40}, {"preset": "veryfast", "audio": False}):
        assert source.cut([source.clip(0, 10), source.clip(10, 30)], **settings)[1]["frames_digest"] == truth
    assert source.cut([source.clip(10, 30)])[0]["frames_digest"] == truth
    for settings in ({"fps": 5}, {"shorter_size": 60}):
        assert source.cut([source.clip(10, 30)], **settings)[0]["frames_digest"] != truth


def test_every_clip_comes_back(shared_set, elsewhere):
    done = rebuild(elsewhere)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
    pairs = rows(elsewhere / "meta.csv")
    assert {row["path"] for row in pairs} == {f"clips/{path.name}" for path in (elsewhere / "rebuilt/clips").iterdir()}
    assert any(not row["fps"] for row in pairs), "no image among them"
    images = [row["path"] for row in pairs if not row["fps"]]
    for path in images:
        assert (elsewhere / "rebuilt" / path).read_bytes() == (shared_set.results / path).read_bytes()


def test_what_is_there_is_not_cut_again(elsewhere):
    rebuild(elsewhere)
    before = {path: path.stat().st_mtime_ns for path in (elsewhere / "rebuilt/clips").iterdir()}
    assert rebuild(elsewhere).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (elsewhere / "rebuilt/clips").iterdir()} == before


def test_a_source_is_found_under_another_name(elsewhere):
    (elsewhere / "footage/deep").mkdir()
    os.rename(elsewhere / "footage/video 0.mp4", elsewhere / "footage/deep/other.mp4")
    done = rebuild(elsewhere)
    assert done.returncode == 0, done.stdout


def test_lost_and_other_sources_are_named(elsewhere):
    (elsewhere / "footage/video 0.mp4").unlink()
    ffmpeg("-f", "lavfi", "-i", "testsrc2=duration=4", elsewhere / "footage/video 1.mp4")
    done = rebuild(elsewhere)
    assert done.returncode == 1
    pairs = rows(elsewhere / "meta.csv")
    for row in pairs:
        told = [line for line in done.stdout.splitlines() if line.startswith(row["id"])]
        reason = {"video 0.mp4": "no such file", "video 1.mp4": "the source differs"}.get(row["relpath"])
        assert (len(told), (elsewhere / "rebuilt" / row["path"]).exists()) == ((1, False) if reason else (0, True))
        assert not reason or reason in told[0]


def change(meta: Path, **values) -> None:
    """Give the second row of a table these values."""
    pairs = rows(meta)
    pairs[1] |= values
    with open(meta, "w", newline="") as file:
        out = csv.DictWriter(file, list(pairs[0]))
        out.writeheader()
        out.writerows(pairs)
    return pairs[1]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"frames_digest": "0" * 32}, "its frames differ"),
        ({"width": "17"}, "its width differs"),
        ({"num_frames": "3"}, "its frames differ"),
        ({"num_frames": "3000"}, "its row is damaged: it overlaps"),
        ({"id": "../../../evil-00000000"}, "its row is damaged"),
        ({"id": "/tmp/evil-00000000", "video_id": "/tmp/evil"}, "its row is damaged"),
        ({"start": "nan"}, "its row is damaged"),
        ({"end": "soon"}, "its row is damaged"),
        ({"path": "../evil.mp4"}, "its path differs"),
        ({"video_id": ""}, "its row is damaged"),
    ],
    ids=str,
)
def test_a_row_that_is_not_so_is_named_and_leaves_no_file(finished_mill, tmp_path, values, reason):
    shutil.copytree(finished_mill.videos, tmp_path / "footage")
    for name in ("meta.csv", "run.json"):
        shutil.copy(finished_mill.results / name, tmp_path / name)
    count = len(rows(tmp_path / "meta.csv"))
    change(tmp_path / "meta.csv", **values)
    done = rebuild(tmp_path)
    assert (done.returncode, done.stdout.count("\n")) == (1, 2), done.stdout + done.stderr
    assert reason in done.stdout
    assert len(list((tmp_path / "rebuilt/clips").iterdir())) == count - 1
    assert not list(tmp_path.rglob("evil*"))


def test_mistakes_are_plain_messages(finished_mill, tmp_path):
    shutil.copytree(finished_mill.videos, tmp_path / "footage")
    said = {}
    said["no such table"] = rebuild(tmp_path)
    shutil.copy(finished_mill.results / "meta.csv", tmp_path / "meta.csv")
    said["no run.json"] = rebuild(tmp_path)
    (tmp_path / "config.yaml").write_text("cut: {crf: [}")
    said["no configuration"] = rebuild(tmp_path, "--config", "config.yaml")
    (tmp_path / "config.yaml").write_text("cut: {crf: 999}")
    said["wrong configuration"] = rebuild(tmp_path, "--config", "config.yaml")
    (tmp_path / "config.yaml").write_text(json.dumps({"cut": finished_mill.config["cut"]}))
    (tmp_path / "meta.csv").write_text("path,text\n")
    said["other columns"] = rebuild(tmp_path, "--config", "config.yaml")
    shutil.copy(finished_mill.results / "meta.csv", tmp_path / "meta.csv")
    shutil.rmtree(tmp_path / "footage")
    said["no folder"] = rebuild(tmp_path, "--config", "config.yaml")
    for what, done in said.items():
        assert done.returncode == 1, what
        assert "Traceback" not in done.stderr, (what, done.stderr)
        assert done.stderr.strip(), what


def test_a_run_is_never_written_into(finished):
    command = [sys.executable, "-m", "clipmill.tools.rebuild", "results/meta.csv", "videos", "results"]
    done = subprocess.run(
        command,
        cwd=finished.folder,
        env=os.environ | {"PYTHONPATH": "workflow/scripts"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "holds a finished run" in done.stderr
