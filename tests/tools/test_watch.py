"""A run is watched from outside: true counts that never go back, what runs, what failed and why; and a short screen."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import looks
import pytest
from clipmill.engine import progress
from clipmill.release import summary
from clipmill.tools import snapshot, watch
from clipmill.tools.snapshot import Watched
from mill import ROOT, Mill, footage

LIMIT = 120
"""Seconds after which a run that is waited for is taken to hang."""
STAGES = ("scan_videos", "score_aesthetic", "score_flow", "select_clips", "caption_clips", "clean_captions")
STAGES += ("score_match", "select_pairs", "label_camera", "cut_clips")


def command(results: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "clipmill.tools.watch", str(results), *more]


def watching(results: Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(results, *more), env=environment(), capture_output=True, text=True)


def environment() -> dict:
    return os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts"), "TERM": "xterm", "COLUMNS": "120"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A run of several shards per phase that was looked at all the time, and what it printed. Never change it."""
    mill = Mill(tmp_path_factory.mktemp("watch") / "mill", shards={"minutes": 0.002, "max": 3})
    footage(mill.videos)
    with looks.Looks(mill.results) as mill.looks:
        mill.printed = mill.run().text
    return mill


def test_a_run_is_seen_through_all_phases_with_true_counts(seen):
    looks.check(seen.looks)
    looks.check_end(seen.looks[-1][0], seen.results)
    assert max(
        stage["running"] for look, _ in seen.looks for stages in look["phases"].values() for stage in stages or ()
    )


def test_the_screen_is_short_and_has_each_stage_once(seen):
    lines = seen.printed.splitlines()
    assert len(lines) <= 45, seen.printed
    for stage in STAGES:
        assert len([line for line in lines if re.match(rf"\d\d:\d\d:\d\d +{stage} ", line)]) == 1, seen.printed
    for phase in looks.PHASES:
        assert len([line for line in lines if re.match(rf"\d\d:\d\d:\d\d  {phase}: \d+ items in \d shard", line)]) == 1
    named = re.search(r"Snakemake's own lines are in (\S+)", seen.printed)[1]
    assert "rule score_flow:" in (seen.folder / named).read_text()


def test_a_finished_run_shows_its_summary_again(seen):
    account = summary.text(json.loads((seen.results / "run.json").read_text()), Path("results"))
    assert account.strip() in seen.printed
    for flags in (("--show",), ()):
        done = subprocess.run(
            [*command(Path("results")), *flags], cwd=seen.folder, env=environment(), capture_output=True, text=True
        )
        assert (done.returncode, account.strip() in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
def test_a_kill_and_other_shards_take_nothing_back(tmp_path):
    mill = Mill(tmp_path / "mill", shards={"minutes": 0.0002, "max": 3})
    footage(mill.videos, videos=2)
    with open(tmp_path / "output.txt", "w") as file:
        run = subprocess.Popen(mill.command(cores=1), cwd=mill.folder, stdout=file, stderr=file, start_new_session=True)
    watched, deadline = Watched(mill.results), time.monotonic() + LIMIT
    while not any(stage.tables for stage in watched.look().phases.get("clips") or ()):
        assert run.poll() is None, (tmp_path / "output.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    left = watched.look()
    assert not watch.as_json(left)["alive"]
    assert "is gone" in watch.headline(left, mill.results)
    mill.run("--unlock")
    mill.change(shards={"max": 4})
    with looks.Looks(mill.results) as later:
        mill.run("--rerun-incomplete", "--until", "gather_clips")
    done = {stage.name: stage.done for stage in left.stages}
    assert {stage.shards for stage in left.stages} == {3}
    assert done["videos.scan_videos"] == 4
    for look, _ in later:
        for stage in (stage for stages in look["phases"].values() for stage in stages or ()):
            assert stage["done"] >= done[stage["name"]], stage
            done[stage["name"]] = stage["done"]
            if look["state"] == "finished":
                assert (stage["percent"], stage["shards"] in (1, 4)) == (100, True)  # 1: all is remembered


def test_a_failure_is_shown_with_its_reason_and_verbose_brings_all_lines(finished):
    finished.edit("select_clips.py", "selecting.main(", "raise SystemExit('`select`: a \\x1b[31mreason') or (")
    failed = finished.change(select={"aes": {"min": 1}}).run(ok=False)
    assert failed.code == 1
    for text in (failed.text, (shown := watching(finished.results)).stdout):
        assert "select_clips" in text
        assert "logs/clips.select_clips/00000.log" in text
        assert "  `select`: a \\x1b[31mreason" in text
    assert shown.returncode == 1
    assert "rule select_clips:\n" not in failed.text.replace("Error in rule select_clips:\n", "")
    assert "rule select_clips:\n" in finished.run("--verbose", ok=False).text


def note(results: Path, **change) -> None:
    """The note of a run that has begun here, in this process."""
    began = {"state": "running", "log": "a.log", "host": socket.gethostname(), "pid": os.getpid()}
    began |= {"started": time.time(), "time": time.time(), "tables": {}, "to_plan": {}, "before": {}, "failures": []}
    progress.replace(results / snapshot.NOTE, began | change)


def test_before_a_run_it_says_that_there_is_none(tmp_path):
    done = watching(tmp_path)
    assert (done.returncode, "No run has been started" in done.stdout) == (1, True)
    done = watching(tmp_path, "--show")
    assert (done.returncode, "no run has finished there" in done.stderr) == (1, True)


def test_a_run_that_died_elsewhere_is_told_by_its_silence(tmp_path):
    note(tmp_path, host="another", started=time.time() - 3600, time=time.time() - 660)
    said = watching(tmp_path).stdout
    assert "process" in said
    assert "no job has written for 11 min" in said


def test_a_failed_jobs_log_is_shown_as_text(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gather_clips.log").write_text("a [/red] [bold]b\x1b[31m :smile:\n")
    note(tmp_path, state="failed", failures=[{"rule": "gather_clips", "shard": "", "log": "logs/gather_clips.log"}])
    done = watching(tmp_path)
    assert f"gather_clips failed; the end of {tmp_path}/logs/gather_clips.log:" in done.stdout, done.stderr
    assert r"  a [/red] [bold]b\x1b[31m :smile:" in done.stdout
    assert done.returncode == 1


def test_a_phase_whose_plan_is_to_be_made_again_is_not_known(seen, tmp_path):
    run = progress.read(seen.results / snapshot.NOTE, snapshot.KINDS)
    manifest = seen.results / "plan" / "captions" / "manifest.csv"
    watched = Watched(seen.results)
    again = watched.look(run | {"state": "running", "to_plan": {"captions": manifest.stat().st_mtime_ns}})
    assert again.phases["captions"] is None
    assert all(stage.finished for stage in again.stages)
    assert "captions: not known yet" in watch.as_text(again, seen.results)
    assert watched.look(run | {"to_plan": {"captions": 1}}).phases["captions"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"of": []}', b"\xff"])
def test_damaged_notes_are_no_notes(finished, damage):
    table = next((finished.results / "work").glob("clips.score_flow/*/00000.csv"))
    progress.place(table).write_bytes(damage)
    assert all(stage.finished for stage in Watched(finished.results).look().stages)
    (finished.results / snapshot.NOTE).write_bytes(damage)
    assert Watched(finished.results).look().state == "none"


def test_the_progress_of_another_plan_or_of_a_removed_table_does_not_count(finished):
    flow = next((finished.results / "work").glob("clips.score_flow/*/00000.csv"))
    record = progress.read(progress.place(flow))
    run = progress.read(finished.results / snapshot.NOTE, snapshot.KINDS)

    def done(**change) -> tuple[int, int]:
        progress.replace(progress.place(flow), record | change)
        stages = {stage.rule: stage for stage in Watched(finished.results).look(run).stages}
        return stages["score_flow"].done, len(stages["score_flow"].tables)

    assert done() == (record["total"], 1)
    assert done(of=["a", "b", 3]) == (0, 0)
    assert done(state="running", done=2) == (2, 0)
    flow.unlink()
    assert done() == (0, 0)


def test_on_a_terminal_it_is_renewed_until_the_run_ends(tmp_path):
    note(tmp_path)
    master, slave = pty.openpty()
    process = subprocess.Popen(command(tmp_path), env=environment(), stdout=slave, stderr=slave)
    os.close(slave)
    said = b""
    while b"running for" not in said:
        said += os.read(master, 4096)
    note(tmp_path, state="finished")
    assert process.wait(LIMIT) == 0
    while b"has finished" not in said:
        said += os.read(master, 4096)
    os.close(master)
