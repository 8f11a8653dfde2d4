"""With `frames.decode: gpu` the pictures of a store go undecoded to the device: here the CPU, by the same code."""

import cv2
import numpy as np
import open_clip
import pytest
import torch
from clipmill.clips import embeddings
from clipmill.clips.decoding import Stored
from clipmill.engine.feeding import Feeder
from clipmill.videos import frames
from score_aesthetic import ScoreAesthetic
from stored_clips import clips, photograph, run
from tiny_open_clip import WIDTH, tiny_clip

ON_GPU = {"frames_from": {"source": "store", "decode": "gpu"}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    torch.save({"weight": torch.randn(1, WIDTH), "bias": torch.zeros(1)}, folder / "head.pth")
    given = {"model": "tiny", "pretrained": str(tiny_clip(folder / "clip")), "head": str(folder / "head.pth")}
    return given | {"head_sha256": None, "frames": [0.1, 0.5, 0.9], "reduce": "mean", "batch": 4}


def jpeg(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(frames.encode(picture[..., ::-1], 90), np.uint8).copy())


def image_size(item: torch.Tensor) -> tuple[int, ...]:
    return cv2.imdecode(item.numpy(), cv2.IMREAD_COLOR).shape[:2]


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_pixels_are_those_of_the_cpus_way_within_two_levels_and_eight_where_enlarged(mode):
    """The CPU's way rounds and clips between the two directions; floats do not."""
    transform = open_clip.image_transform(224, is_train=False, resize_mode=mode)
    made = Stored(None, 6, "cpu", embeddings.sizing(transform))
    made.rows = 6
    sizes = [(910, 512), (910, 512), (512, 910), (300, 200), (300, 200)]
    items = [jpeg(cv2.resize(photograph("coffee"), size)) for size in sizes]
    with torch.inference_mode():
        found = made.made(items)
    assert found.shape == (6, 3, 224, 224)
    assert found.dtype == torch.uint8
    assert not found[5].any()
    fit = embeddings.geometry(transform)
    for item, picture in zip(items, found, strict=False):
        truth = fit(cv2.imdecode(item.numpy(), cv2.IMREAD_COLOR_RGB))
        apart = (picture.int() - truth.int()).abs()
        assert apart.max() <= (2 if min(image_size(item)) > 224 else 8)
        assert apart.float().mean() < 0.25


def test_no_worker_decodes_and_scores_are_those_of_the_cpus_way_for_any_batch(settings, tmp_path, monkeypatch):
    rows = clips(tmp_path)
    plain = run(ScoreAesthetic, settings, tmp_path, rows, 4)

    def refuse(data):
        raise AssertionError("a picture is decoded by a worker")

    monkeypatch.setattr(frames, "_decoded", refuse)
    by_batch = [run(ScoreAesthetic, settings | ON_GPU, tmp_path, rows, batch) for batch in (1, 4, 16)]
    assert by_batch[0] == by_batch[1] == by_batch[2]
    scores, others = ([float(values["aes"]) for values in made] for made in (plain, by_batch[0]))
    assert np.ptp(scores) > 0.1
    assert np.abs(np.subtract(scores, others)).max() < 0.02 * np.ptp(scores)


def test_a_clip_with_a_box_is_cropped_by_a_worker(settings, tmp_path):
    rows = [row | {"crop": "0 0 160 90 of 320 180"} for row in clips(tmp_path) if int(row["id"][:16], 16) % 3]
    assert run(ScoreAesthetic, settings | ON_GPU, tmp_path, rows, 4) == run(ScoreAesthetic, settings, tmp_path, rows, 4)


def test_a_model_that_torch_cannot_size_pictures_for_gets_them_from_the_cpu(settings, tmp_path, capsys):
    folder = tiny_clip(tmp_path / "clip")
    config = folder / "open_clip_config.json"
    config.write_text(config.read_text().replace('"mean"', '"resize_mode": "longest", "mean"'))
    mine, rows = settings | {"pretrained": str(folder)}, clips(tmp_path, 3)
    assert run(ScoreAesthetic, mine | ON_GPU, tmp_path, rows, 4) == run(ScoreAesthetic, mine, tmp_path, rows, 4)
    assert "`score.aesthetic`: frames are decoded on the CPU" in capsys.readouterr().err


def test_a_picture_that_cannot_be_decoded_is_one_clips_fault(settings):
    clip = embeddings.OpenClip(settings | ON_GPU, "key", rows=8)
    clip.images.rows = 8
    good = frames.Shot(0.0, jpeg(photograph("coffee")).numpy().tobytes())
    bad = frames.Shot(0.0, b"\xff\xd8 this is no picture")
    feeder = Feeder()
    found = [made for n in range(7) for made in feeder.add(n, clip.asked([bad if n == 3 else good]))]
    found += feeder.finish()
    assert {made.owner for made in found if made.error} == {3}
    assert len(found) == 7
    assert len({tuple(made.answers[0].tolist()) for made in found if not made.error}) == 1
