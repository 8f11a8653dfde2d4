"""Captions come from real model classes, and do not depend on batches or ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from captioning import SENTENCE, SERVER, SETTINGS, outcomes, requests, said
from clipmill.captions.transformers_captioner import TransformersCaptioner

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
pytestmark = pytest.mark.usefixtures("one_thread")


def captioner(folder, **settings):
    return TransformersCaptioner({**SETTINGS, "model": str(folder), **settings})


@pytest.mark.parametrize("name", ["llava_next", "qwen25vl"])
def test_a_caption_does_not_depend_on_the_batch(folders, name):
    items, texts = requests(), {}
    for batch in (1, 4, 16):
        model = captioner(folders[name], batch=batch)
        prepared = [model.prepare(item) for item in items]
        order = range(len(items)) if batch != 16 else range(len(items))[::-1]
        groups = [list(order)[first : first + batch] for first in range(0, len(items), batch)]
        said = {number: text for group in groups for number, text in _caption(model, prepared, group)}
        texts[batch] = [said[number] for number in range(len(items))]
    assert texts[1] == texts[4] == texts[16]
    assert len({caption.text for caption in texts[1]}) > 8, "the pictures must make a difference"


def _caption(model, prepared, group):
    return zip(group, model.caption([prepared[number] for number in group]), strict=True)


def test_frames_go_in_as_a_video_where_the_processor_takes_one(folders):
    video = requests()[1]
    assert "pixel_values_videos" in captioner(folders["qwen25vl"]).prepare(video).inputs
    as_images = captioner(folders["llava_next"]).prepare(video).inputs
    assert as_images["pixel_values"].shape[0] == len(video.shots)


def test_a_second_attempt_asks_differently_and_may_be_longer(folders):
    model = captioner(folders["llava_next"])
    item = requests(1)[0]
    first = model.caption([model.prepare(item)])[0]
    second = model.caption([model.prepare(item, again=True)], again=True)[0]
    assert first.finish == second.finish == "length"
    assert second.text != first.text


def test_memory_that_runs_out_halves_the_batch(folders, monkeypatch, capsys):
    model = captioner(folders["llava_next"], batch=8)
    prepared = [model.prepare(request) for request in [requests(1)[0]] * 8]
    whole, generate = model.caption(prepared), model.generator.model.generate

    def little_memory(**inputs):
        if len(inputs["input_ids"]) > 4:
            raise torch.OutOfMemoryError
        return generate(**inputs)

    monkeypatch.setattr(model.generator.model, "generate", little_memory)
    assert model.caption(prepared) == whole
    assert "4 items per batch" in capsys.readouterr().err


WORKER = """
import json, os, sys
from pathlib import Path
import torch
from captioning import SETTINGS, requests
from clipmill.captions.transformers_captioner import TransformersCaptioner

torch.set_num_threads(1)
folders, out = json.loads(sys.argv[1]), Path(sys.argv[2])
said = {}
for name, folder in folders.items():
    for backend in ("transformers", "deepspeed"):
        model = TransformersCaptioner({**SETTINGS, "model": folder, "tp_size": 2, "tp_backend": backend})
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
    paths = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parents[1] / "tests/kit")])
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


def test_the_step_captions_stored_clips_with_each_captioner(folders, store, scripted):
    embedded = outcomes(store)
    assert [result["text"].endswith(".") for result in embedded] == [True] * 5
    learned = outcomes(store, model=str(folders["llava_next"]))
    assert len(set(said(learned))) >= 3
    asked = outcomes(store, server={**SERVER, "url": scripted.url})
    assert asked == [{"text": SENTENCE}] * 5
    pictures = [json.dumps(request).count("data:image/jpeg") for request in scripted.requests]
    assert sorted(pictures) == [1, 3, 3, 3, 3]


def test_a_missing_model_is_an_error_that_names_folder_key_and_command(store, tmp_path):
    for model, parts in (
        (str(tmp_path / "no-such-model"), ("no-such-model", "caption.model")),
        ("some-lab/no-such-model", ("some-lab/no-such-model@main", "caption.model", "fetch_models")),
    ):
        with pytest.raises(OSError, match="missing") as error:
            outcomes(store, model=model)
        assert all(part in str(error.value) for part in parts)
