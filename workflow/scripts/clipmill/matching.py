"""How well a caption fits its frames."""

import numpy as np

from clipmill.clip import Clip, pieces


class ClipMatch:
    """100 x cosine of caption and frame by an open_clip model (the reference's unit; typically 15-35).

    A caption longer than the text encoder takes is scored by its sentences, longer ones by parts of them; their mean
    weighted by length in characters counts. `settings`: model, pretrained (see clip.Clip), batch (pairs).
    """

    def __init__(self, settings: dict, device: str = "cpu"):
        self.clip = Clip(settings, "match", device, rows=settings["batch"])

    def prepare(self, text: str, frames: list[np.ndarray]) -> tuple[list, list, np.ndarray]:
        """The model's inputs for a pair: frames, the caption's parts as tokens, and the share of each part."""
        parts = pieces(text, self.clip.fits)
        lengths = np.array([len(part) for part in parts], np.float32)
        pictures = [self.clip.prepare(frame) for frame in frames]
        return pictures, [self.clip.tokens(part) for part in parts], lengths / lengths.sum()

    def scores(self, prepared: list[tuple]) -> list[float]:
        """One score for each prepared pair: the mean over its frames."""
        images = self.clip.images([picture for pictures, _, _ in prepared for picture in pictures]).numpy()
        texts = self.clip.texts([tokens for _, parts, _ in prepared for tokens in parts]).numpy()
        scores = []
        for pictures, parts, shares in prepared:
            mine, images = images[: len(pictures)], images[len(pictures) :]
            said, texts = texts[: len(parts)], texts[len(parts) :]
            # Element by element: a matrix product's rounding would depend on how many rows it has.
            cosines = (mine[:, None] * said[None]).sum(axis=2, dtype=np.float64)
            scores.append(100 * float((cosines * shares).sum(axis=1).mean()))
        return scores
