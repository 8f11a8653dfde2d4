"""Captions come from a real server too; a bad answer costs the item only where the item is at fault."""

import base64
import csv
import json
import shutil
import subprocess
import sys
import traceback
import urllib.parse
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
import real_server
import tiny_transformers
from captioning import (
    CHECKS,
    SENTENCE,
    SERVER,
    SETTINGS,
    complete,
    completion,
    many,
    outcomes,
    pictures_of,
    requests,
    said,
)  # fmt: skip
from clipmill.captions.caption import Caption
from clipmill.captions.prompts import wording
from clipmill.captions.sampling import GREEDY
from clipmill.captions.server_captioner import ServerCaptioner
from clipmill.engine.rejects import Reject
from clipmill.videos import frames

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
def serving(tmp_path_factory):
    """A running `transformers serve` with the tiny LlavaNext: (address, name of the model)."""
    folder = tiny_transformers.llava_next(tmp_path_factory.mktemp("served") / "llava_next")
    with real_server.transformers(folder, tmp_path_factory.mktemp("hub")) as address:
        yield address, str(folder)


def test_a_real_server_captions_clips(serving, store):
    url, model = serving
    server = {**SERVER, "url": url, "model": model}
    first, second = (said(outcomes(store, server=server)) for _ in range(2))
    assert first == second
    assert len(set(first)) >= 3
    with pytest.raises(OSError, match="no-such-model"):
        outcomes(store, server={**server, "model": "no-such-model"})


@pytest.fixture
def of_many(tmp_path, command, store):
    """The step's command line on 64 stored clips: (command, table that it writes)."""
    with open(tmp_path / "00000.csv", "w", newline="") as file:
        rows = many(64)
        writer = csv.DictWriter(file, [*rows[0], "stage", "reason", "detail"])
        writer.writeheader()
        writer.writerows(rows)
    return command


def texts(table) -> list[str]:
    with open(table, newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def test_a_server_that_dies_after_40_of_64_answers_keeps_40(of_many, scripted):
    line, out = of_many
    scripted.answers = [(200, completion(SENTENCE))] * 40 + [(500, "{}")] * 99
    died = subprocess.run(line(url=scripted.url, retries=1, concurrency=8), capture_output=True, text=True)
    assert died.returncode != 0
    assert "environment" in died.stderr
    scripted.answers, scripted.requests = [], []
    again = subprocess.run(line(url=scripted.url, concurrency=8), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(scripted.requests) == 24
    assert texts(out) == [SENTENCE] * 64


def test_no_answer_waits_for_a_slower_one(of_many, scripted):
    line, out = of_many
    scripted.answers = [("hang", "")]
    job = subprocess.Popen(line(url=scripted.url, concurrency=4), stderr=subprocess.PIPE, text=True)
    assert scripted.reached(64), f"{len(scripted.requests)} of 64 were asked while one hangs"
    scripted.hold.set()  # the connection is lost: the request is sent again
    job.communicate(timeout=60)
    assert job.returncode == 0
    assert texts(out) == [SENTENCE] * 64
    assert len(scripted.requests) == 65


def test_a_killed_job_keeps_all_answers_that_came(of_many, scripted):
    line, _ = of_many
    scripted.answers = [(200, completion(SENTENCE))] * 40 + [("hang", "")] * 99
    job = subprocess.Popen(line(url=scripted.url, concurrency=4), stderr=subprocess.PIPE, text=True)
    assert scripted.reached(44)
    job.terminate()
    job.communicate(timeout=30)
    scripted.answers, scripted.requests = [], []
    assert subprocess.run(line(url=scripted.url), capture_output=True).returncode == 0
    assert len(scripted.requests) == 24


def test_a_server_that_is_still_loading_is_waited_for(of_many, scripted):
    line, out = of_many
    scripted.answers = [(503, "{}")]
    done = subprocess.run(line(url=scripted.url, retries=0, wait=600, concurrency=1), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("does not answer yet") == 1
    assert "caption.server.wait" in done.stderr
    assert texts(out) == [SENTENCE] * 64
    assert len(scripted.requests) == 65


def test_the_stored_bytes_are_sent_as_they_are_unless_a_frame_is_too_large(store, scripted):
    rows, places = store
    kept = frames.shots(frames.Store(places[2], places[1]), rows[1], [1.0])
    server = {**SERVER, "url": scripted.url}
    outcomes(([rows[1]], places), frames=[0.5], server=server)
    outcomes(([rows[1]], places), frames=[0.5], server=server, max_pixels=5000)
    sent = [pictures_of(request) for request in scripted.requests]
    assert sent[0] == [shot.jpeg for shot in kept]
    image = cv2.imdecode(np.frombuffer(sent[1][0], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] * image.shape[1] <= 5000 < kept[0].image.shape[0] * kept[0].image.shape[1]


def test_frames_go_as_one_video_of_the_stored_bytes_with_their_true_times(store, scripted):
    rows, places = store
    kept = frames.shots(frames.Store(places[2], places[1]), rows[1], [0.2, 1.0, 1.8])
    assert [shot.seconds for shot in kept] == [0.0, 1.0, 1.5]
    server = {**SERVER, "url": scripted.url, "video": True}
    outcomes(([rows[1]], places), server=server)
    outcomes(([rows[0]], places), server=server)
    as_video, still = scripted.requests
    (video, question) = as_video["messages"][0]["content"]
    kind, _, jpegs = video["video_url"]["url"].partition(",")
    assert (video["type"], kind, question["type"]) == ("video_url", "data:video/jpeg;base64", "text")
    assert [base64.b64decode(jpeg) for jpeg in jpegs.split(",")] == [shot.jpeg for shot in kept]
    told = as_video["media_io_kwargs"]["video"]
    assert [index / told["fps"] for index in told["frames_indices"]] == [shot.seconds for shot in kept]
    assert told["duration"] == 2.0
    assert told["total_num_frames"] >= 3
    assert told["num_frames"] == -1, "none is left out"
    assert len(pictures_of(still)) == 1, "a still image is no video"
    assert "media_io_kwargs" not in still


def test_a_server_that_takes_no_video_is_named_and_one_that_refuses_one_clip_is_not_at_fault(scripted):
    refusal = json.dumps({"error": {"message": "Per-request media_io_kwargs are disabled by default"}})
    server = {**SERVER, "url": scripted.url, "video": True}
    still, clip = requests(2)
    asker = ServerCaptioner({**SETTINGS, "server": server})
    assert asker.caption([asker.prepare(still)])[0].text == SENTENCE
    scripted.answers = [(400, refusal)] * 2
    with pytest.raises(
        OSError, match=r"media_io_kwargs are disabled.*caption\.server\.video.*--trust-request-mm-kwargs"
    ):
        asker.caption([asker.prepare(clip)])
    scripted.answers = [(400, json.dumps({"error": {"message": "too many tokens"}}))]
    assert asker.caption([asker.prepare(clip)])[0].finish == "refused"
    asked_of = scripted.requests[-1]["messages"][0]["content"]
    assert [part["type"] for part in asked_of] == ["video_url", "text"], "it was asked about a grey video"
    assert asker.caption([asker.prepare(clip)])[0].text == SENTENCE


def test_a_server_that_wants_another_name_for_the_limit_gets_it(scripted):
    refusal = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    scripted.answers = [(400, json.dumps({"error": {"message": refusal}}))]
    said = ask(scripted, 3)
    assert [caption.text for caption in said] == [SENTENCE] * 3
    limits = [[name for name in request if "max_" in name] for request in scripted.requests]
    assert limits == [["max_tokens"], *[["max_completion_tokens"]] * 3]


def test_what_the_configuration_says_stands_in_the_request(scripted):
    sampling = {
        "temperature": 0.1, "top_p": 0.001, "top_k": 20, "repetition_penalty": 1.05, "presence_penalty": 1.5,
        "min_tokens": 16, "seed": 7,
    }  # fmt: skip
    server = {**SERVER, "url": scripted.url, "extra_body": {"mm_processor_kwargs": {"fps": 2}}}
    more = {"sampling": sampling, "system": "Be brief.", "chat_template_kwargs": {"enable_thinking": False}}
    asker = ServerCaptioner({**SETTINGS, "server": server, **more})
    asker.caption([asker.prepare(requests(2)[1])])
    asker = ServerCaptioner({**SETTINGS, "server": server, "sampling": {**GREEDY, "temperature": None}})
    asker.caption([asker.prepare(requests(1)[0])])
    full, bare = scripted.requests
    assert full["messages"][0] == {"role": "system", "content": "Be brief."}
    expected = sampling | {"chat_template_kwargs": {"enable_thinking": False}, "mm_processor_kwargs": {"fps": 2}}
    assert {name: full[name] for name in expected} == expected
    assert set(bare) == {"model", "messages", "max_tokens", "mm_processor_kwargs"}
    shown = [part["text"] for part in full["messages"][1]["content"] if part["type"] == "text"]
    assert shown[:2] == ["0.0 s:", "1.0 s:"]


def test_a_server_whose_first_answers_repeat_the_question_is_at_fault(scripted):
    scripted.answers = [
        (200, completion(f"user {wording('video-short', kind)} assistant {SENTENCE}")) for kind in KINDS
    ]
    with pytest.raises(OSError, match="repeat the question"):
        ask(scripted, 4, concurrency=1)


KINDS = ("image", "video", "video", "image")


def test_ranks_share_the_requests_of_a_job(monkeypatch):
    settings = {**SETTINGS, "server": {**SERVER, "concurrency": 16}}
    assert ServerCaptioner.threads(settings) == 16
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert ServerCaptioner.threads(settings) == 2
