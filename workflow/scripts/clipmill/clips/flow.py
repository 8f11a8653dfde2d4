"""Optical flow: the mean length of motion in pixels at 320x576, whatever the size and orientation of the video.

The unit is that of the reference (Open-Sora): frames resized to 320 (height) x 576 (width), portrait ones transposed
first, pairs half a second apart. Unlike there, the pairs span the whole clip and are spaced by time, not by frames.
"""

from collections.abc import Sequence

import numpy as np

from clipmill.clips import foreground
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked, Model

HEIGHT, WIDTH = 320, 576


def fit(frame: np.ndarray) -> np.ndarray:
    """A frame (HxWx3 uint8) at 320x576, transposed first if it is taller than wide."""
    import cv2

    if frame.shape[0] > frame.shape[1]:
        frame = np.ascontiguousarray(frame.transpose(1, 0, 2))
    smaller = frame.shape[1] > WIDTH
    return cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def mean_motion(paths: Sequence[float], times: np.ndarray, seconds: float) -> float:
    """The clip's motion in pixels per `seconds`: path length over true time.

    `paths`: mean flow lengths between consecutive frames; `times`: the frames' presentation times, one more. A pair
    counts by the time it spans, so a short last pair neither dilutes nor exaggerates.
    """
    return float(np.sum(paths) / (times[-1] - times[0]) * seconds)


def lengths(flow: np.ndarray, grey: np.ndarray, apart: bool) -> float | tuple[float, float, float]:
    """Mean length of a flow field (HxWx2), pixels; with `apart`, those of the camera's part and of the rest besides."""
    length = float(np.linalg.norm(flow, axis=2).mean())
    return (length, *foreground.apart(flow, grey)) if apart else length


class Dis(Model):
    """OpenCV's Dense Inverse Search (Kroeger et al., ECCV 2016) after the camera's motion is removed.

    Alone it loses motions over about 25 px on fine texture. So the similarity that best explains matched ORB features
    (RANSAC) is applied first, where it brings the frames nearer, and the search finds the rest. The preset is OpenCV's
    medium one, stopped at a quarter of the size: with the camera's motion gone, it is as exact and three times faster.
    """

    FEATURES, RATIO, INLIERS = 600, 0.8, 12

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """`settings`: apart (see `lengths`). It needs no device."""
        self.apart = bool(settings and settings.get("apart"))

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """The `lengths` of consecutive frames (from `fit`). All the work is done here. Safe in threads."""
        import cv2

        greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(2)
        orb = cv2.ORB_create(self.FEATURES, fastThreshold=5)
        found = [orb.detectAndCompute(grey, None) for grey in greys]
        pairs = range(len(greys) - 1)
        return Asked([], [self.length(search, *greys[n : n + 2], *found[n : n + 2]) for n in pairs])

    def conclude(self, rest: list, answers: list) -> list:
        """The `lengths` of a clip's consecutive frames."""
        return rest

    def length(self, search, first, second, features, others) -> float | tuple[float, ...]:
        """The `lengths` from one grey picture to another, with the ORB features of both."""
        return lengths(self.flow(search, first, second, features, others), first, self.apart)

    def flow(self, search, first, second, features, others) -> np.ndarray:
        """The flow (HxWx2) from one grey picture to another, with the ORB features of both."""
        import cv2

        camera = self.camera(features, others)
        if camera is not None:
            back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
            warped = cv2.warpAffine(second, camera, (WIDTH, HEIGHT), flags=back, borderMode=cv2.BORDER_REPLICATE)
            if cv2.norm(first, warped, cv2.NORM_L1) < cv2.norm(first, second, cv2.NORM_L1):
                rest = search.calc(first, warped, None)
                return self.compose(camera, rest)
        return search.calc(first, second, None)

    def camera(self, features, others) -> np.ndarray | None:
        """The similarity (2x3) that carries the first picture's points to the second's; None where there is none."""
        import cv2

        (points, codes), (targets, descriptors) = features, others
        if codes is None or descriptors is None or len(descriptors) < 2:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(codes, descriptors, k=2)
        good = [best for best, second in pairs if best.distance < self.RATIO * second.distance]
        if len(good) < self.INLIERS:
            return None
        start = np.float32([points[match.queryIdx].pt for match in good])
        end = np.float32([targets[match.trainIdx].pt for match in good])
        camera, inliers = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=2)
        return camera if camera is not None and inliers.sum() >= self.INLIERS else None

    @staticmethod
    def compose(camera: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """The whole flow (HxWx2): to x + rest(x) in the warped picture, and from there by `camera`."""
        y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
        moved = np.dstack([x, y]) + rest
        return moved @ camera[:, :2].T.astype(np.float32) + camera[:, 2].astype(np.float32) - np.dstack([x, y])


class Network(Model):
    """Flow by a neural network on all pairs of a batch of clips.

    `settings`: model, weights, batch (clips), apart (see `lengths`).
    """

    PAIRS = 4
    """Pairs per clip of `batch` that go through the network at once on a GPU."""

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch

        from clipmill.engine import weights

        need = weights.needed("score.flow", settings)
        self.apart = bool(settings.get("apart"))
        self.model = self.build(settings["model"], need[0].path() if need else None).to(device).eval()
        if device != "cpu":
            torch.set_float32_matmul_precision("high")
        self.batches = self.batched(settings["batch"] * self.PAIRS, device)

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """The pairs of consecutive frames (from `fit`), CPU tensors (2, H, W, 3) of bytes, parts of one tensor."""
        import torch

        clip = self.batches.pinned(torch.from_numpy(np.stack(frames)))
        pairs = [clip[n : n + 2] for n in range(len(frames) - 1)]
        return Asked([(self.batches, pair) for pair in pairs], clip if self.apart else None)

    def conclude(self, rest, answers: list) -> list:
        """The mean flow lengths of a clip's consecutive frames, pixels (with `apart`, three of each)."""
        if not self.apart:
            return [answer.numpy()[()] for answer in answers]
        fields = [answer.permute(1, 2, 0).numpy() for answer in answers]
        greys = [frame.float().mean(dim=2).byte().numpy() for frame in rest[:-1]]
        found = [lengths(field, grey, apart=True) for field, grey in zip(fields, greys, strict=True)]
        return list(np.array(found, np.float32))

    def build(self, name: str, weights):
        """The network, with the weights of a local file."""
        raise NotImplementedError

    def batched(self, rows: int, device: str) -> Batches:
        """What makes batches of pairs for `flow`."""
        return Batches(self.run, rows, device, single=True)

    def run(self, *asked):
        """Mean flow lengths (N,) of pairs; with `apart`, their flow (N, 2, H, W), of which a worker makes the three."""
        flow = self.flow(*asked)
        return flow if self.apart else flow.norm(dim=1).mean(dim=(1, 2))

    def flow(self, *asked):
        """Flow (N, 2, H, W) of what `batches` gives, on its device."""
        raise NotImplementedError


class Raft(Network):
    """RAFT (Teed and Deng, ECCV 2020) as in torchvision, `raft_small` or `raft_large`."""

    def build(self, name, weights):
        from clipmill.clips import raft

        return raft.Raft(name, weights)

    def batched(self, rows, device):
        from clipmill.clips import raft

        return raft.Chains(self.run, rows, device, single=True)

    def flow(self, first, second, frames):
        return self.model(first, second, frames.permute(0, 3, 1, 2).float() / 127.5 - 1)


class UniMatch(Network):
    """UniMatch (Xu et al., TPAMI 2023) as in the optional library ptlflow, in the reference's form: two scales and six
    refinements (gmflow-scale2-regrefine6-mixdata)."""

    def build(self, name, weights):
        import torch

        try:
            import ptlflow
        except ImportError as error:
            raise ImportError(
                "score.flow.model: unimatch needs the package ptlflow, which is not installed; choose raft_large "
                "or dis, or install it without changing others: uv pip install --no-deps ptlflow lightning "
                "lightning-utilities pytorch-lightning torchmetrics jsonargparse typeshed-client docstring-parser "
                "importlib-resources loguru einops"
            ) from error
        network = ptlflow.get_model("unimatch_sc2_ref6")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True)["state_dict"])
        return network

    def flow(self, pairs):
        import torch

        first, second = pairs.permute(1, 0, 4, 2, 3).float()
        # ptlflow's models take blue first.
        images = torch.stack([first, second], dim=1).flip(2) / 255
        return self.model({"images": images})["flows"][:, 0]


FLOWS = {"dis": Dis, "raft_small": Raft, "raft_large": Raft, "unimatch": UniMatch}
"""The flow of each `score.flow.model`."""
