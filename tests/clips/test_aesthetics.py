"""Aesthetic scores: LAION's heads on open_clip models are computed as their authors define them; the embedded score
ranks a picture above the same picture made worse."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import open_clip
import pytest
import torch
from clipmill.clips import aesthetics, embeddings
from clipmill.engine import weights
from PIL import Image
from score_aesthetic import ScoreAesthetic
from stored_clips import clips, photograph, run
from tiny_open_clip import WIDTH, tiny_clip
from torchvision.transforms import Compose

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
MLP = (WIDTH, 16, 8, 8, 4, 1)
HEADS = {
    "sac+logos+ava1-l14-linearMSE.pth": 768,
    "sa_0_4_vit_l_14_linear.pth": 768,
    "sa_0_4_vit_b_32_linear.pth": 512,
}


def plain(state: dict, vectors: np.ndarray) -> np.ndarray:
    """A head by matrices in double precision: its layers in order, with nothing between them."""
    names = sorted({name.rpartition(".")[0] for name in state})
    for name in names:
        dot = name and name + "."
        vectors = vectors @ state[f"{dot}weight"].double().numpy().T + state[f"{dot}bias"].double().numpy()
    return vectors[:, 0]


def unit_vectors(count: int, width: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """An MLP head for the tiny model, of the real head's form."""
    torch.manual_seed(1)
    numbers = (0, 2, 4, 6, 7)
    layers = {f"layers.{i}": torch.nn.Linear(a, b) for i, a, b in zip(numbers, MLP, MLP[1:], strict=False)}
    path = tmp_path_factory.mktemp("head") / "head.pth"
    torch.save({f"{name}.{part}": getattr(layer, part).data for name, layer in layers.items()
                for part in ("weight", "bias")}, path)  # fmt: skip
    return path


def settings(clip, head, **more):
    given = {"model": "tiny", "pretrained": str(clip), "head": str(head), "head_sha256": None}
    return given | {"frames": [0.1, 0.5, 0.9], "reduce": "mean", "batch": 4} | more


@pytest.mark.parametrize(("name", "width"), HEADS.items())
def test_each_real_head_gives_what_plain_matrices_give(shared, name, width):
    path = shared / "weights" / name
    vectors = unit_vectors(50, width)
    scores = aesthetics.load_head(path, width)(torch.from_numpy(vectors).float()).numpy()
    state = torch.load(path, map_location="cpu", weights_only=True)
    np.testing.assert_allclose(scores, plain(state, vectors), atol=1e-4)


def test_a_head_for_another_width_is_named_with_both_widths(shared):
    with pytest.raises(ValueError, match=r"score\.aesthetic\.head.*512.*score\.aesthetic\.model.*768"):
        aesthetics.load_head(shared / "weights" / "sa_0_4_vit_b_32_linear.pth", 768)


def test_a_file_that_is_no_head_is_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"score\.aesthetic\.head.*not an aesthetic head"):
        aesthetics.load_head(tmp_path / "other.pth", 3)


def test_a_head_that_carries_code_is_not_run(tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("this ran",)

    torch.save({"weight": Code(), "bias": Code()}, tmp_path / "code.pth")
    with pytest.raises(Exception, match="weights_only"):
        aesthetics.load_head(tmp_path / "code.pth", 3)


def test_scores_are_open_clips_embedding_and_the_head_and_nothing_else(clip, head):
    pictures = [photograph(name) for name in ("astronaut", "coffee", "rocket")]
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip}")
    with torch.no_grad():
        batch = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        vectors = model.eval().encode_image(batch)
        vectors = (vectors / vectors.norm(dim=1, keepdim=True)).double().numpy()
    expected = plain(torch.load(head, weights_only=True), vectors)
    scorer = aesthetics.OpenClipAesthetic(settings(clip, head))
    scores = scorer.scores([scorer.prepare(pictures)])[0]
    np.testing.assert_allclose(scores, expected, atol=2e-4)  # pixels may differ by one level
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(512, 910), (910, 512), (40, 30), (224, 224)])
def test_a_picture_is_made_small_as_open_clip_makes_it_small(mode, size):
    transform = open_clip.image_transform(224, is_train=False, resize_mode=mode)
    picture = cv2.resize(photograph("coffee"), size[::-1])
    made = embeddings.geometry(transform)(picture)
    truth = torch.from_numpy(np.array(Compose(transform.transforms[:-2])(Image.fromarray(picture)))).permute(2, 0, 1)
    apart = (made.int() - truth.int()).abs()
    assert made.is_contiguous()
    assert made.dtype == torch.uint8
    assert made.shape == (3, 224, 224)
    assert apart.max() <= 2
    assert apart.float().mean() < 0.25


def test_the_score_of_a_clip_is_the_mean_or_the_least_of_its_frames(clip, head, tmp_path):
    rows = clips(tmp_path)
    single = [run(ScoreAesthetic, settings(clip, head, frames=[part]), tmp_path, rows, 4) for part in (0, 0.5, 1)]
    for reduce, function in (("mean", np.mean), ("min", np.min)):
        made = run(ScoreAesthetic, settings(clip, head, frames=[0, 0.5, 1], reduce=reduce), tmp_path, rows, 4)
        for index, values in enumerate(made):
            expected = function([float(some[index]["aes"]) for some in single])
            assert float(values["aes"]) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("model", ["tiny", "photometric"])
def test_scores_are_the_same_for_any_batch(clip, head, tmp_path, model):
    rows = clips(tmp_path)
    by_batch = [run(ScoreAesthetic, settings(clip, head, model=model), tmp_path, rows, batch) for batch in (1, 4, 16)]
    assert by_batch[0] == by_batch[1] == by_batch[2]
    assert len({values["aes"] for values in by_batch[0]}) > 3


def test_three_ranks_give_the_table_of_one_process(clip, head, tmp_path):
    rows = clips(tmp_path)
    with open(tmp_path / "shard.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    given = {"table": tmp_path / "shard.csv", "out": tmp_path / "work" / "aes" / "shard.csv", "memo": tmp_path / "memo"}
    given |= {"results": tmp_path, "videos": tmp_path, "store": tmp_path}
    given |= {"settings": json.dumps(settings(clip, head, batch=1))}
    options = [str(text) for name, value in given.items() for text in (f"--{name}", value)]
    launch = [sys.executable, SCRIPTS / "launch.py", "--ranks", "3", "--threads", "3", SCRIPTS / "score_aesthetic.py"]
    subprocess.run([*launch, *options], check=True)
    with open(given["out"], newline="") as file:
        scored = [{"aes": row["aes"]} for row in csv.DictReader(file)]
    assert scored == run(ScoreAesthetic, settings(clip, head), tmp_path, rows, 4)


@pytest.mark.parametrize("gone", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_missing_file_of_the_model_is_named_with_its_key(tmp_path, head, gone):
    folder = tiny_clip(tmp_path / "clip")
    (folder / gone).unlink()
    with pytest.raises(weights.ModelMissing, match=rf"score\.aesthetic\.pretrained.*{gone}"):
        aesthetics.OpenClipAesthetic(settings(folder, head))


def test_a_missing_head_is_named_with_its_key(clip, tmp_path):
    with pytest.raises(weights.ModelMissing, match=r"score\.aesthetic\.head.*none\.pth"):
        aesthetics.OpenClipAesthetic(settings(clip, tmp_path / "none.pth"))


WORSE = {
    "blurred": lambda picture: cv2.GaussianBlur(picture, (0, 0), 3),
    "dark": lambda picture: (picture * 0.3).astype(np.uint8),
    "flat": lambda picture: (picture * 0.3 + 90).astype(np.uint8),
    "burnt": lambda picture: np.clip(picture * 2.0 + 100, 0, 255).astype(np.uint8),
    "grey": lambda picture: cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
}


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize("fault", WORSE)
def test_the_embedded_score_falls_when_a_picture_is_made_worse(name, fault):
    picture, scorer = photograph(name), aesthetics.Photometric()
    assert scorer.score(WORSE[fault](picture)) < scorer.score(picture) - 0.3


@pytest.mark.parametrize("value", [0, 128, 255])
def test_the_embedded_score_stays_between_1_and_10_for_a_blank_picture(value):
    assert 1 <= aesthetics.Photometric().score(np.full((90, 160, 3), value, np.uint8)) < 4


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (2, 4000), (9000, 3), (1, 1)])
def test_a_picture_as_thin_as_a_line_has_a_score(size):
    assert 1 <= aesthetics.Photometric().score(np.full((*size, 3), 90, np.uint8)) <= 10


def test_the_embedded_score_does_not_depend_on_the_size_of_a_large_picture():
    picture = cv2.resize(photograph("coffee"), (1600, 1067), interpolation=cv2.INTER_AREA)
    large = cv2.resize(picture, (3200, 2134), interpolation=cv2.INTER_CUBIC)
    scorer = aesthetics.Photometric()
    assert scorer.score(large) == pytest.approx(scorer.score(picture), abs=0.3)


def test_colourfulness_is_zero_for_grey_and_follows_its_definition():
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, 4:, 0] = 200
    # Hasler and Suesstrunk by hand: rg is 0 or 200, yb is 0 or 100, half each.
    assert aesthetics.colourfulness(red) == pytest.approx(np.hypot(100, 50) + 0.3 * np.hypot(100, 50), rel=1e-5)
    assert aesthetics.colourfulness(np.full((8, 8, 3), 77, np.uint8)) == 0
