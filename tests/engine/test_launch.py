"""A step runs as one process or as torchrun ranks: own device, share of the CPUs, time to write, its error last."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "workflow/scripts/launch.py"
RANK = """
import json, os, sys
from pathlib import Path

where, *arguments = sys.argv[1:]
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "OMP_NUM_THREADS", "CLIPMILL_THREADS", "HF_HUB_OFFLINE", "MASTER_PORT")
names += ("CUDA_VISIBLE_DEVICES", "CLIPMILL_GPUS")
seen = {name: os.environ.get(name) for name in names} | {"argv": arguments}
rank = os.environ.get("RANK", "0")
"""
TOGETHER = """
import torch.distributed as dist
dist.init_process_group("gloo")
everyone = [None] * dist.get_world_size()
dist.all_gather_object(everyone, os.getpid())
seen["pids"] = everyone
dist.destroy_process_group()
"""
WRITE = "Path(where, rank + '.json').write_text(json.dumps(seen))\n"
# Not by a handler that sets an Event: a second signal while it does so would wait for itself.
WAIT = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
Path(where, rank + '.ready').touch()
signal.sigwait({signal.SIGTERM})
Path(where, rank + '.flushed').write_text('all that was done')
sys.exit(3)
"""


@pytest.fixture
def start(tmp_path):
    """Start launch.py on a script of the given text; every process left over is killed at the end."""
    running = []

    def run(text: str, *options: str, env: dict | None = None, folder: Path = tmp_path) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        script = folder / "step.py"
        script.write_text(RANK + text)
        command = [sys.executable, LAUNCH, *options, script, folder, "--batch", "3"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "CUDA_", "OMP_"))}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, env=clean | (env or {}), start_new_session=True, **pipes)
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    return output


def seen(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def wait_for(process: subprocess.Popen, *paths: Path) -> None:
    """Block until all paths exist; fail with the output if the process exits first."""
    while not all(path.exists() for path in paths):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def test_without_gpus_a_step_is_one_process(start, tmp_path):
    process = start(WRITE, "--gpus", "0", "--threads", "6")
    assert finish(process) == ""
    assert process.returncode == 0
    (only,) = seen(tmp_path)
    assert only["WORLD_SIZE"] is None
    assert only["argv"] == ["--batch", "3"]
    assert (only["OMP_NUM_THREADS"], only["CLIPMILL_THREADS"]) == ("1", "6")
    assert only["HF_HUB_OFFLINE"] == "1"


def test_each_gpu_gets_a_rank_and_jobs_on_one_node_do_not_collide(start, tmp_path):
    jobs = [
        start(TOGETHER + WRITE, "--gpus", "2", "--threads", "5", env={"CUDA_VISIBLE_DEVICES": gpus}, folder=folder)
        for gpus, folder in (("0,1", tmp_path / "a"), ("2,3", tmp_path / "b"))
    ]
    outputs = [finish(job) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    a, b = seen(tmp_path / "a"), seen(tmp_path / "b")
    assert [(rank["RANK"], rank["LOCAL_RANK"], rank["WORLD_SIZE"]) for rank in a] == [("0", "0", "2"), ("1", "1", "2")]
    assert {rank["OMP_NUM_THREADS"] for rank in a + b} == {"1"}
    assert [rank["CUDA_VISIBLE_DEVICES"] for rank in a + b] == ["0,1"] * 2 + ["2,3"] * 2
    assert a[0]["pids"] == a[1]["pids"]
    assert not set(a[0]["pids"]) & set(b[0]["pids"])
    assert a[0]["MASTER_PORT"] != b[0]["MASTER_PORT"]


def test_a_job_that_is_one_process_has_all_gpus_and_cpus(start, tmp_path):
    options = ("--gpus", "2", "--ranks", "3", "--threads", "6", "--together")
    process = start(WRITE, *options, env={"CUDA_VISIBLE_DEVICES": "0,1"})
    assert finish(process) == ""
    (only,) = seen(tmp_path)
    assert (only["WORLD_SIZE"], only["CLIPMILL_THREADS"], only["CUDA_VISIBLE_DEVICES"]) == (None, "6", "0,1")
    assert only["CLIPMILL_GPUS"] == "2"


def test_each_mig_slice_gets_a_rank_that_sees_it_alone(start, tmp_path):
    slices = {"CUDA_VISIBLE_DEVICES": "MIG-aa,MIG-bb"}
    process = start(WRITE, "--as-rank", env=slices | {"RANK": "1", "LOCAL_RANK": "1"})
    assert finish(process) == ""
    (only,) = seen(tmp_path)
    assert (only["CUDA_VISIBLE_DEVICES"], only["LOCAL_RANK"]) == ("MIG-bb", "0")


def test_fewer_gpus_than_the_profile_says_is_an_error(start):
    process = start(WRITE, "--gpus", "8", env={"CUDA_VISIBLE_DEVICES": "0,1"})
    assert "the job should have 8 GPUs, but CUDA_VISIBLE_DEVICES is '0,1'" in finish(process)
    assert process.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
def test_one_process_is_given_time_to_write(start, tmp_path, number):
    process = start(WAIT)
    wait_for(process, tmp_path / "0.ready")
    process.send_signal(number)
    finish(process)
    assert process.returncode == 143
    assert (tmp_path / "0.flushed").read_text() == "all that was done"


@pytest.mark.parametrize("scope", ["launcher", "everyone, twice"])
def test_every_rank_is_given_time_to_write(start, tmp_path, scope):
    process = start(WAIT, "--ranks", "2")
    wait_for(process, tmp_path / "0.ready", tmp_path / "1.ready")
    if scope == "launcher":
        process.send_signal(signal.SIGUSR1)
    else:  # as SLURM does at a time limit: every process of the job, twice
        import psutil

        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for _ in range(2):
            for member in family:
                member.terminate()
    output = finish(process)
    assert process.returncode == 143, output
    assert "SignalException" not in output, "torchrun's agent heard the signal, and may exit before its ranks"
    for rank in "01":
        assert (tmp_path / f"{rank}.flushed").read_text() == "all that was done"


def test_the_log_ends_with_the_error_of_the_rank_that_failed(start):
    fail = "if rank == '1': raise RuntimeError('weights file is truncated')\n" + WAIT
    process = start(fail, "--ranks", "2")
    output = finish(process)
    assert process.returncode == 1
    assert "rank      : 1 (local_rank: 1)" in output
    assert "RuntimeError: weights file is truncated" in "\n".join(output.splitlines()[-10:])
