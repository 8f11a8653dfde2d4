"""What is asked, as a model's processor and chat template make tensors of it."""

from pathlib import Path

import numpy as np

from clipmill.captions import moments, pictures
from clipmill.captions.caption import Request
from clipmill.captions.prompts import AGAIN


class Chat:
    """The processor of a model's folder. `settings` is the `caption` block."""

    def __init__(self, folder: Path, settings: dict):
        from transformers import AutoProcessor

        self.settings = settings
        self.processor = AutoProcessor.from_pretrained(folder, trust_remote_code=settings["trust_remote_code"])
        self.processor.chat_template = self.processor.chat_template or self.processor.tokenizer.chat_template
        videos = getattr(self.processor, "video_processor", None)
        self.takes_video = videos is not None
        if hasattr(videos, "cap_pixels_per_frame"):
            # Qwen's own tools bound a frame's tokens in the same way.
            videos.cap_pixels_per_frame = True
        images = getattr(self.processor, "image_processor", None)
        several = len(settings["frames"]) > 1 or settings["fps"]
        if several and hasattr(images, "do_image_splitting"):
            images.do_image_splitting = False

    def tensors(self, request: Request, again: bool = False) -> dict:
        """The tensors of one item, with first dimension 1: frames as a video where the model takes one, otherwise as
        images."""
        import torch
        from jinja2 import TemplateError

        images = [pictures.image(shot, self.settings["max_pixels"]) for shot in request.shots]
        as_video = request.kind == "video" and self.takes_video and len(images) > 1
        content, options = _as_video(request, images) if as_video else _as_images(images)
        text, system = request.ask + (AGAIN if again else ""), self.settings["system"]
        try:
            turns = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
            inputs = self._apply(
                [*turns, {"role": "user", "content": [*content, {"type": "text", "text": text}]}], options
            )
        except TemplateError:
            if not system:
                raise
            # Some chat templates have no system turn.
            text = f"{system}\n\n{text}"
            inputs = self._apply([{"role": "user", "content": [*content, {"type": "text", "text": text}]}], options)
        return {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}

    def _apply(self, chat: list[dict], options: dict) -> dict:
        return self.processor.apply_chat_template(
            [chat], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs=options, **self.settings["chat_template_kwargs"],
        )  # fmt: skip


def _as_images(images: list[np.ndarray]) -> tuple[list[dict], dict]:
    from PIL import Image

    return [{"type": "image", "image": Image.fromarray(image)} for image in images], {}


def _as_video(request: Request, images: list[np.ndarray]) -> tuple[list[dict], dict]:
    """The frames as a video with their true times."""
    metadata = moments.timing([shot.seconds for shot in request.shots], request.seconds)
    metadata |= {"height": images[0].shape[0], "width": images[0].shape[1]}
    # Without these, the processor would sample the frames again and guess the time between them.
    options = {"do_sample_frames": False, "video_metadata": [[metadata]]}
    return [{"type": "video", "video": np.stack(images)}], options
