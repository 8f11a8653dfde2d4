"""Captions come from real model classes or a real server, do not depend on batches or ranks, and are checked."""

import contextlib
import csv
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from caption_clips import CaptionClips
from clipmill.checks import Caption, is_english, loops, problem
from clipmill.prompts import PRESETS, wording
from clipmill.step import ItemError

os.environ["HF_HUB_OFFLINE"] = "1"
SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
CHECKS = {"language": "en", "loop": True, "cut_off": True, "refusal": True}
UNCHECKED = {"language": None, "loop": False, "cut_off": False, "refusal": False}
SERVER = {
    "url": None,
    "model": "tiny",
    "concurrency": 4,
    "timeout": 60,
    "retries": 2,
    "api_key_env": "CLIPMILL_TEST_KEY",
}
SETTINGS = {
    "model": "attributes",
    "revision": "main",
    "trust_remote_code": False,
    "prompt": "video-short",
    "frames": [0.1, 0.5, 0.9],
    "max_tokens": 12,
    "dtype": "auto",
    "batch": 4,
    "tp_size": 1,
    "tp_backend": "transformers",
    "server": SERVER,
    "checks": UNCHECKED,
}
SENTENCE = "A man walks his brown dog through the park while it rains."


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of tiny models of the real classes, by name."""
    import tiny_models

    folder = tmp_path_factory.mktemp("models")
    return {make.__name__: make(folder / make.__name__) for make in (tiny_models.llava_next, tiny_models.qwen25vl)}


def requests(count=11):
    """Items of different pictures, sizes, kinds and numbers of frames."""
    from clipmill.captioners import Request

    pictures = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()]
    items = []
    for number in range(count):
        picture, frames = pictures[number % 3], 1 + number % 4 % 3
        width = 300 if number % 2 else 200
        crops = [picture[at * 9 : at * 9 + 220, number * 5 : number * 5 + width] for at in range(frames)]
        items.append(Request([np.ascontiguousarray(crop) for crop in crops], "image" if frames == 1 else "video", 2.0))
    return items


def captioner(folder, **settings):
    from clipmill.captioners import TransformersCaptioner

    return TransformersCaptioner(folder, {**SETTINGS, **settings})


@pytest.mark.parametrize("name", ["llava_next", "qwen25vl"])
def test_a_caption_does_not_depend_on_the_batch(folders, name):
    items, texts = requests(), {}
    for batch in (1, 4, 16):
        model = captioner(folders[name], batch=batch)
        prepared = [model.prepare(item) for item in items]
        order = range(len(items)) if batch != 16 else range(len(items))[::-1]
        groups = [list(order)[at : at + batch] for at in range(0, len(items), batch)]
        said = {number: text for group in groups for number, text in _caption(model, prepared, group)}
        texts[batch] = [said[number] for number in range(len(items))]
    assert texts[1] == texts[4] == texts[16]
    assert len({caption.text for caption in texts[1]}) > 8, "the pictures must make a difference"


def _caption(model, prepared, group):
    return zip(group, model.caption([prepared[number] for number in group]), strict=True)


def test_frames_go_in_as_a_video_where_the_processor_takes_one(folders):
    video = requests()[1]
    assert "pixel_values_videos" in captioner(folders["qwen25vl"]).prepare(video)
    as_images = captioner(folders["llava_next"]).prepare(video)
    assert as_images["pixel_values"].shape[0] == len(video.frames)


def test_a_second_attempt_asks_differently_and_may_be_longer(folders):
    model = captioner(folders["llava_next"])
    item = requests(1)[0]
    first = model.caption([model.prepare(item)])[0]
    second = model.caption([model.prepare(item, again=True)], again=True)[0]
    assert first.finish == second.finish == "length"
    assert second.text != first.text


def test_memory_that_runs_out_halves_the_batch(folders, monkeypatch, capsys):
    import torch

    model = captioner(folders["llava_next"], batch=8)
    prepared = [model.prepare(request) for request in [requests(1)[0]] * 8]
    whole, generate = model.caption(prepared), model.generator.model.generate

    def little_memory(**inputs):
        if len(inputs["input_ids"]) > 4:
            raise torch.OutOfMemoryError
        return generate(**inputs)

    monkeypatch.setattr(model.generator.model, "generate", little_memory)
    assert model.caption(prepared) == whole
    assert "4 items a batch" in capsys.readouterr().err


WORKER = """
import json, os, sys
from pathlib import Path
import torch
from test_captioners import SETTINGS, requests
from clipmill.captioners import TransformersCaptioner

torch.set_num_threads(1)
folders, out = json.loads(sys.argv[1]), Path(sys.argv[2])
said = {}
for name, folder in folders.items():
    for backend in ("transformers", "deepspeed"):
        model = TransformersCaptioner(Path(folder), {**SETTINGS, "tp_size": 2, "tp_backend": backend})
        captions = model.caption([model.prepare(item) for item in requests()])
        weight = model.generator.model.get_decoder().layers[0].mlp.gate_proj.weight
        rows = getattr(weight, "to_local", lambda: weight)().shape[0]
        said[f"{name} {backend}"] = {"captions": captions, "rows": rows}
(out / f"{os.environ['RANK']}.json").write_text(json.dumps(said))
"""


def test_two_ranks_that_share_a_model_say_what_one_says(folders, tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    names = json.dumps({name: str(folder) for name, folder in folders.items()})
    paths = os.pathsep.join([str(SCRIPTS), str(Path(__file__).parent)])
    done = subprocess.run(
        [*command, tmp_path / "worker.py", names, tmp_path],
        env={**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert ranks[0] == ranks[1]
    for name, folder in folders.items():
        model = captioner(folder)
        alone = [list(caption) for caption in model.caption([model.prepare(item) for item in requests()])]
        whole = model.generator.model.get_decoder().layers[0].mlp.gate_proj.weight.shape[0]
        for backend in ("transformers", "deepspeed"):
            shared = ranks[0][f"{name} {backend}"]
            assert shared["captions"] == alone
            assert shared["rows"] == whole // 2, "each rank holds half"


@pytest.fixture
def store(tmp_path):
    """Four clips of two videos and a still image in a frame store, as rows and the step's other arguments."""
    import cv2
    from clipmill import frames

    pictures = {"v1": skimage.data.coffee(), "v2": skimage.data.chelsea(), "still": skimage.data.astronaut()}
    for video, picture in pictures.items():
        times = [0.0] if video == "still" else [at / 2 for at in range(8)]
        jpegs = {round(at * 24): (at, frames.encode(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), 90)) for at in times}
        frames.write(frames.Store(tmp_path / "frames", tmp_path).path(video), jpegs)
    rows = [_row("still", 0, 1)] + [_row(video, at, at + 48) for video in ("v1", "v2") for at in (0, 48)]
    return rows, (tmp_path / "results", tmp_path, tmp_path / "frames", {})


def _row(video, start, end):
    count, length = end - start, 0.0 if end - start == 1 else (end - start) / 24
    times = {"start": start / 24, "end": start / 24 + length, "num_frames": count, "flow": "", "ocr": "0"}
    spans = {"id": f"{video}-{start:08d}", "video_id": video, "start_frame": start, "end_frame": end}
    return {name: str(value) for name, value in {**spans, **times, "relpath": f"{video}.mp4"}.items()}


def outcomes(store, **settings):
    rows, places = store
    step = CaptionClips({**SETTINGS, **settings}, *places)
    step.load()
    return step.compute(rows, [step.prepare(row) for row in rows])


def test_the_step_captions_stored_clips_with_each_captioner(folders, store, scripted):
    embedded = outcomes(store)
    assert [result["text"].endswith(".") for result in embedded] == [True] * 5
    learned = outcomes(store, model=str(folders["llava_next"]))
    assert len({result["text"] for result in learned}) >= 3
    asked = outcomes(store, server={**SERVER, "url": scripted.url})
    assert asked == [{"text": SENTENCE}] * 5
    pictures = [len(request["messages"][0]["content"]) - 1 for request in scripted.requests]
    assert sorted(pictures) == [1, 3, 3, 3, 3]


def test_a_missing_model_is_an_error_that_names_folder_key_and_command(store, tmp_path):
    for model, parts in (
        (str(tmp_path / "no-such-model"), ("no-such-model", "caption.model")),
        ("some-lab/no-such-model", ("some-lab/no-such-model@main", "caption.model", "fetch_models")),
    ):
        with pytest.raises(OSError, match="missing") as error:
            outcomes(store, model=model)
        assert all(part in str(error.value) for part in parts)


class Script:
    """A server of chat completions that answers by a script: a list of (status, body) for the requests to come."""

    def __init__(self):
        self.answers, self.requests, self.keys = [], [], []
        self.asked, self.hold = threading.Event(), threading.Event()
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                script.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                script.keys.append(self.headers["Authorization"])
                script.asked.set()
                status, body = script.answers.pop(0) if script.answers else (200, completion(SENTENCE))
                if status == "hang":
                    script.hold.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if body.startswith("{") else "text/html")
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


def completion(text, finish="stop"):
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice]})


@pytest.fixture
def scripted():
    script = Script()
    yield script
    script.close()


def ask(script, count=1, **server):
    from clipmill.captioners import ServerCaptioner

    asker = ServerCaptioner({**SETTINGS, "server": {**SERVER, "url": script.url, **server}})
    return asker.caption([asker.prepare(item) for item in requests(count)])


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_of_the_server_is_tried_again(scripted, status):
    scripted.answers = [(status, "{}"), (status, "<html>busy</html>")]
    assert ask(scripted) == [Caption(SENTENCE, "stop")]
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((429, '{"error": {"message": "quota is used up"}}'), "quota is used up"),
        ((500, "{}"), "500"),
        ((401, '{"error": {"message": "bad key"}}'), r"bad key.*\$CLIPMILL_TEST_KEY"),
        ((404, '{"error": {"message": "no such model"}}'), "no such model"),
        ((400, '{"error": {"message": "model is unknown"}}'), "model is unknown"),
        ((200, "<html>a portal</html>"), "no chat completion"),
        ((200, '{"choices": []}'), "no chat completion"),
        ((200, '{"choices": [{'), "JSON"),
    ],
)
def test_a_lasting_fault_of_the_server_is_not_the_items(scripted, answer, why):
    scripted.answers = [answer] * 9
    with pytest.raises(OSError, match=why) as error:
        ask(scripted)
    assert scripted.url in str(error.value)


def test_a_server_that_does_not_answer_is_given_up_after_its_tries(scripted):
    scripted.answers = [("hang", "")] * 9
    with pytest.raises(OSError, match=r"[Tt]ime"):
        ask(scripted, timeout=0.2, retries=1)
    assert len(scripted.requests) == 2
    with pytest.raises(OSError, match=r"[Cc]onnection"):
        ask(scripted, url="http://127.0.0.1:1/v1", retries=1)


def test_a_request_that_a_working_server_refuses_is_the_items_fault(scripted):
    scripted.answers = [(200, completion(SENTENCE)), (400, '{"error": {"message": "too large"}}')]
    said = ask(scripted, 3, concurrency=1)
    assert [caption.finish for caption in said] == ["stop", "refused", "stop"]
    assert "too large" in said[1].text
    scripted.answers = [(200, completion(None, "content_filter")), (200, completion(SENTENCE, "length"))]
    assert [caption.finish for caption in ask(scripted, 2, concurrency=1)] == ["refused", "length"]


def test_half_a_character_from_the_server_can_be_written(scripted):
    scripted.answers = [(200, completion("a cat \ud800"))]
    assert ask(scripted)[0].text.encode() == b"a cat ?"


def test_the_key_comes_from_the_environment_only(scripted, monkeypatch):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", "secret")
    ask(scripted)
    monkeypatch.delenv("CLIPMILL_TEST_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    ask(scripted)
    assert scripted.keys == ["Bearer secret", "Bearer none"]


def test_a_bad_caption_is_asked_for_once_more_and_then_is_a_reject_that_says_why(store, scripted):
    server = {**SERVER, "url": scripted.url, "concurrency": 1}
    loop = "a cat and a dog " * 9
    scripted.answers = [(200, completion(text)) for text in (loop, SENTENCE, loop, SENTENCE, SENTENCE, SENTENCE, loop)]
    said = outcomes(store, server=server, checks=CHECKS)
    assert [said[at] for at in (0, 1, 3, 4)] == [{"text": SENTENCE}] * 4
    assert isinstance(said[2], ItemError)
    assert (said[2].reason, said[2].detail) == ("caption repeats itself", loop.strip())
    assert len(scripted.requests) == 7
    again = scripted.requests[-1]
    assert again["max_tokens"] == 2 * SETTINGS["max_tokens"]
    assert "without repeating yourself" in again["messages"][0]["content"][-1]["text"]


@pytest.fixture
def command(store, tmp_path):
    """The step's command line on the stored clips with a server's settings: (command, table that it writes)."""
    rows, (results, videos, frames, _) = store
    table, out = tmp_path / "00000.csv", tmp_path / "work/caption_clips/a/00000.csv"
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "stage", "reason", "detail"])
        writer.writeheader()
        writer.writerows(rows)

    def line(**server):
        settings = {**SETTINGS, "server": {**SERVER, **server}, "checks": CHECKS}
        files = ["--table", table, "--out", out, "--memo", tmp_path / "memo", "--settings", json.dumps(settings)]
        places = ["--results", results, "--videos", videos, "--store", frames]
        return [sys.executable, SCRIPTS / "caption_clips.py", *files, *places]

    return line, out


def test_a_dead_server_ends_the_job_and_no_item_is_blamed_or_forgotten(command, scripted):
    line, out = command
    scripted.answers = [(500, "{}")] * 20
    down = subprocess.run(line(url=scripted.url, retries=0), capture_output=True, text=True)
    assert down.returncode != 0
    assert "environment" in down.stderr
    assert scripted.url in down.stderr
    assert not out.exists()
    scripted.answers, scripted.requests = [], []
    up = subprocess.run(line(url=scripted.url), capture_output=True, text=True)
    assert up.returncode == 0, up.stderr
    with open(out, newline="") as file:
        assert [(row["text"], row["reason"]) for row in csv.DictReader(file)] == [(SENTENCE, "")] * 5
    assert len(scripted.requests) == 5


def test_a_job_that_is_told_to_end_does_not_wait_for_a_slow_server(command, scripted):
    line, _ = command
    scripted.answers = [("hang", "")] * 9
    job = subprocess.Popen(line(url=scripted.url, timeout=600), stderr=subprocess.PIPE, text=True)
    assert scripted.asked.wait(120)
    job.terminate()
    assert "ended by SIGTERM" in job.communicate(timeout=30)[1]
    assert job.returncode == 143


@pytest.fixture(scope="session")
def serving(tmp_path_factory, request):
    """A running `transformers serve` with the tiny LlavaNext: (address, name of the model)."""
    import tiny_models

    folder = tiny_models.llava_next(tmp_path_factory.mktemp("served") / "llava_next")
    home = tmp_path_factory.mktemp("hub")
    (home / "hub").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tool = Path(sys.executable).with_name("transformers")
    command = [
        tool,
        "serve",
        folder,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
        "--dtype",
        "float32",
    ]
    log = open(home / "log", "w+")  # noqa: SIM115
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 300
        while not _healthy(address):
            assert process.poll() is None, f"the server ended: {Path(log.name).read_text()[-2000:]}"
            assert time.monotonic() < until, "the server did not come up in 300 s"
            time.sleep(0.5)
        yield f"{address}/v1", str(folder)
    finally:
        process.terminate()
        process.wait()
        log.close()


def _healthy(address):
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        return answer.status == 200
    return False


def test_a_real_server_captions_clips(serving, store):
    url, model = serving
    server = {**SERVER, "url": url, "model": model}
    first, second = (outcomes(store, server=server) for _ in range(2))
    assert first == second
    assert len({result["text"] for result in first}) >= 3
    with pytest.raises(OSError, match="no-such-model"):
        outcomes(store, server={**server, "model": "no-such-model"})


def test_prompts_are_presets_or_sentences():
    assert wording("video", "image") != wording("video", "video")
    assert wording("Name the birds.", "image") == "Name the birds."
    with pytest.raises(ValueError, match="did you mean 'video-short'"):
        wording("video-shrt", "video")
    assert all(set(preset) == {"image", "video"} for preset in PRESETS.values())


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        (SENTENCE, "stop", ""),
        (SENTENCE, "length", "caption is cut off at the token limit"),
        ("  ", "stop", "caption is empty"),
        ("I'm sorry, I cannot help with this picture.", "stop", "caption is a refusal"),
        ("I\u2019m unable to see the video.", "stop", "caption is a refusal"),
        ("As an AI language model, I do not see pictures.", "stop", "caption is a refusal"),
        ("A sorry sight: a man who cannot swim falls into the sea.", "stop", ""),
        ("A red car. " * 12, "stop", "caption repeats itself"),
        ("The the the the the the", "stop", "caption repeats itself"),
        ("\u4e00\u4e2a\u7537\u4eba\u5728\u516c\u56ed\u91cc\u904d\u72d7", "stop", "caption is not in English"),
        ("Un hombre camina con su perro por el parque bajo la lluvia.", "stop", "caption is not in English"),
        ("Ein Mann geht mit seinem braunen Hund durch den Park.", "stop", "caption is not in English"),
        ("413 Payload Too Large", "refused", "the server refused the request"),
    ],
)
def test_what_is_wrong_with_a_caption_is_named(text, finish, reason):
    assert problem(Caption(text, finish), CHECKS) == reason


def test_checks_can_be_switched_off():
    for text, finish in ((SENTENCE, "length"), ("I cannot say.", "stop"), ("so " * 9, "stop"), ("\u72d7", "stop")):
        assert problem(Caption(text, finish), CHECKS)
        assert not problem(Caption(text, finish), UNCHECKED)
    assert problem(Caption("", "stop"), UNCHECKED)


def test_good_english_is_neither_a_loop_nor_foreign():
    texts = [
        "A tabby cat looks into the camera. Its eyes are green, its whiskers white, and its fur is brown and black.",
        "Two men, a woman and a child sit at a table. The men eat, the woman reads and the child draws on the table.",
        "Fireworks explode over Sydney Harbour: red, then green, then gold, then red again, as a crowd cheers below.",
        "Close-up: hands knead dough.",
    ]
    assert not any(loops(text) or not is_english(text) for text in texts)
