"""A network is queued on its device without a look at what is there: a look waits for the batch before.

Shown on torch's `meta` device, which computes nothing, and so has nothing to look at.
"""

import pytest
import torch
from clipmill.clips import flow, ocr
from clipmill.clips.classifiers import Classifier
from clipmill.clips.embeddings import OpenClip
from clipmill.engine.batches import Batches
from clipmill.videos import detectors
from tiny_classifier import tiny_classifier
from tiny_open_clip import CONTEXT, IMAGE, tiny_clip
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models import optical_flow
from torchvision.transforms.functional import normalize


class Queued(TorchDispatchMode):
    """Fails where the host looks at a number on the device, or copies from its ordinary memory to it."""

    def __torch_dispatch__(self, function, types, given=(), named=None):
        out = function(*given, **(named or {}))
        name = function.overloadpacket.__name__
        devices = {value.device.type for value in (*given, out) if isinstance(value, torch.Tensor) and value.ndim}
        made = name == "lift_fresh" and "meta" in devices  # of a list, as an index is
        assert not made, "numbers from the host's memory"
        assert not (name in ("_to_copy", "copy_") and len(devices) > 1), "a copy from the host's memory"
        return out


def queue(run, *shapes: tuple[tuple, torch.dtype], first=()) -> None:
    with torch.no_grad(), Queued():
        out = run(*first, *(torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in shapes))
    assert out.device.type == "meta"


def moved(module: torch.nn.Module, *scales) -> None:
    module.to("meta")
    for scale in scales:
        scale.mean, scale.deviation = scale.mean.to("meta"), scale.deviation.to("meta")


def test_the_towers_of_open_clip(tmp_path):
    clip = OpenClip({"model": "tiny", "pretrained": str(tiny_clip(tmp_path / "clip"))}, "key")
    moved(clip.model, clip.normalized)
    queue(clip.images.run, ((4, 3, IMAGE, IMAGE), torch.uint8))
    queue(clip.texts.run, ((4, CONTEXT), torch.int64))


def test_the_text_detector():
    detector = ocr.EasyOcr({"canvas": 640, "batch": 2})
    moved(detector.network, detector.normalized)
    queue(detector.batches.run, ((2, 3, 64, 96), torch.uint8))


def test_a_classifier(tmp_path):
    entry = {"model": str(tiny_classifier(tmp_path / "marked")), "name": "marked", "label": "watermark"}
    classifier = Classifier(entry | {"reduce": "max", "frames": [0.5]})
    classifier.model.to("meta")
    classifier.numbers = classifier.numbers.to("meta")
    pixels = classifier.prepare([torch.zeros(40, 50, 3, dtype=torch.uint8).numpy()]).inputs[0][1]
    queue(classifier.batches.run, ((2, *pixels.shape), pixels.dtype))


@pytest.mark.parametrize("apart", [False, True])
def test_raft(tmp_path, apart):
    torch.save(optical_flow.raft_small().state_dict(), tmp_path / "raft.pth")
    network = flow.Raft({"model": "raft_small", "weights": str(tmp_path / "raft.pth"), "batch": 1, "apart": apart})
    network.model.to("meta")
    # transformers, which no job of flow loads, leaves torch with a list that lacks `linspace`.
    torch.utils._device._device_constructors.cache_clear()
    pairs = torch.tensor([0, 1]), torch.tensor([1, 2])
    queue(network.batches.run, ((3, 128, 128, 3), torch.uint8), first=pairs)


def test_transnetv2(monkeypatch):
    shared = detectors._loaded_transnetv2.__wrapped__("cpu")
    network = next(cell.cell_contents for cell in shared.network.run.__closure__)
    network.to("meta")
    queue(shared.network.run, ((1, 100, 27, 48, 3), torch.uint8))


def test_what_waits_is_seen():
    """torchvision's own `normalize` looks at its numbers on the device."""
    waits = Batches(lambda batch: normalize(batch.float(), [0.5] * 3, [0.5] * 3), 4, "cpu")
    with pytest.raises((RuntimeError, AssertionError, NotImplementedError)):
        queue(waits.run, ((4, 3, 8, 8), torch.uint8))
    with pytest.raises(AssertionError, match="host's memory"):
        queue(lambda batch: batch[:, [0, 2]], ((4, 3), torch.float32))
    with pytest.raises(AssertionError, match="host's memory"):
        queue(lambda batch: batch + torch.ones(3).to(batch.device), ((4, 3), torch.float32))
