"""An open_clip model with a few ten thousand random parameters, saved as a folder that the real loader reads."""

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

WIDTH, IMAGE, CONTEXT = 32, 32, 24
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def config(width: int = WIDTH) -> dict:
    """The architecture, as open_clip's configurations hold it."""
    return {
        "embed_dim": width,
        "vision_cfg": {"image_size": IMAGE, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
        "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }


def tiny_clip(folder: Path, width: int = WIDTH, seed: int = 0) -> Path:
    """A folder for `local-dir:` with random weights, large enough that pictures and texts differ."""
    torch.manual_seed(seed)
    model = open_clip.CLIP(**config(width))
    for values in model.parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=0.3)
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    written = {"model_cfg": config(width), "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    return folder
