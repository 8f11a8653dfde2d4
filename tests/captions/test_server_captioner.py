"""Captions come from a real server too; a bad answer costs the item only where the item is at fault."""

import contextlib
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import tiny_transformers
from captioning import CHECKS, SENTENCE, SERVER, SETTINGS, complete, completion, outcomes, requests, said
from clipmill.captions.caption import Caption
from clipmill.captions.server_captioner import ServerCaptioner
from clipmill.engine.rejects import Reject

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def ask(script, count=1, **server):
    asker = ServerCaptioner({**SETTINGS, "server": {**SERVER, "url": script.url, **server}})
    return asker.caption([asker.prepare(item) for item in requests(count)])


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_of_the_server_is_tried_again(scripted, status):
    scripted.answers = [(status, "{}"), (status, "<html>busy</html>")]
    assert ask(scripted) == [Caption(SENTENCE, "stop", model="tiny")]
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((429, '{"error": {"message": "quota is used up"}}'), "quota is used up"),
        ((500, "{}"), "500"),
        ((401, '{"error": {"message": "bad key"}}'), r"bad key.*\$CLIPMILL_TEST_KEY"),
        ((404, '{"error": {"message": "no such model"}}'), "no such model"),
        ((400, '{"error": {"message": "model is unknown"}}'), "model is unknown"),
        ((200, "<html>a portal</html>"), "not a chat completion"),
        ((200, '{"choices": []}'), "not a chat completion"),
        ((200, '{"choices": [{'), "JSON"),
    ],
)
def test_a_lasting_fault_of_the_server_is_not_the_items(scripted, answer, why):
    scripted.answers = [answer] * 9
    with pytest.raises(OSError, match=why) as error:
        ask(scripted)
    assert scripted.url in str(error.value)


def test_a_server_that_does_not_answer_is_given_up_on_after_its_tries(scripted):
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


KEY = 'sk-proj-0123456789/abc"def'


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_a_server_that_echoes_the_key_does_not_bring_it_into_an_error(scripted, monkeypatch, status):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", f" {KEY}\n")
    echo = f"bad key Bearer {KEY}, that is {KEY[:14]}... or {urllib.parse.quote(KEY, safe='')} \x1b[31m"
    scripted.answers = [(status, json.dumps({"error": {"message": echo}}))] * 9
    with pytest.raises(OSError, match="bad key") as error:
        ask(scripted, retries=0)
    shown = "".join(traceback.format_exception(error.value))
    assert "0123" not in shown
    assert "\x1b" not in shown
    assert scripted.keys[0] == f"Bearer {KEY}", "line ends around a key are no part of it"


def test_a_key_is_in_no_caption_and_no_detail(scripted, monkeypatch):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", KEY)
    refused = (400, json.dumps({"error": {"message": f"key {KEY}"}}))
    scripted.answers = [(200, completion(f"A man says {KEY}.")), refused, (200, f'"{KEY}"')]
    asker = ServerCaptioner({**SETTINGS, "server": {**SERVER, "url": scripted.url, "concurrency": 1, "retries": 0}})
    said = asker.caption([asker.prepare(item) for item in requests(2)])
    assert said[0].text == "A man says [key]."
    assert said[1].finish == "refused"
    assert "0123" not in said[1].text
    with pytest.raises(OSError, match="not a chat completion") as error:
        asker.caption([asker.prepare(requests(1)[0])])
    assert "0123" not in str(error.value)


@pytest.mark.parametrize("key", ["a b-0123456", "0123456\n7890", "\u2019sk-0123456"])
def test_a_key_that_no_header_can_hold_is_a_plain_message_without_it(scripted, monkeypatch, key):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", key)
    with pytest.raises(OSError, match=r"\$CLIPMILL_TEST_KEY holds characters") as error:
        ask(scripted)
    assert "012" not in str(error.value)
    assert scripted.requests == []


@pytest.mark.parametrize("key", ["none", "EMPTY", ""])
def test_a_word_in_place_of_a_key_changes_no_caption(scripted, monkeypatch, key):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", key)
    scripted.answers = [(200, completion("EMPTY streets, and none walks there."))]
    assert ask(scripted)[0].text == "EMPTY streets, and none walks there."


def test_a_bad_caption_is_asked_for_once_more_and_then_is_a_reject_that_says_why(store, scripted):
    server = {**SERVER, "url": scripted.url, "concurrency": 1}
    loop = "a cat and a dog " * 9
    scripted.answers = [(200, completion(text)) for text in (loop, SENTENCE, SENTENCE, loop, loop)]
    said = outcomes(store, server=server, checks=CHECKS)
    assert [said[index] for index in (0, 1, 3, 4)] == [{"text": SENTENCE}] * 4
    assert isinstance(said[2], Reject)
    assert (said[2].reason, said[2].detail) == ("caption repeats itself", loop.strip())
    assert len(scripted.requests) == 7
    again = scripted.requests[1]
    assert again["max_tokens"] == 2 * SETTINGS["max_tokens"]
    assert "without repeating yourself" in again["messages"][0]["content"][-1]["text"]


@pytest.fixture
def command(store, tmp_path):
    """The step's command line on the stored clips with a server's settings: (command, table that it writes)."""
    rows, (results, videos, frames) = store
    table, out = tmp_path / "00000.csv", tmp_path / "work/caption_clips/a/00000.csv"
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "stage", "reason", "detail"])
        writer.writeheader()
        writer.writerows(rows)

    def line(**server):
        settings = complete({"server": {**SERVER, **server}, "checks": CHECKS})
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


def test_the_key_is_in_no_log_table_or_memo_of_a_job(command, scripted, monkeypatch, tmp_path):
    monkeypatch.setenv("CLIPMILL_TEST_KEY", KEY)
    line, out = command
    echo = json.dumps({"error": {"message": f"not for {KEY} \x1b[2J"}})
    good = (200, completion(SENTENCE))
    scripted.answers = [good, (400, echo), (400, echo)]
    done = subprocess.run(line(url=scripted.url, retries=0, concurrency=1), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(out, newline="") as file:
        [reject] = [row for row in csv.DictReader(file) if row["reason"]]
    assert reject["reason"] == "the server refused the request"
    assert "not for [key]" in reject["detail"]
    out.unlink()
    shutil.rmtree(tmp_path / "memo")
    scripted.answers = [(401, echo)] * 9
    failed = subprocess.run(line(url=scripted.url, retries=0), capture_output=True, text=True)
    assert "not for [key]" in failed.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (written, (done.stdout + done.stderr + failed.stdout + failed.stderr).encode()):
        assert KEY.encode()[:14] not in text
        assert b"\x1b[2J" not in text


def test_a_job_that_is_told_to_stop_does_not_wait_for_a_slow_server(command, scripted):
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
    folder = tiny_transformers.llava_next(tmp_path_factory.mktemp("served") / "llava_next")
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
    first, second = (said(outcomes(store, server=server)) for _ in range(2))
    assert first == second
    assert len(set(first)) >= 3
    with pytest.raises(OSError, match="no-such-model"):
        outcomes(store, server={**server, "model": "no-such-model"})
