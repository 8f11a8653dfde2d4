"""Optical flow is true: within 5 % on known motions of 1 to 40 px, for any orientation, size and frame rate."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from clipmill.clips import flow
from clipmill.engine.weights import ModelMissing
from clipmill.videos import frames
from score_flow import ScoreFlow
from stored_clips import clips, photograph, run
from torchvision.models import optical_flow

MIDDLE = ((flow.WIDTH - 1) / 2, (flow.HEIGHT - 1) / 2)
PICTURES = ["astronaut", "chelsea", "coffee", "camera", "rocket", "brick", "grass", "gravel"]


def motion(x: float = 0, y: float = 0, zoom: float = 1, degrees: float = 0) -> np.ndarray:
    """A motion of the picture, 2x3."""
    matrix = cv2.getRotationMatrix2D(MIDDLE, degrees, zoom)
    matrix[:, 2] += x, y
    return matrix


MOTIONS = {
    "1 px": motion(x=1),
    "3 px down": motion(y=3),
    "8 px aslant": motion(x=-6, y=5.3),
    "15 px": motion(x=15),
    "25 px up": motion(y=-25),
    "40 px": motion(x=40),
    "40 px aslant": motion(x=-32, y=24),
    "zoom in slowly": motion(zoom=1.02),
    "zoom in": motion(zoom=1.1),
    "zoom out": motion(zoom=0.9),
    "turn slowly": motion(degrees=1),
    "turn": motion(degrees=-8),
}


def shown(name: str, move: np.ndarray | None = None) -> np.ndarray:
    """The middle of a photograph, 320x576; with `move`, as it is seen after that motion."""
    picture = photograph(name)
    height, width = picture.shape[:2]
    scale = 1.35 * max(flow.HEIGHT / height, flow.WIDTH / width)
    corner = np.array([(width * scale - flow.WIDTH) / 2, (height * scale - flow.HEIGHT) / 2])
    centred = np.array([[scale, 0, -corner[0]], [0, scale, -corner[1]], [0, 0, 1]])
    matrix = (motion() if move is None else move) @ centred
    return cv2.warpAffine(picture, matrix, (flow.WIDTH, flow.HEIGHT), borderMode=cv2.BORDER_REFLECT)


def true_length(move: np.ndarray) -> float:
    """Mean length of a motion over the picture, px."""
    y, x = np.mgrid[: flow.HEIGHT, : flow.WIDTH]
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    return float(np.linalg.norm(points @ move.T - points[..., :2], axis=2).mean())


def dis_lengths(frames: list) -> list[float]:
    """Mean flow lengths of consecutive frames, by DIS."""
    return flow.Dis().prepare(frames).rest


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("move", MOTIONS)
def test_dis_is_within_5_percent_of_a_known_motion(name, move):
    length = dis_lengths([shown(name), shown(name, MOTIONS[move])])[0]
    assert length == pytest.approx(true_length(MOTIONS[move]), rel=0.05)


def test_a_still_picture_has_no_flow():
    assert max(dis_lengths([shown("coffee")] * 3)) < 0.02


def test_an_object_that_moves_in_front_of_a_still_camera_counts_by_its_area():
    scene, thing = shown("coffee"), cv2.resize(photograph("astronaut"), (160, 160))
    first, second = scene.copy(), scene.copy()
    first[80:240, 150:310], second[80:240, 162:322] = thing, thing
    truth = 12 * 160 * 160 / (flow.HEIGHT * flow.WIDTH)
    assert dis_lengths([first, second])[0] == pytest.approx(truth, rel=0.2)


def test_noise_without_motion_or_likeness_is_not_taken_for_the_cameras_motion():
    pictures = [np.random.default_rng(seed).integers(0, 255, (320, 576, 3), dtype=np.uint8) for seed in (1, 2)]
    assert np.isfinite(dis_lengths(pictures)).all()
    assert np.isfinite(dis_lengths([np.zeros((320, 576, 3), np.uint8)] * 2)).all()


def test_a_portrait_video_counts_as_the_same_video_on_its_side():
    pair = [shown("coffee"), shown("coffee", MOTIONS["8 px aslant"])]
    upright = [np.ascontiguousarray(picture.transpose(1, 0, 2)) for picture in pair]
    assert upright[0].shape == (flow.WIDTH, flow.HEIGHT, 3)
    lengths = [dis_lengths([flow.fit(picture) for picture in some])[0] for some in (pair, upright)]
    assert lengths[0] == lengths[1]


def test_the_unit_does_not_depend_on_the_size_of_the_video():
    pair = [shown("rocket"), shown("rocket", MOTIONS["15 px"])]
    larger = [cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_CUBIC) for picture in pair]
    assert dis_lengths([flow.fit(picture) for picture in larger])[0] == pytest.approx(15, rel=0.05)


def stored(folder, times, offsets, picture="coffee"):
    """A row of a clip whose stored frames show `picture` moved by `offsets` (px to the right) at `times` (s)."""
    row = {"id": "a" * 16 + "-00000000", "video_id": "a" * 16, "relpath": "a.mp4", "start_frame": "0"}
    row |= {"end_frame": "9999", "num_frames": "9999", "start": "0", "end": str(times[-1] + 0.04)}
    pictures = {
        round(100 * seconds): (seconds, frames.encode(shown(picture, motion(x=x))[..., ::-1], 95))
        for seconds, x in zip(times, offsets, strict=True)
    }
    frames.write(frames.Store(folder, folder).path(row["video_id"]), pictures)
    return row


SETTINGS = {"model": "dis", "weights": None, "seconds": 0.5}


def scored(folder, row, **more):
    return float(run(ScoreFlow, SETTINGS | more, folder, [row], 1)[0]["flow"])


@pytest.mark.parametrize(
    "times",
    [[0, 0.5, 1.0], [0, 0.6, 1.0, 1.7], [0, 0.48, 1.02, 1.5, 1.54], [0, 0.1], [0, 2.0, 4.0]],
    ids=["even", "uneven", "short last pair", "short clip", "sparse store"],
)
def test_flow_is_motion_per_half_second_of_true_time(tmp_path, times):
    speed = 16 if times[-1] < 3 else 8
    row = stored(tmp_path, times, [speed * seconds for seconds in times])
    assert scored(tmp_path, row) == pytest.approx(speed / 2, rel=0.06)


def test_flow_is_that_of_the_whole_clip_and_not_of_its_beginning(tmp_path):
    times = np.arange(0, 12, 0.5)
    row = stored(tmp_path, times, np.maximum(0, times - 8) * 20)
    assert scored(tmp_path, row) == pytest.approx(10 * 3.5 / 11.5, rel=0.06)


def test_another_pair_distance_changes_the_unit_with_it(tmp_path):
    times = np.arange(0, 4, 0.5)
    row = stored(tmp_path, times, times * 10)
    assert scored(tmp_path, row, seconds=1.0) == pytest.approx(10, rel=0.06)


def test_a_still_image_has_no_flow_and_is_no_fault(tmp_path):
    row = stored(tmp_path, [0.0], [0]) | {"end_frame": "1", "num_frames": "1", "end": "0"}
    assert run(ScoreFlow, SETTINGS, tmp_path, [row], 1) == [{"flow": ""}]


@pytest.fixture(scope="module")
def raft(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft_small.pth"
    torch.save(optical_flow.raft_small().state_dict(), path)
    return path


def test_raft_is_torchvisions_on_frames_of_320x576_scaled_to_1(raft):
    pair = [shown("coffee"), shown("coffee", MOTIONS["15 px"])]
    model = optical_flow.raft_small().eval()
    model.load_state_dict(torch.load(raft, weights_only=True))
    first, second = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 * 2 - 1 for picture in pair)
    with torch.no_grad():
        x, y = model(first, second)[-1][0].numpy()
    network = flow.Raft({"model": "raft_small", "weights": str(raft), "batch": 1})
    assert network.scores([network.prepare(pair)])[0][0] == pytest.approx(np.sqrt(x**2 + y**2).mean(), rel=1e-3)


def test_raft_scores_are_the_same_for_any_batch(raft, tmp_path):
    rows = clips(tmp_path, 2)
    settings = {"model": "raft_small", "weights": str(raft), "seconds": 0.5}
    by_batch = [run(ScoreFlow, settings, tmp_path, rows, batch) for batch in (1, 16)]
    assert by_batch[0] == by_batch[1]
    assert all(float(values["flow"]) > 0 for values in by_batch[0])


@pytest.fixture
def several(raft):
    """RAFT in batches of eight pairs, as on a GPU, and how many frames it encodes."""
    network = flow.Raft({"model": "raft_small", "weights": str(raft), "batch": 1})
    network.batches.rows = 8
    encoded = []
    network.model.parts.feature_encoder.register_forward_hook(lambda _, given, out: encoded.append(len(out)))
    return network, encoded


def test_raft_encodes_a_frame_that_two_pairs_share_once_and_says_what_torchvision_says(several):
    network, encoded = several
    rng = np.random.default_rng(0)
    many = [[rng.integers(0, 256, (128, 136, 3), np.uint8) for _ in range(count)] for count in (5, 2, 1, 3)]
    asked = [network.prepare(frames) for frames in many]
    found = network.scores(asked)
    assert [len(each) for each in found] == [4, 1, 0, 2]
    assert encoded == [10], "five, two and three frames; by pairs it would be fourteen"
    model = network.model.parts
    for clip, lengths in zip(many, found, strict=True):
        pictures = torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2).float() / 127.5 - 1
        for first, second, length in zip(pictures, pictures[1:], lengths, strict=False):
            with torch.inference_mode():
                truth = model(first[None], second[None])[-1].norm(dim=1).mean()
            assert float(length) == pytest.approx(float(truth), rel=1e-4)


def test_raft_alone_gives_torchvisions_very_bits(raft, one_thread):
    network = flow.Raft({"model": "raft_small", "weights": str(raft), "batch": 1})
    frames = np.random.default_rng(0).integers(0, 256, (2, 128, 136, 3), np.uint8)
    pair = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        truth = network.model.parts(pair[:1], pair[1:])[-1]
        assert torch.equal(network.model(torch.tensor([0]), torch.tensor([1]), pair), truth)


@pytest.mark.skipif(find_spec("ptlflow") is not None, reason="ptlflow is installed")
def test_unimatch_without_its_library_names_the_package(tmp_path):
    (tmp_path / "weights.ckpt").touch()
    with pytest.raises(ImportError, match=r"score\.flow\.model: unimatch needs the package ptlflow"):
        flow.UniMatch({"model": "unimatch", "weights": str(tmp_path / "weights.ckpt"), "batch": 1})


def test_missing_weights_are_named_with_their_key_and_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPMILL_MODELS", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"score\.flow\.weights.*raft_large.*\.pth.*snakemake fetch_models"):
        flow.Raft({"model": "raft_large", "weights": None, "batch": 1})
