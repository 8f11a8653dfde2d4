"""Zero-shot labels: which of some texts fits a clip's frames best, by an open_clip model.

Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
"""

import numpy as np

from clipmill.clips.embeddings import OpenClip, joined
from clipmill.engine.feeding import Asked, Model


class Labels(Model):
    """`settings`: labels {name: text}, and model, pretrained, frames and batch of score.aesthetic."""

    def __init__(self, settings: dict, device: str = "cpu"):
        rows = settings.get("batch", 1) * len(settings["frames"])
        self.clip = OpenClip(settings, "score.aesthetic", device, rows=rows)
        self.names = list(settings["labels"])
        tokens = [self.clip.tokens(text) for text in settings["labels"].values()]
        self.texts = np.stack([vector.numpy() for vector in self.clip.texts(tokens)])

    def prepare(self, pictures: list[np.ndarray]) -> Asked:
        """What to ask for frames (HxWx3 RGB uint8, or vectors that are known)."""
        return self.clip.asked(pictures)

    def conclude(self, rest: list, answers: list) -> dict[str, float | str]:
        """100 x the mean cosine of a clip's frames and each text, by name, and the name of the largest as `label`."""
        # Element by element: a matrix product's rounding would depend on how many rows it has.
        images = joined(rest, answers)
        cosines = (images[:, None] * self.texts[None]).sum(axis=2, dtype=np.float64).mean(axis=0)
        found = {name: 100 * float(cosine) for name, cosine in zip(self.names, cosines, strict=True)}
        return found | {"label": max(self.names, key=found.__getitem__)}
