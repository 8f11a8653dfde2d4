"""How well a caption fits its frames."""

import numpy as np

from clipmill.captions import attributes
from clipmill.clips.embeddings import OpenClip, joined, pieces
from clipmill.engine.feeding import Asked, Model


class AttributesMatch(Model):
    """The embedded match: the share (0-100) of a caption's claims that hold on a frame."""

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """It has no settings and needs no device."""

    def prepare(self, text: str, frames: list[np.ndarray]) -> Asked:
        """The score of a pair, the mean over its frames. All the work is done here, as there is no network to ask."""
        return Asked([], sum(attributes.match(text, frame) for frame in frames) / len(frames))

    def conclude(self, rest: float, answers: list) -> float:
        """The score of a pair."""
        return rest


class OpenClipMatch(Model):
    """100 x cosine of caption and frame by an open_clip model (the reference's unit; typically 15-35).

    A caption too long for the text encoder is scored by its sentences, and a sentence too long for it by parts; the
    score is their mean, weighted by length in characters. `settings`: model, pretrained (see embeddings.OpenClip) and
    batch (pairs).
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        self.clip = OpenClip(settings, "match", device, rows=settings["batch"])

    def prepare(self, text: str, frames: list[np.ndarray]) -> Asked:
        """What to ask for a pair: frames (or vectors that are known), and the caption's parts as tokens; the share of
        each part."""
        parts = pieces(text, self.clip.fits)
        lengths = np.array([len(part) for part in parts], np.float32)
        pictures = self.clip.asked(frames)
        texts = [(self.clip.texts, self.clip.tokens(part)) for part in parts]
        return Asked(pictures.inputs + texts, (pictures.rest, lengths / lengths.sum()))

    def conclude(self, rest: tuple[list, np.ndarray], answers: list) -> float:
        """The score of a pair, the mean over its frames."""
        known, shares = rest
        texts = [answer.numpy() for answer in answers[-len(shares) :]]
        return score(joined(known, answers), texts, shares)


def score(images: np.ndarray, texts: list[np.ndarray], shares: np.ndarray) -> float:
    """100 x the mean cosine of unit vectors of frames and of a caption's parts, weighted by their shares."""
    # Element by element: a matrix product's rounding would depend on how many rows it has.
    cosines = (images[:, None] * np.stack(texts)[None]).sum(axis=2, dtype=np.float64)
    return 100 * float((cosines * shares).sum(axis=1).mean())


MATCHERS = {"attributes": AttributesMatch, "*": OpenClipMatch}
"""The matcher of each `match.model`; `*`: any other."""
