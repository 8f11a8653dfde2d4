"""Image classifiers from Hugging Face, any that transformers loads: how sure each is that a frame shows something."""

import json
from pathlib import Path

import numpy as np

from clipmill.engine import weights
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked, Model

KEY = "score.classifiers"
ROWS = 32
"""Frames that a GPU classifies at once."""
REDUCE = {"max": np.max, "mean": np.mean, "min": np.min}


class LabelMissing(ValueError):
    """A classifier that cannot be asked: the message names its key, and the labels that it has."""


def labels(folder: Path) -> dict[int, str]:
    """The labels of a classifier by number, from its config.json. Raises OSError or ValueError where it has none."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {int(number): label for number, label in config.get("id2label", {}).items()}


def asked(entry: dict) -> list[str]:
    """The labels that an entry of `score.classifiers` asks for."""
    return [entry["label"]] if isinstance(entry["label"], str) else entry["label"]


def numbers(folder: Path, entry: dict) -> list[int]:
    """The numbers of the labels that an entry asks for. Raises LabelMissing where the model has no such label."""
    key = f"{KEY}.{entry['name']}"
    try:
        known = labels(folder)
    except (OSError, ValueError) as error:
        raise LabelMissing(f"`{key}`: {folder} is no classifier of images: config.json: {error}") from error
    if missing := [label for label in asked(entry) if label not in known.values()]:
        there = ", ".join(known.values()) or "none"
        raise LabelMissing(f"`{key}`: {entry['model']} has no label {missing[0]!r}; its labels: {there}")
    return [number for number, label in known.items() if label in asked(entry)]


class Classifier(Model):
    """One model and the labels that it is asked for.

    `entry`: name, model, revision, label (one or several), frames and reduce. Runs in float32 (TF32 on a GPU).
    """

    def __init__(self, entry: dict, device: str = "cpu"):
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        folder = weights.resolve(entry["model"], entry, key=f"{KEY}.{entry['name']}")
        # On the device: from a list they would be copied there for each batch, which waits for the batch before.
        self.numbers, self.reduce = torch.tensor(numbers(folder, entry), device=device), REDUCE[entry["reduce"]]
        self.processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        self.model = AutoModelForImageClassification.from_pretrained(folder, local_files_only=True).to(device).eval()
        if device != "cpu":
            torch.set_float32_matmul_precision("high")
        # Where labels do not exclude each other, each has a probability of its own.
        config = self.model.config
        self.several = config.problem_type == "multi_label_classification" or config.num_labels == 1
        self.batches = Batches(self._run, ROWS, device)

    def prepare(self, frames: list[np.ndarray]) -> Asked:
        """Frames (HxWx3 RGB uint8) as the model takes them."""
        pixels = self.processor(images=list(frames), return_tensors="pt", input_data_format="channels_last")
        return Asked([(self.batches, tensor) for tensor in pixels["pixel_values"]])

    def _run(self, batch):
        logits = self.model(pixel_values=batch).logits.float()
        shares = logits.sigmoid() if self.several else logits.softmax(dim=1)
        found = shares.index_select(1, self.numbers)
        return found.amax(dim=1) if self.several else found.sum(dim=1)

    def conclude(self, rest: None, answers: list) -> float:
        """How sure the model is (0-1) that a clip shows any of the labels."""
        return float(self.reduce([float(answer) for answer in answers]))
