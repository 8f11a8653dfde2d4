"""The GPU benchmark measures what it says: its corpus has what slows a step, its meters count, and it tells when it
could not show a defect. Here it runs with tiny models on a CPU; its figures mean nothing then."""

import re
import zipfile
from collections import Counter
from itertools import pairwise

import gpu
import meters
import numpy as np
import pytest
import tiny_transformers
import torch
from captioning import SETTINGS, requests
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.captions.vllm_captioner import INSTALLED
from clipmill.engine.batches import Batches
from corpus import SHAPES, Corpus, pictures_of, written
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return Corpus(tmp_path_factory.mktemp("corpus"), 0.15, 48, 5)


@pytest.fixture
def small(monkeypatch, capsys, one_thread):
    """A function that runs the program and gives its output and its last words; "" where it ends well."""

    def run(*arguments: str) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["gpu.py", "--device", "cpu", "--small", "--threads", "1", *arguments])
        last = ""
        try:
            gpu.main()
        except SystemExit as end:
            last = str(end)
        return capsys.readouterr().out, last

    return run


def figures(output: str) -> dict[str, list[float]]:
    """The columns of each step in the table: clips, items/s, bare, step / bare, rows, waited, memory."""
    rows = re.findall(r"^\| (\w+) \(.*?\) \| (.*) \|$", output, re.MULTILINE)
    return {step: [float(cell.strip(" %")) for cell in cells.split("|")] for step, cells in rows}


def checked(done: tuple[str, str], steps: set[str]) -> None:
    assert done[1] == ""
    found = figures(done[0])
    assert found.keys() == steps
    for clips, rate, bare, _, rows, waited, _ in found.values():
        assert min(clips, rate, bare) > 0
        assert rows >= 1, "no row that is asked for is left out"
        assert 0 <= waited < 100


def test_it_runs_on_a_cpu_with_small_models(small):
    done = small("--steps", "aesthetic", "match", "captions", "--clips", "30")
    checked(done, {"aesthetic", "match", "captions"})
    given, said, bare, _, prompt, slots = done[0].strip().splitlines()[-1].strip("| ").split("|")
    assert min(map(float, (given, said, bare, prompt))) > 0
    assert float(slots) > 1, "answers of different lengths wait for the longest one of their batch"


@pytest.mark.slow
def test_it_runs_the_large_networks_on_a_cpu(small):
    checked(small("--steps", "flow", "ocr"), {"flow", "ocr"})


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED.exists(), reason="vLLM is not installed: make env-vllm")
def test_it_counts_the_tokens_of_a_real_vllm(small):
    out, last = small("--steps", "vllm", "--clips", "16")
    assert last == ""
    given, said, bare, lengths, prompt, slots = out.strip().splitlines()[-1].strip("| ").split(" | ")
    assert min(float(given), float(said), float(prompt)) > 0
    assert lengths.startswith("12-")
    assert (bare, slots) == ("-", "-"), "what another process computes is not known here"


def test_figures_that_could_hide_a_defect_do_not_count(small):
    _, last = small("--steps", "aesthetic", "--hours", "0.1", "--clips", "4")
    assert "720 pictures, fewer than 1000" in last
    assert "sizes in place of 5" in last


def test_without_boxes_on_written_frames_the_figures_do_not_count(corpus):
    rows = corpus.rows(40)
    found = {row["id"]: {"ocr": int(corpus.texts[row["id"]] != "none")} for row in rows}
    assert gpu.of_the_step("ocr", corpus, found) == []
    assert "gave boxes" in gpu.of_the_step("ocr", corpus, {name: {"ocr": 0} for name in found})[0]
    fault = {"fault": "unexpected", "reason": "unexpected error", "detail": "KeyError"}
    assert "1 clips failed" in gpu.of_the_step("flow", corpus, {**found, rows[0]["id"]: fault})[0]


def test_its_clips_are_those_of_a_mixed_collection(corpus):
    rows = corpus.rows(200)
    assert rows == sorted(rows, key=lambda row: row["id"])
    assert len({row["id"] for row in rows}) == 200
    videos = Counter(row["video_id"] for row in rows)
    assert sum(count == 20 for count in videos.values()) == 5, "half of the clips come from five films"
    assert max(Counter(videos.values())) <= 20
    assert len({(row["width"], row["height"]) for row in rows}) == len(SHAPES)
    assert set(corpus.texts.values()) == {"none", "subtitle", "page"}
    assert any(row["num_frames"] == "1" for row in rows)
    held = []
    for row in rows:
        names = zipfile.ZipFile(corpus.store.path(row["video_id"])).namelist()
        held.append(len(names))
        mine = [name for name in names if int(row["start_frame"]) <= int(name[:8]) < int(row["end_frame"])]
        assert len(mine) == pictures_of(row)
    assert max(held) == 1080


def test_two_machines_measure_the_same_clips(corpus, tmp_path):
    first, second = (Corpus(tmp_path / name, 0.05, 48, 5).rows(50) for name in "ab")
    assert first == second


@pytest.mark.parametrize("shape", [(512, 910, 3), (910, 512, 3)])
@pytest.mark.parametrize("lines", [("one line",), ("a line that is longer", "a short one")])
def test_text_lies_within_the_picture(shape, lines):
    grey = np.full(shape, 128, np.uint8)
    changed = np.argwhere((written(grey, lines) != grey).any(axis=2))
    assert changed.min(axis=0)[0] > 0
    assert changed[:, 1].min() > 0
    assert changed[:, 1].max() < shape[1] - 1
    assert written(grey, ()) is grey


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)))
def test_time_in_which_two_kernels_run_counts_once(spans):
    ticks = {tick for begin, end in spans for tick in range(begin, end)}
    assert meters.covered([tuple(span) for span in spans]) == len(ticks)


def test_time_without_an_operator_counts_as_waiting():
    assert meters.idle_share(lambda: sum(range(100000)), "cpu") == 1
    assert 0 <= meters.idle_share(lambda: torch.ones(400, 400) @ torch.ones(400, 400), "cpu") < 1


def test_rows_that_fill_a_batch_count_as_computed():
    layer = torch.nn.Linear(3, 2)
    network = meters.Network(layer)
    Batches(layer, 64, "cpu")([torch.ones(3)] * 5)
    assert dict(network.rows) == {(3,): 8}
    with torch.inference_mode():
        assert network.bare(lambda run: len(run()) * 4.0, 2) == {(3,): 1.0}
    network.reset()
    assert not network.rows


def test_answers_have_the_lengths_that_they_are_given(tmp_path):
    settings = {**SETTINGS, "model": str(tiny_transformers.llava_next(tmp_path / "llava_next")), "max_tokens": 30}
    model = TransformersCaptioner(settings)
    generator = model.generator
    answers = meters.Answers(generator.model, generator.tokenizer, 5, 30)
    prepared = [model.prepare(item) for item in requests(12)]
    first = model.caption(prepared)
    assert len({caption.output_tokens for caption in first}) > 3
    assert {caption.output_tokens for caption in first} <= answers.forced <= set(range(5, 31))
    assert all(caption.finish == "stop" and caption.text for caption in first)
    said = sum(caption.output_tokens for caption in first)
    assert sum(answers.rows.values()) >= 12
    assert answers.slots > said
    assert model.caption(prepared[::-1]) == first[::-1], "a length depends on the clip, not on its batch"
    assert all(earlier < later for earlier, later in pairwise(sorted(answers.forced)))
