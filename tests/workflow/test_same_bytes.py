"""The final tables are byte-identical for any number of shards and ranks, and after any interruption."""

import os
import signal
import subprocess
import time

import pytest
from mill import Mill, footage

RANKED = ["score_aesthetic", "score_flow", "caption_clips", "clean_captions", "score_match"]
LIMIT = 180


def fresh(folder, **change) -> Mill:
    """A mill on the same footage as the finished one, not run yet."""
    mill = Mill(folder / "mill", **change)
    footage(mill.videos)
    return mill


@pytest.mark.parametrize("shards", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_any_number_of_shards(finished_mill, tmp_path, shards):
    mill = fresh(tmp_path, shards={"minutes": 0.00001, "max": shards})
    mill.run()
    planned = (mill.results / "plan" / "clips" / "manifest.csv").read_text().splitlines()
    clips = (mill.results / "tables" / "clips.csv").read_text().splitlines()
    assert len(planned) == min(shards + 1, len(clips))
    assert mill.final() == finished_mill.final()


def test_two_ranks(finished_mill, tmp_path):
    mill = fresh(tmp_path)
    mill.run("--set-resources", *[f"{rule}:ranks=2" for rule in RANKED])
    assert mill.final() == finished_mill.final()


def interrupted(mill: Mill, rule: str, whole_group: bool) -> None:
    """Start a run and kill it (kill -9) as soon as `rule` has begun: Snakemake alone, or its jobs, too."""
    log = mill.folder / "output.txt"
    with open(log, "w") as file:
        run = subprocess.Popen(mill.command(cores=1), cwd=mill.folder, stdout=file, stderr=file, start_new_session=True)
    deadline = time.monotonic() + LIMIT
    while not any(f"rule {rule}:" in path.read_text() for path in mill.logs()):
        assert run.poll() is None, f"the run ended before {rule}:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"{rule} did not begin within {LIMIT} s"
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(run.pid, signal.SIGKILL)
    run.wait()
    while not whole_group and _alive(run.pid):
        assert time.monotonic() < deadline, "the orphaned jobs did not end"
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


SLOW = [pytest.param(rule, marks=pytest.mark.slow) for rule in ("score_flow", "caption_clips", "gather_captions")]


@pytest.mark.parametrize("rule", ["scan_videos", "cut_clips", *SLOW])
def test_killed_and_started_again(finished_mill, tmp_path, rule):
    mill = fresh(tmp_path)
    interrupted(mill, rule, whole_group=True)
    mill.run("--unlock")
    mill.run("--rerun-incomplete")
    assert mill.final() == finished_mill.final()
    assert mill.run().idle


@pytest.mark.slow
def test_jobs_that_outlive_snakemake_hide_no_later_change(finished_mill, tmp_path):
    mill = fresh(tmp_path)
    interrupted(mill, "score_flow", whole_group=False)
    mill.run("--unlock")
    mill.change(score={"flow": {"seconds": 0.25}}).run()
    clean = fresh(tmp_path / "clean", score={"flow": {"seconds": 0.25}})
    clean.run()
    assert mill.final() == clean.final() != finished_mill.final()
