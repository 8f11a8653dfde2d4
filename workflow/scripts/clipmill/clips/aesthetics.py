"""Aesthetic scores of single frames on LAION's scale, 1 (bad) to 10 (good)."""

from pathlib import Path

import numpy as np

from clipmill.engine.feeding import Asked, Model


class Photometric(Model):
    """The embedded score: sharpness, contrast, exposure and colour, as measured. It does not know what is shown."""

    LONG_SIDE = 512
    """Pixels of the longer side at which a frame is measured, so that the score does not depend on its size."""
    WEIGHTS = np.array([0.35, 0.25, 0.25, 0.15])

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """It has no settings and needs no device."""

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """The scores of a clip's frames. All the work is done here, as there is no network to ask."""
        return Asked([], [self.score(frame) for frame in frames])

    def conclude(self, rest: list[float], answers: list) -> list[float]:
        """A score per frame of a clip."""
        return rest

    def score(self, frame: np.ndarray) -> float:
        """1-10, from a frame (HxWx3 RGB uint8)."""
        return 1 + 9 * float(self.WEIGHTS @ self.measure(frame))

    def measure(self, frame: np.ndarray) -> np.ndarray:
        """Sharpness, contrast, exposure and colour of a frame (HxWx3 RGB uint8), each 0-1.

        Sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000), from 10 (blurred) to 1000 on a log scale.
        Contrast: standard deviation of the luminance, 64 of 255 being full. Exposure: nearness of the mean luminance to
        the middle, less the share of pixels clipped to black or white. Colour: colourfulness of Hasler and Suesstrunk
        (2003), full at 82, their "highly colourful".
        """
        import cv2

        scale = self.LONG_SIDE / max(frame.shape[:2])
        if scale < 1:
            down, across = (max(scale, 1 / side) for side in frame.shape[:2])  # a line keeps its one pixel
            frame = cv2.resize(frame, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        sharpness = (np.log10(cv2.Laplacian(grey, cv2.CV_64F).var() + 1e-9) - 1) / 2
        middle = 1 - ((grey.mean() / 255 - 0.47) / 0.53) ** 2
        clipped = np.mean((grey <= 3) | (grey >= 252))
        colour = colourfulness(frame) / 82
        return np.clip([sharpness, grey.std() / 64, middle * (1 - clipped), colour], 0, 1)


def colourfulness(frame: np.ndarray) -> float:
    """Hasler and Suesstrunk's M3 of a frame (HxWx3 RGB uint8): 0 grey, 33 moderate, 59 quite, 109 extremely colourful.

    Hasler, Suesstrunk: Measuring colourfulness in natural images, Proc. SPIE 5007, 2003.
    """
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(axis.std(dtype=np.float64) for axis in opponents))
    mean = np.hypot(*(axis.mean(dtype=np.float64) for axis in opponents))
    return float(spread + 0.3 * mean)


class OpenClipAesthetic(Model):
    """LAION's predictor: an affine head on the unit image embedding of an open_clip model.

    `settings`: model, pretrained (see embeddings.OpenClip), head, head_sha256, frames and batch (clips).
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        from clipmill.clips.embeddings import OpenClip
        from clipmill.engine import weights

        self.clip = OpenClip(settings, "score.aesthetic", device, rows=settings["batch"] * len(settings["frames"]))
        path = weights.resolve(settings["head"], {"sha256": settings["head_sha256"]}, key="score.aesthetic.head")
        self.head = load_head(path, self.clip.width)

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """What to ask for frames (HxWx3 RGB uint8, or vectors that are known)."""
        return self.clip.asked(frames)

    def conclude(self, rest: list, answers: list) -> list[np.float32]:
        """A score per frame of a clip, from its unit vectors."""
        import torch

        from clipmill.clips.embeddings import joined

        return self.head(torch.from_numpy(joined(rest, answers))).numpy()


def load_head(path: str | Path, width: int):
    """A head from its file: a function from unit vectors (N, width) to scores (N,).

    Two kinds are told apart by their keys: the MLP of improved-aesthetic-predictor (`layers.0 ... layers.7`, linear
    layers with dropout between them and no activations) and aesthetic-predictor's one linear layer. Both are affine.
    Raises ValueError for any other file, and for a head that was made for another width.
    """
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    names = sorted(name[: -len("weight")] for name in state if name.endswith("weight"))
    if {f"{name}{part}" for name in names for part in ("weight", "bias")} != set(state) or (
        names != [""] and not all(name.startswith("layers.") for name in names)
    ):
        raise ValueError(
            f"score.aesthetic.head: {path} is not an aesthetic head of a known kind; it holds {list(state)[:8]}"
        )
    names.sort(key=lambda name: int(name.split(".")[1]) if name else 0)
    takes = state[f"{names[0]}weight"].shape[1]
    if takes != width:
        raise ValueError(
            f"score.aesthetic.head: {path} takes embeddings of {takes} numbers, but score.aesthetic.model gives {width}"
        )
    layers = [(state[f"{name}weight"].float(), state[f"{name}bias"].float()) for name in names]

    def head(vectors):
        for weight, bias in layers:
            vectors = vectors @ weight.T + bias
        return vectors[:, 0]

    return head


AESTHETICS = {"photometric": Photometric, "*": OpenClipAesthetic}
"""The scorer of each `score.aesthetic.model`; `*`: any other."""
