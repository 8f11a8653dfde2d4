"""A job starts vLLM on its own GPUs, asks it for captions, and leaves none of it behind, however the job ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from captioning import CHECKS, SENTENCE, SERVER, complete, requests
from clipmill.captions.vllm_captioner import VllmCaptioner, arguments, gpus_of_copies
from clipmill.engine import accounts

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
PROGRAM = Path(__file__).parents[1] / "kit/server_program.py"
VLLM = {"program": str(PROGRAM), "concurrency": 1, "gpu_memory_utilization": None, "max_model_len": 2048, "options": {}}


def settings(folder: Path, wait=60, tp_size=1, **vllm) -> dict:
    """Settings of the step with a folder in place of a model."""
    (folder / "model").mkdir(exist_ok=True)
    blocks = {"model": str(folder / "model"), "server": {**SERVER, "wait": wait}, "checks": CHECKS, "tp_size": tp_size}
    return {**complete(blocks), "captioner": "vllm", "vllm": {**VLLM, **vllm}, "log": str(folder / "logs/00000.log")}


@pytest.fixture
def job(store, tmp_path):
    """Start the step's command line on five stored clips; what is left of it is killed at the end."""
    rows, (results, videos, frames) = store
    table, running = tmp_path / "00000.csv", []
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "stage", "reason", "detail"])
        writer.writeheader()
        writer.writerows(rows)

    def start(changed=None, env=None, **change) -> subprocess.Popen:
        given = json.dumps({**settings(tmp_path, **change), **(changed or {})})
        files = ["--table", table, "--out", results / "work/captions.caption_clips/a/00000.csv"]
        files += ["--memo", tmp_path / "memo", "--settings", given]
        places = ["--results", results, "--videos", videos, "--store", frames]
        command = [sys.executable, SCRIPTS / "caption_clips.py", *files, *places]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command, env=os.environ | (env or {}), start_new_session=True, **pipes)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def server_log(store):
    return store[1][0] / "logs/captions.caption_clips/00000.server0.log"


def started(log: Path) -> dict:
    """What the program was started with."""
    return json.loads(log.read_text().splitlines()[0])


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def until(condition, process: subprocess.Popen | None = None, seconds: float = 120) -> None:
    """Block until a condition holds; fail where the process ends, or the time, before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def texts(store) -> list[str]:
    with open(store[1][0] / "work/captions.caption_clips/a/00000.csv", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def test_a_job_starts_its_server_takes_its_captions_and_ends_it(job, store, server_log):
    # A cluster's proxy must not be asked for what lies on this machine.
    dead = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
    process = job(env=dead | {"PYTHONPATH": "/nowhere"})
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert texts(store) == [SENTENCE] * 5
    began = started(server_log)
    assert not alive(began["pids"])
    assert began["environment"]["HF_HUB_OFFLINE"] == "1"
    assert began["environment"]["CUDA_VISIBLE_DEVICES"] == "", "without a GPU, one copy on the CPU"
    arguments = " ".join(began["arguments"])
    assert "--dtype float32" in arguments
    assert "--max-model-len 2048" in arguments
    assert "--trust-request-mm-kwargs" not in arguments
    key = began["environment"]["VLLM_API_KEY"]
    assert key not in said + arguments, "other users of the node see command lines"


def test_each_share_of_the_gpus_has_a_copy_and_all_are_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPMILL_GPUS", "4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    options = {
        "max_num_seqs": 8,
        "limit-mm-per-prompt": {"image": 3},
        "enforce_eager": True,
        "enable-log-requests": False,
        "quantization": "fp8",
    }
    given = settings(tmp_path, tp_size=2, concurrency=2, options=options)
    given["server"] = {**given["server"], "video": True}
    captioner = VllmCaptioner(given, "cuda:0")
    logs = [tmp_path / f"logs/00000.server{number}.log" for number in range(2)]
    try:
        with ThreadPoolExecutor(captioner.threads(given)) as pool:
            said = list(pool.map(captioner.caption, [[captioner.prepare(item)] for item in requests(12)]))
    finally:
        captioner.close()
    assert {(caption.text, caption.finish) for [caption] in said} == {(SENTENCE, "stop")}
    assert pool._max_workers == 4, "two requests at once to each copy"
    began = [started(log) for log in logs]
    assert [each["environment"]["CUDA_VISIBLE_DEVICES"] for each in began] == ["4,5", "6,7"]
    assert not alive([pid for each in began for pid in each["pids"]])
    assert all("answered" in log.read_text() for log in logs)
    arguments = " ".join(began[0]["arguments"])
    for text in ("--tensor-parallel-size 2", "--dtype bfloat16", "--max-num-seqs 8", '{"image": 3}', "--enforce-eager"):
        assert text in arguments
    assert "--no-enable-log-requests" in arguments
    assert "--quantization fp8" in arguments
    assert "--trust-request-mm-kwargs" in arguments, "otherwise vLLM refuses the times of a video's frames"


@pytest.mark.parametrize(
    ("server", "trusts"),
    [
        ({}, False),
        ({"extra_body": {"top_k": 1}}, False),
        ({"video": True}, True),
        ({"extra_body": {"mm_processor_kwargs": {"max_pixels": 602112}}}, True),
    ],
)
def test_a_server_of_our_own_takes_what_requests_say_about_pictures(tmp_path, server, trusts):
    given = settings(tmp_path)
    given["server"] = {**given["server"], **server}
    assert ("--trust-request-mm-kwargs" in arguments(given, tmp_path, "cpu", 1)) is trusts


@pytest.mark.parametrize(
    ("count", "visible", "tp_size", "copies"),
    [
        ("8", None, 1, [str(number) for number in range(8)]),
        ("8", None, 4, ["0,1,2,3", "4,5,6,7"]),
        ("2", "3,5", 2, ["3,5"]),
        ("2", "MIG-a,MIG-b", 1, ["MIG-a", "MIG-b"]),
        ("0", "2,3,4", 1, ["2"]),
        ("0", None, 2, ["0,1"]),
    ],
)
def test_gpus_are_dealt_out_in_order(monkeypatch, count, visible, tp_size, copies):
    monkeypatch.setenv("CLIPMILL_GPUS", count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_of_copies("cuda:0", tp_size) == copies


def test_copies_that_do_not_fit_the_gpus_are_a_plain_message(monkeypatch):
    monkeypatch.setenv("CLIPMILL_GPUS", "8")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(SystemExit, match="tp_size 3 does not divide the 8 GPUs"):
        gpus_of_copies("cuda:0", 3)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_job_that_is_ended_leaves_no_process(job, server_log, number, status):
    process = job(options={"hangs": True})
    until(lambda: server_log.exists() and "asked" in server_log.read_text(), process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == status, said
    pids = started(server_log)["pids"]
    if number == signal.SIGKILL:
        until(lambda: not alive(pids))
    assert not alive(pids)


def test_a_job_that_is_ended_while_its_server_loads_leaves_no_process(job, server_log):
    process = job(options={"never-ready": True})
    until(lambda: server_log.exists() and server_log.read_text(), process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not alive(started(server_log)["pids"])


def test_a_server_that_dies_is_a_message_and_its_answers_are_kept(job, store, server_log):
    process = job(options={"dies-after": 4})
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "a server that the job started ended with status 137" in said
    assert "CUDA error: out of memory" in said
    assert str(server_log) in said
    assert not alive(started(server_log)["pids"]), "its child has not outlived it"
    again = job()
    assert again.wait(120) == 0
    assert texts(store) == [SENTENCE] * 5
    [(_, account)] = accounts.read(store[1][0])
    assert (account["computed"], account["remembered"]) == (1, 4)


def test_a_server_that_does_not_start_is_a_message_with_the_cause(job, server_log):
    process = job(options={"breaks": True})
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "ended with status 3" in said
    assert "ValueError: the cause of it all" in said
    assert "see the root cause above" in said
    assert not alive(started(server_log)["pids"])


def test_a_server_that_never_gets_ready_is_waited_for_as_long_as_the_key_says(job, tmp_path):
    process = job(options={"never-ready": True}, wait=0.5)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "not ready after 0.5 s (caption.server.wait)" in said
    own = [each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(each.info["cmdline"] or [])]
    assert own == []


def test_a_missing_program_is_a_message_that_names_the_way_to_it(job):
    process = job(program="/no/such/vllm")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "there is no program /no/such/vllm; `make env-vllm`" in said
