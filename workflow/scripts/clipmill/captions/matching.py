"""How well a caption fits its frames."""

import numpy as np

from clipmill.captions import attributes
from clipmill.clips.embeddings import OpenClip, pieces
from clipmill.engine.batches import per_clip


class AttributesMatch:
    """The embedded match: the share (0-100) of a caption's claims that hold on a frame."""

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """It has no settings and needs no device."""

    def prepare(self, text: str, frames: list[np.ndarray]) -> float:
        """The score of a pair, the mean over its frames. All the work is done here, as there is no network to run."""
        return sum(attributes.match(text, frame) for frame in frames) / len(frames)

    def scores(self, prepared: list[float]) -> list[float]:
        """A score per prepared pair."""
        return prepared


class OpenClipMatch:
    """100 x cosine of caption and frame by an open_clip model (the reference's unit; typically 15-35).

    A caption too long for the text encoder is scored by its sentences, and a sentence too long for it by parts; the
    score is their mean, weighted by length in characters. `settings`: model, pretrained (see embeddings.OpenClip) and
    batch (pairs).
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        self.clip = OpenClip(settings, "match", device, rows=settings["batch"])

    def prepare(self, text: str, frames: list[np.ndarray]) -> tuple[list, list, np.ndarray]:
        """The model's inputs for a pair: frames, the caption's parts as tokens, and the share of each part."""
        parts = pieces(text, self.clip.fits)
        lengths = np.array([len(part) for part in parts], np.float32)
        pictures = [self.clip.prepare(frame) for frame in frames]
        return pictures, [self.clip.tokens(part) for part in parts], lengths / lengths.sum()

    def scores(self, prepared: list[tuple]) -> list[float]:
        """A score per prepared pair: the mean over its frames."""
        pictures, texts, shares = zip(*prepared, strict=True)
        images = per_clip(lambda items: self.clip.images(items).numpy(), list(pictures))
        words = per_clip(lambda items: self.clip.texts(items).numpy(), list(texts))
        return [score(*pair) for pair in zip(images, words, shares, strict=True)]


def score(images: list[np.ndarray], texts: list[np.ndarray], shares: np.ndarray) -> float:
    """100 x the mean cosine of unit vectors of frames and of a caption's parts, weighted by their shares."""
    # Element by element: a matrix product's rounding would depend on how many rows it has.
    cosines = (np.stack(images)[:, None] * np.stack(texts)[None]).sum(axis=2, dtype=np.float64)
    return 100 * float((cosines * shares).sum(axis=1).mean())


MATCHERS = {"attributes": AttributesMatch, "*": OpenClipMatch}
"""The matcher of each `match.model`; `*`: any other."""
