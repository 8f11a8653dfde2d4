"""Whole runs with a captioner that is asked: what it says, what it took, and which machines it needs."""

import csv
import json

import pytest
from captioning import SENTENCE, Script, completion
from mill import Mill, footage

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


class Talking(Script):
    """A server that always says the same, and what it took."""

    def __init__(self):
        super().__init__()
        self.answers = self

    def pop(self, _):
        return 200, completion(SENTENCE, usage=USAGE)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A finished run with a server that captions in windows: (mill, outcome, number of requests)."""
    mill = Mill(tmp_path_factory.mktemp("asked") / "mill")
    footage(mill.videos, videos=1)
    script = Talking()
    server = {"url": script.url, "model": "tiny", "concurrency": 4}
    mill.change(
        caption={"server": server, "window_seconds": 0.7, "fps": 4, "also": {"short": "video-short"}},
        captioners={"second": {"server": server, "also": {"style": "video-style"}}, "plain": {"model": "attributes"}},
    )
    # As a cluster's profile does.
    outcome = mill.run("--set-resources", "caption_clips:gpu=8", "--set-threads", "caption_clips=2", "caption_more=2")
    script.close()
    return mill, outcome, len(script.requests)


def test_further_captions_and_windows_are_columns_of_the_pairs(asked):
    with open(asked[0].results / "meta.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["text_short"] for row in rows} == {SENTENCE}
    assert {row["text_second"].capitalize() for row in rows} == {row["text_second_style"] for row in rows} == {SENTENCE}
    assert all(row["text_plain"] not in ("", SENTENCE) for row in rows)
    spans = [json.loads(row["text_windows"]) for row in rows]
    assert max(len(windows) for windows in spans) > 1
    for row, windows in zip(rows, spans, strict=True):
        length = 0.0 if row["num_frames"] == "1" else float(row["end"]) - float(row["start"])
        assert windows[-1]["end"] == pytest.approx(length, abs=2e-3)


def test_tokens_and_questions_are_counted_in_the_account_of_the_run(asked):
    mill, _, requests = asked
    found = json.loads((mill.results / "run.json").read_text())["stages"]
    both = [found[name] for name in ("caption_clips", "caption_clips.second")]
    for count, each in (("requests", 1), ("prompt_tokens", 100), ("output_tokens", 20)):
        assert sum(stage[count] for stage in both) == each * requests
        assert all(stage[count] for stage in both)
    assert "requests" not in found["score_flow"]


def test_no_gpu_is_asked_for_where_the_server_is_elsewhere(asked):
    mill, outcome, _ = asked
    assert outcome.jobs["caption_by_server"] == outcome.jobs["caption_more_by_server"] == 1
    assert outcome.jobs["caption_more"] == 1, "the stand-in is no server"
    assert "caption_clips" not in outcome.jobs
    [account] = (mill.results / "logs/captions.caption_clips").glob("*.jsonl")
    assert json.loads(account.read_text())["gpus"] == 0
    assert mill.run().idle
