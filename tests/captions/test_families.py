"""Families of vision-language models: each is told the truth, or is refused in plain words; none is silently wrong."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_families
import tiny_transformers
import torch
from captioning import SETTINGS, requests
from clipmill.captions import families
from clipmill.captions.caption import Request
from clipmill.captions.generation import TextGenerator
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.engine.weights import Need
from tiny_families import FAMILIES

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
pytestmark = pytest.mark.usefixtures("one_thread")


def captioner(folder, **settings):
    return TransformersCaptioner({**SETTINGS, "model": str(folder), **settings})


def clip(*seconds, length=10.0):
    """A request about frames at these seconds of a clip."""
    shot = requests(2)[1].shots[0]
    shots = [shot._replace(seconds=float(second)) for second in seconds]
    return Request(shots, "video", "What happens here, and when does it happen?", length, {"id": "a clip"})


def prompt(model, request) -> str:
    return model.chat.processor.tokenizer.decode(model.prepare(request).inputs["input_ids"][0])


@pytest.mark.parametrize(
    ("family", "pattern", "times"),
    [
        ("qwen3_vl", r"<([\d.]+) seconds>", ["3.0", "9.0"]),  # of pairs of frames: (1, 5) and (9, 9)
        ("glm46v", r"([\d.]+) seconds", ["1.0", "9.0"]),  # of the first of a pair
        ("smolvlm", r"Frame from (\d\d:\d\d)", ["00:01", "00:05", "00:09"]),
    ],
)
def test_the_prompt_holds_the_true_seconds_of_the_frames(tmp_path, family, pattern, times):
    model = captioner(FAMILIES[family](tmp_path / family))
    assert model.chat.takes_video
    shown = prompt(model, clip(1, 5, 9))
    assert re.findall(pattern, shown) == times
    if family == "smolvlm":
        assert "0:00:10" in shown


def test_qwen_gets_the_true_time_between_frames(folders):
    inputs = captioner(folders["qwen25vl"]).chat.tensors(clip(1, 5, 9))
    assert inputs["second_per_grid_ts"].tolist() == [8.0]


def padding_matters(model, request) -> float:
    inputs = model.chat.tensors(request)
    return float((model.generator.scores(inputs) - model.generator.scores(model.generator.padded(inputs))).abs().max())


def test_every_tensor_that_runs_along_the_tokens_is_padded(tmp_path):
    model = captioner(FAMILIES["mllama"](tmp_path / "mllama"))
    assert model.generator.step > 1
    inputs = model.chat.tensors(requests(2)[1])
    assert inputs["cross_attention_mask"].shape[1] == inputs["input_ids"].shape[1]
    assert padding_matters(model, requests(2)[1]) < 1e-3


def test_a_model_that_padding_would_change_gets_none_and_that_is_said(tmp_path, monkeypatch, capsys):
    def old(self, inputs):
        shape = inputs["input_ids"].shape
        more = -shape[1] % self.step
        pad = torch.nn.functional.pad
        return {name: pad(value, (more, 0)) if value.shape == shape else value for name, value in inputs.items()}

    monkeypatch.setattr(TextGenerator, "padded", old)
    model = captioner(FAMILIES["mllama"](tmp_path / "mllama"))
    assert model.generator.step == 1
    assert "prompts are not padded" in capsys.readouterr().err
    assert padding_matters(model, requests(2)[1]) == 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("paligemma", "PaliGemma"),
        ("blip-2", "BLIP-2"),
        ("instructblip", "InstructBLIP"),
        ("instructblipvideo", "InstructBLIP"),
        ("florence2", "Florence-2"),
        ("mistral", "no image-text-to-text model"),
        ("llava", "no chat template"),
        (None, "no config.json"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_with_key_reason_and_families_that_can(tmp_path, kind, words):
    if kind:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(OSError, match="cannot caption") as error:
        captioner(tmp_path)
    assert all(part in str(error.value) for part in ("caption.model", str(tmp_path), words, "Qwen3-VL", "InternVL"))


@pytest.mark.parametrize(
    ("quantised", "package"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
    ],
)
def test_quantised_weights_whose_package_is_missing_are_refused_with_the_way_to_use_them(tmp_path, quantised, package):
    if importlib.util.find_spec(package.replace("-", "_")):
        pytest.skip(f"{package} is installed here")
    folder = tiny_transformers.llava_next(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantised}))
    with pytest.raises(OSError, match="cannot caption") as error:
        captioner(folder)
    assert all(part in str(error.value) for part in ("caption.model", package, "caption.engine: vllm"))


def fetch(tmp_path, folder):
    settings = {"caption": {"model": str(folder), "revision": "main", "server": {"url": None}}}
    command = [sys.executable, SCRIPTS / "fetch_model.py", "--models", tmp_path / "models"]
    command += ["--settings", json.dumps(settings), "--out", tmp_path / "models.json"]
    return subprocess.run(command, capture_output=True, text=True)


def test_fetch_models_names_a_captioner_that_cannot_work_before_a_node_is_allocated(tmp_path):
    done = fetch(tmp_path, tiny_transformers.mistral(tmp_path / "text"))
    assert done.returncode == 1
    assert "`caption.model`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models.json").exists()


def test_fetch_models_records_what_a_folder_says_about_generation(folders, tmp_path):
    done = fetch(tmp_path, folders["qwen25vl"])
    assert done.returncode == 0, done.stderr
    [entry] = json.loads((tmp_path / "models.json").read_text())["caption"]
    assert entry["generation_config"] == {}
    (tmp_path / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.05, "do_sample": False}))
    assert families.generation(tmp_path) == {"repetition_penalty": 1.05}
    assert Need("caption.model", str(folders["qwen25vl"])).kind == "local"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_says_the_same_alone_and_in_a_batch_and_sees_the_pictures(tmp_path, family, capsys):
    model = captioner(FAMILIES[family](tmp_path / family))
    items = [*requests(7), clip(1, 5, 9), clip(*range(16), length=16.0)]
    prepared = [model.prepare(item) for item in items]
    together = model.caption(prepared)
    assert together == [model.caption([inputs])[0] for inputs in prepared]
    assert together[::-1] == model.caption(prepared[::-1])
    assert all(padding_matters(model, item) < 1e-3 for item in items), "padding must make none"
    texts = {caption.text for caption in together}
    assert len(texts) > 1, "pictures must make a difference"
    with capsys.disabled():
        how = "a video" if model.chat.takes_video else "images"
        print(f"\n{family:18} {len(items)} of {len(items)} equal, {len(texts)} different, frames go in as {how}")


@pytest.mark.slow
def test_families_that_are_refused_are_none_of_those_that_work():
    assert not set(families.OWN_PROMPTS) & set(FAMILIES)
    assert len(tiny_families.FAMILIES) == 26
