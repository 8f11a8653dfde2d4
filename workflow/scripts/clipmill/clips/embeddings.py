"""open_clip models: pictures and captions as unit vectors, always in batches of one fixed shape."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clipmill.clips.pixels import Normalized
from clipmill.clips.vectors import on_the_device
from clipmill.engine import weights
from clipmill.engine.batches import Batches
from clipmill.engine.feeding import Asked
from clipmill.videos.frames import Shot


class ActivationUnknown(OSError):
    """A file of weights that does not say with which activation they were trained."""


class OpenClip:
    """An open_clip model, loaded from local files only.

    `settings`: model (an architecture that open_clip knows), pretrained (a tag that `fetch_models` fetched, a folder
    with open_clip_config.json, or a file of weights for the architecture), frames_from (`decode`: where pictures are
    decoded). `key` names the configuration block in errors. Runs in float32 (TF32 on a GPU).
    """

    def __init__(self, settings: dict, key: str, device: str = "cpu", rows: int = 32):
        import open_clip
        import torch
        from torchvision.transforms import Normalize

        path = weights.resolve_clip(settings["model"], settings["pretrained"], key=f"{key}.pretrained")
        if path.is_dir() and not (path / "open_clip_config.json").is_file():
            raise weights.ModelMissing(f"{key}.pretrained", path / "open_clip_config.json")
        if path.is_dir() and not weights.weights_in(path):
            raise weights.ModelMissing(f"{key}.pretrained", path / "open_clip_model.safetensors")
        check_activation(settings["model"], path, f"{key}.pretrained")
        name, file = (f"local-dir:{path}", None) if path.is_dir() else (settings["model"], str(path))
        if device != "cpu":
            torch.set_float32_matmul_precision("high")
        self.model, _, transform = open_clip.create_model_and_transforms(name, file, device=device)
        self.model.eval()
        self.geometry = geometry(transform)
        as_trained = next(part for part in transform.transforms if isinstance(part, Normalize))
        self.normalized = Normalized(as_trained.mean, as_trained.std, device)
        self.tokenizer = open_clip.get_tokenizer(name)
        self.width = open_clip.get_model_config(name)["embed_dim"]
        # Both give unit vectors (N, width), float32 on the CPU: of prepared frames, and of texts as tokens.
        parts = sizing(transform)
        self.decodes = on_the_device(settings) and by_torch(parts)
        if self.decodes:
            from clipmill.clips.decoding import Stored

            self.images = Stored(self._encode, rows, device, parts)
        else:
            self.images = Batches(self._encode, rows, device)
        if on_the_device(settings) and not self.decodes:
            why = "torch does not resize them as the model asks for"
            print(f"`{key}`: frames are decoded on the CPU: {why}", file=sys.stderr)
        self.texts = Batches(lambda batch: self.model.encode_text(batch, normalize=True), rows, device)

    def prepare(self, frame: np.ndarray | Shot):
        """A frame (HxWx3 RGB uint8) at the image tower's size: a CPU tensor (3, H, W) of bytes. A stored frame that is
        decoded on the device: its JPEG bytes."""
        import torch

        if isinstance(frame, np.ndarray):
            return self.geometry(frame)
        if self.decodes and frame.jpeg is not None:
            return torch.from_numpy(np.frombuffer(frame.jpeg, np.uint8).copy())
        return self.geometry(frame.image)

    def asked(self, pictures: list[np.ndarray | Shot]) -> Asked:
        """What to ask for the vectors of frames (see `prepare`); a vector (width) among them is known."""
        known = [picture if isinstance(picture, np.ndarray) and picture.ndim == 1 else None for picture in pictures]
        inputs = [(self.images, self.prepare(p)) for p, vector in zip(pictures, known, strict=True) if vector is None]
        return Asked(inputs, known)

    def _encode(self, batch):
        return self.model.encode_image(self.normalized(batch), normalize=True)

    def tokens(self, text: str):
        """A text as the text tower's input: a CPU tensor (context,). Cut off where it is longer: see `fits`."""
        return self.tokenizer(text)[0]

    def fits(self, text: str) -> bool:
        """Whether the text tower takes the whole text."""
        if hasattr(self.tokenizer, "encode"):
            return len(self.tokenizer.encode(text)) + 2 <= self.tokenizer.context_length
        ids = self.tokenizer.tokenizer(self.tokenizer.clean_fn(text)).input_ids
        return len(ids) <= self.tokenizer.context_length


def check_activation(model: str, path: Path, key: str) -> None:
    """Raise ActivationUnknown where weights are a single file, and open_clip has their architecture with both
    activations: the wrong one would give wrong vectors without a word."""
    from open_clip import list_models

    quick = f"{model}-quickgelu"
    if path.is_file() and quick in list_models():
        raise ActivationUnknown(
            f"`{key}`: the file {path} does not say whether {model} was trained with GELU or QuickGELU, and the wrong "
            f"one gives wrong scores. If it was QuickGELU (OpenAI's weights, MetaCLIP, DFN), name the model {quick}. "
            "If it was GELU, name a folder that holds the weights as open_clip_pytorch_model.bin or "
            "open_clip_model.safetensors, and an open_clip_config.json whose `model_cfg` has `quick_gelu: false`"
        )


def sizing(transform) -> list:
    """The parts of an open_clip transform that set a picture's size."""
    from open_clip.transform import MaybeConvertMode
    from torchvision.transforms import Normalize, ToTensor

    return [part for part in transform.transforms if not isinstance(part, (ToTensor, Normalize, MaybeConvertMode))]


def by_torch(parts: list) -> bool:
    """Whether torch can do these parts of a transform; padding to a square it cannot."""
    from torchvision.transforms import CenterCrop, Resize

    return all(isinstance(part, (Resize, CenterCrop)) for part in parts)


def joined(known: list, answers: list) -> np.ndarray:
    """The vectors (pictures, width) of what was `asked`, from `Asked.rest` and the answers, which may go on after
    them."""
    answers = iter(answers)
    return np.stack([next(answers).numpy() if vector is None else vector for vector in known])


def geometry(transform) -> Callable:
    """The part of an open_clip transform that sets a picture's size: a function from a frame (HxWx3 RGB uint8) to a
    contiguous CPU tensor (3, H, W) of bytes. A picture stays in bytes until it is on the GPU: a quarter of the memory
    to fill and to transfer.

    torch resizes bytes with the filter of Pillow (antialias) in a ninth of its time; its rounding differs by at
    most two levels of 255. What it has no such way for (padding to a square) is left to Pillow.
    """
    import torch
    from PIL import Image
    from torchvision.transforms import Resize, v2

    parts = sizing(transform)
    if by_torch(parts):
        parts = [
            v2.Resize(part.size, part.interpolation, antialias=True) if isinstance(part, Resize) else part
            for part in parts
        ]

        def sized(frame):
            return torch.from_numpy(frame).permute(2, 0, 1)
    else:
        sized = Image.fromarray

    def fit(frame: np.ndarray):
        picture = sized(frame)
        for part in parts:
            picture = part(picture)
        if not isinstance(picture, torch.Tensor):
            picture = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        return picture.contiguous()

    return fit


def pieces(text: str, fits: Callable[[str], bool]) -> list[str]:
    """A text as parts that fit: whole if it fits, otherwise its sentences, and halves of a sentence that does not."""
    text = text.strip()
    if not text or fits(text):
        return [text] if text else []
    parts = re.split(r"(?<=[.!?;])\s+|\n+", text)
    if len(parts) == 1:
        middle = len(text) // 2
        spaces = [found.start() for found in re.finditer(r"\s", text)]
        cut = min(spaces, key=lambda space: abs(space - middle)) if spaces else middle
        parts = [text[:cut], text[cut:]]
    return [piece for part in parts for piece in pieces(part, fits)]


def write_folder(folder: Path, model: str, tag: dict, file: Path) -> None:
    """Write into `folder` what `local-dir:` loads for an open_clip tag: open_clip_config.json and the weights (`file`,
    which is moved).

    `tag` is open_clip's own record of the pretrained weights: how pictures are normalised, and whether the model was
    trained with QuickGELU.
    """
    import open_clip

    config = open_clip.get_model_config(model) | {"quick_gelu": bool(tag.get("quick_gelu", False))}
    preprocess = {name: tag[name] for name in ("mean", "std", "interpolation", "resize_mode") if name in tag}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2)
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    safe = file.suffix == ".safetensors"
    file.resolve().replace(folder / ("open_clip_model.safetensors" if safe else "open_clip_pytorch_model.bin"))
