"""Captions by a vision-language model that transformers loads."""

import numpy as np

from clipmill.captions.caption import Caption, Request
from clipmill.captions.generation import TextGenerator
from clipmill.captions.prompts import AGAIN, wording
from clipmill.captions.tensor_parallel import load_model
from clipmill.engine import weights

PENALTY = 1.15
"""Repetition penalty of a second attempt."""


class TransformersCaptioner:
    """Any image- or video-text-to-text model that transformers loads, used through its processor and chat template.

    Frames go in as a video where the processor can take one, otherwise as images. Each item is preprocessed alone.

    `settings` is the `caption` block: model, revision, prompt, frames, max_tokens, batch, dtype, tp_size, tp_backend,
    trust_remote_code. With tp_size above 1 the process must be one of torchrun's ranks; every tp_size consecutive
    ranks hold one copy.
    """

    uses = ()
    """Columns of a row that it looks at."""

    @staticmethod
    def least_batch(settings: dict) -> int:
        """The fewest items that a batch should have."""
        return 1

    def __init__(self, settings: dict, device: str = "cpu"):
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.settings = settings
        folder = weights.resolve(settings["model"], settings, "caption.model")
        trust = {"trust_remote_code": settings["trust_remote_code"]}
        self.processor = AutoProcessor.from_pretrained(folder, **trust)
        videos = getattr(self.processor, "video_processor", None)
        self.takes_video = videos is not None
        if hasattr(videos, "cap_pixels_per_frame"):
            # Qwen's own tools bound a frame's tokens in the same way.
            videos.cap_pixels_per_frame = True
        images = getattr(self.processor, "image_processor", None)
        if len(settings["frames"]) > 1 and hasattr(images, "do_image_splitting"):
            images.do_image_splitting = False
        dtype = settings["dtype"]
        dtype = (torch.float32 if device == "cpu" else torch.bfloat16) if dtype == "auto" else getattr(torch, dtype)
        options = {"dtype": dtype, **trust}
        model = load_model(AutoModelForImageTextToText, folder, options, settings, device)
        self.generator = TextGenerator(model, self.processor.tokenizer, int(settings["batch"]), device)
        # The first call settles the tokenizer's padding and truncation, after which threads may share it.
        self.prepare(Request([np.zeros((64, 64, 3), np.uint8)], "image"))

    def prepare(self, request: Request, again: bool = False) -> dict:
        """The model's inputs for one item, on the CPU, its prompt padded on the left."""
        import torch

        text = wording(self.settings["prompt"], request.kind) + (AGAIN if again else "")
        as_video = request.kind == "video" and self.takes_video and len(request.frames) > 1
        content, options = _as_video(request) if as_video else _as_images(request)
        inputs = self.processor.apply_chat_template(
            [[{"role": "user", "content": [*content, {"type": "text", "text": text}]}]],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs=options,
        )
        inputs = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        return self.generator.padded(inputs)

    def caption(self, prepared: list[dict], again: bool = False) -> list[Caption]:
        """The captions of items, in their order. `again`: with a repetition penalty and twice the tokens."""
        limit = self.settings["max_tokens"] * (2 if again else 1)
        return self.generator.run(prepared, limit, PENALTY if again else 1.0)


def _as_images(request: Request) -> tuple[list[dict], dict]:
    from PIL import Image

    return [{"type": "image", "image": Image.fromarray(frame)} for frame in request.frames], {}


def _as_video(request: Request) -> tuple[list[dict], dict]:
    frames = request.frames
    fps = len(frames) / request.seconds if request.seconds > 0 else 1.0
    metadata = {
        "total_num_frames": len(frames),
        "fps": fps,
        "frames_indices": list(range(len(frames))),
        "duration": len(frames) / fps,
        "height": frames[0].shape[0],
        "width": frames[0].shape[1],
    }
    # Without these, the processor would sample the frames again and guess the time between them.
    options = {"do_sample_frames": False, "video_metadata": [[metadata]]}
    return [{"type": "video", "video": np.stack(frames)}], options
