"""Captions come from real model classes, and do not depend on batches or ranks."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from caption_clips import CaptionClips
from captioning import SENTENCE, SERVER, SETTINGS, complete, outcomes, pictures_of, requests, said
from clipmill.captions import pictures
from clipmill.captions.asking import origin
from clipmill.captions.generation import rows_for
from clipmill.captions.sampling import GREEDY
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.engine.compute import Compute
from clipmill.engine.ranks import Ranks

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


def folder_with(folder, target, **generation):
    """A copy of a model's folder that says this about generation."""
    shutil.copytree(folder, target)
    file = target / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | generation))
    return target


def test_what_a_folder_says_about_generation_is_set_aside_and_said(folders, tmp_path, capsys):
    folder = folder_with(folders["llava_next"], tmp_path / "m", repetition_penalty=1.5, do_sample=True, top_k=3)
    items = requests(4)
    plain, other = captioner(folders["llava_next"]), captioner(folder)
    assert "repetition_penalty: 1.5" in capsys.readouterr().err
    asked_for = captioner(folders["llava_next"], sampling={**GREEDY, "repetition_penalty": 1.5})
    texts = [[said.text for said in m.caption([m.prepare(item) for item in items])] for m in (plain, other, asked_for)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", ["llava_next", "qwen25vl"])
def test_what_is_drawn_for_a_clip_depends_on_its_seed_and_not_on_its_batch(folders, name):
    drawn = {"temperature": 1.0, "top_p": 0.9, "top_k": 50, "presence_penalty": 0.5, "min_tokens": 4}
    items = requests(6)

    def texts(seed, groups):
        model = captioner(folders[name], sampling={**GREEDY, **drawn, "seed": seed})
        prepared = [model.prepare(item) for item in items]
        return {n: c.text for group in groups for n, c in _caption(model, prepared, group)}

    together, alone = texts(1, [range(6)]), texts(1, [[n] for n in (5, 3, 1, 4, 2, 0)])
    assert together == alone
    assert together != texts(2, [range(6)])


def test_tokens_model_and_end_are_told_with_each_caption(folders):
    model = captioner(folders["qwen25vl"])
    item = requests(1)[0]
    said = model.caption([model.prepare(item)])[0]
    assert said.prompt_tokens == model.chat.tensors(item)["input_ids"].shape[1]
    assert said.output_tokens == SETTINGS["max_tokens"]
    assert said.finish == "length"
    assert said.model == f"{folders['qwen25vl']}@main"


def test_a_system_turn_and_arguments_reach_the_chat_template(folders):
    model = captioner(folders["llava_next"], system="You are terse.", chat_template_kwargs={"mood": "calm"})
    processor = model.chat.processor
    processor.chat_template = "{{ mood }} " + processor.chat_template
    shown = processor.tokenizer.decode(model.chat.tensors(requests(1)[0])["input_ids"][0])
    assert "calm" in shown
    assert shown.index("system: You are terse.") < shown.index("user:")
    processor.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + (
        processor.chat_template
    )
    shown = processor.tokenizer.decode(model.chat.tensors(requests(1)[0])["input_ids"][0])
    assert shown.index("user:") < shown.index("You are terse.") < shown.index("Describe this picture")


def test_a_frame_has_at_most_max_pixels(folders):
    item = requests(1)[0]
    height, width = item.shots[0].image.shape[:2]
    few, all_of_them = captioner(folders["qwen25vl"], max_pixels=2000), captioner(folders["qwen25vl"])
    assert few.prepare(item).inputs["image_grid_thw"].prod() < all_of_them.prepare(item).inputs["image_grid_thw"].prod()
    small = pictures.image(item.shots[0], 2000)
    assert small.shape[0] * small.shape[1] <= 2000
    assert small.shape[1] / small.shape[0] == pytest.approx(width / height, rel=0.05)
    assert pictures.image(item.shots[0], None).shape == (height, width, 3)


def test_a_mixed_corpus_computes_few_rows_that_nobody_asked_for():
    """The reference's mix: 60 % 16:9, 18 % portrait, the rest 4:3, square and 2.35; 1-12 clips of a video."""
    rng = random.Random(7)
    shapes = [(1080, 1920), (1920, 1080), (480, 640), (1080, 1080), (817, 1920)]
    rows = []
    while len(rows) < 1000:
        height, width = rng.choices(shapes, [60, 18, 8, 7, 7])[0]
        for _ in range(rng.randint(1, 12)):
            clip = {"start": "0", "end": f"{rng.uniform(1, 30):.3f}", "num_frames": "90", "id": str(len(rows))}
            rows.append(clip | {"height": str(height), "width": str(width)})
    for batch in (8, 16, 32):
        step = CaptionClips(
            complete({"model": "a model", "batch": batch, "frames": [0.5]}), *map(Path, "abc"), "cuda:0"
        )
        batches = step.batches(rows)
        assert sorted(row["id"] for each in batches for row in each) == sorted(row["id"] for row in rows)
        computed = 0
        for each in batches:
            groups = Counter((row["height"], row["width"]) for row in each)
            computed += sum(rows_for(count, batch, "cuda:0") for count in groups.values())
        assert computed / len(rows) <= 1.1


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
    step = CaptionClips(complete({}), *map(Path, "abc"))
    held = {"origin": origin(whole, model), "fault": "", "text": "a dog"}
    assert step.counts([held, held | {"origin": "{}"}])["halved"] == 1, "the job's account says how many"


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
    pictures = [len(pictures_of(request)) for request in scripted.requests]
    assert sorted(pictures) == [1, 3, 3, 3, 3]


def test_batches_side_by_side_take_turns_at_the_model_and_say_what_each_says_alone(folders, store):
    """Through a job's own loop, with answers that are refused and asked for once more."""
    rows, places = store
    checks = {"language": None, "loop": True, "cut_off": True, "refusal": False}
    step = CaptionClips(complete({"model": str(folders["llava_next"]), "batch": 1, "checks": checks}), *places)
    assert step.lanes == 2
    step.load()
    alone = {row["id"]: step.compute([row], [step.prepare(row)])[0] for row in rows}
    generator, at_once = step.captioner.generator, []
    generate = generator.model.generate

    def watched(**given):
        at_once.append(generator.turn.locked())
        return generate(**given)

    generator.model.generate, step.load, kept = watched, lambda: None, {}
    args = SimpleNamespace(threads=2, item_minutes=5, max_error_share=0)
    progress = SimpleNamespace(start=lambda: None, add=lambda count: None)

    def keep(row, values):
        kept[row["id"]] = values | step.stamp(row)

    Compute(step, step.name, args, Ranks(), len(rows), keep).run(rows, progress, lambda: None)
    assert kept.keys() == alone.keys()
    assert len(at_once) >= 2 * len(rows), "each answer is cut off, and asked for again"
    assert all(at_once)
    for name, values in kept.items():
        assert values["detail"] == alone[name].detail
        assert json.loads(values["origin"])["requests"] == 2


def test_a_missing_model_is_an_error_that_names_folder_key_and_command(store, tmp_path):
    for model, parts in (
        (str(tmp_path / "no-such-model"), ("no-such-model", "caption.model")),
        ("some-lab/no-such-model", ("some-lab/no-such-model@main", "caption.model", "fetch_models")),
    ):
        with pytest.raises(OSError, match="missing") as error:
            outcomes(store, model=model)
        assert all(part in str(error.value) for part in parts)
