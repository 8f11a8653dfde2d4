"""What only a GPU can show of scorers: nothing waits for it, no buffer is used again too early, its own JPEG decoder.

None has run on a GPU yet: they were written where there was none.
"""

import cv2
import numpy as np
import open_clip
import pytest
import torch
from clipmill.clips import embeddings, flow, ocr
from clipmill.clips.decoding import Stored
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked, Feeder
from clipmill.videos import frames
from stored_clips import photograph
from tiny_open_clip import tiny_clip
from torchvision.models import optical_flow

pytestmark = pytest.mark.gpu
GPU = "cuda:0"


@pytest.fixture(autouse=True)
def _a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU, and this machine has none that torch can use")


@pytest.fixture
def raft(tmp_path):
    torch.manual_seed(0)
    torch.save(optical_flow.raft_small().state_dict(), tmp_path / "raft.pth")
    return {"model": "raft_small", "weights": str(tmp_path / "raft.pth"), "batch": 2}


def pictures(count: int, size=(320, 192)) -> list[np.ndarray]:
    names = ("coffee", "astronaut", "chelsea", "rocket")
    return [np.roll(cv2.resize(photograph(names[n % 4]), size), 3 * n, axis=1) for n in range(count)]


def test_every_item_gets_its_own_answer_while_buffers_are_used_again():
    """A network that is slow in the device's own time: copies run ahead of it."""
    side = torch.randn(2048, 2048, device=GPU)

    def slow(batch):
        for _ in range(20):
            side @ side
        return batch.float().mean(dim=(1, 2))

    network, feeder, found = Batches(slow, 16, GPU), Feeder(), []
    for number in range(1000):
        tensor = torch.full((256, 256), number % 251, dtype=torch.uint8)
        found += feeder.add(number, Asked([(network, tensor)] * 2).pinned())
    found += feeder.finish()
    assert sorted(clip.owner for clip in found) == list(range(1000))
    assert all(float(answer) == clip.owner % 251 for clip in found for answer in clip.answers)


def queued(network: Batches, tensors: list) -> None:
    """Begin two batches; the second one with an error where anything waits for the first."""
    tensors = [network.pinned(tensor) for tensor in tensors]
    network.start(tensors).result()
    first = network.start(tensors)
    torch.cuda.set_sync_debug_mode("error")
    try:
        second = network.start(tensors)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(first.result(), second.result())


def test_no_scorer_waits_for_the_batch_before(raft, tmp_path):
    clip = embeddings.OpenClip({"model": "tiny", "pretrained": str(tiny_clip(tmp_path / "clip"))}, "key", GPU, 8)
    queued(clip.images, [clip.prepare(picture) for picture in pictures(8)])
    queued(clip.texts, [clip.tokens(text) for text in ("a dog", "two dogs")])
    detector = ocr.EasyOcr({"canvas": 640, "batch": 4}, GPU)
    queued(detector.batches, [tensor for _, tensor in detector.prepare(pictures(4)).inputs])
    for apart in (False, True):
        network = flow.Raft(raft | {"apart": apart}, GPU)
        queued(network.batches, [pair for _, pair in network.prepare(pictures(8)).inputs])


def test_raft_says_on_a_gpu_what_it_says_on_a_cpu(raft):
    shown = [flow.fit(picture) for picture in pictures(6)]
    on_gpu, on_cpu = (
        network.scores([network.prepare(shown), network.prepare(shown[:2])])
        for network in (flow.Raft(raft, GPU), flow.Raft(raft))
    )
    for ours, truth in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(ours, truth, rtol=0.02)


def test_pictures_decoded_on_a_gpu_are_those_of_the_cpu_within_some_levels():
    """nvJPEG may enlarge colours in another way than libjpeg; over many batches, so that memory is used again."""
    transform = open_clip.image_transform(224, is_train=False)
    fit, parts = embeddings.geometry(transform), embeddings.sizing(transform)
    jpegs = [frames.encode(p[..., ::-1], 90) for size in ((910, 512), (512, 910)) for p in pictures(40, size)]
    network = Stored(lambda batch: batch.flatten(1), 16, GPU, parts)
    items = [torch.from_numpy(np.frombuffer(jpeg, np.uint8).copy()) for jpeg in jpegs]
    found = torch.cat([network(items[first:] + items[:first])[: len(items)] for first in (0, 7)])
    truth = [fit(frames.Shot(0.0, jpeg).image).flatten().float() for jpeg in jpegs]
    for order, start in ((found[: len(items)], 0), (found[len(items) :], 7)):
        for number, picture in enumerate(order):
            apart = (picture - truth[(number + start) % len(items)]).abs()
            assert apart.mean() < 2
            assert apart.quantile(0.99) < 12
