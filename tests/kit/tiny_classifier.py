"""An image classifier of the real classes with random parameters, saved as a folder that the real loader reads."""

from pathlib import Path

import torch
import transformers

LABELS = ("clean", "watermark", "logo")


def tiny_classifier(folder: Path, several: bool = False, seed: int = 0) -> Path:
    """A ViT of LABELS that tells pictures apart; `several`: its labels do not exclude each other."""
    torch.manual_seed(seed)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
        problem_type="multi_label_classification" if several else None, initializer_range=0.5,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
