"""Captioners: a model loaded by transformers, or any OpenAI-compatible server.

Both take a `Request` through `prepare` (worker threads) and a list of what it returns through `caption`.
"""

import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clipmill.checks import Caption
from clipmill.generation import Generator
from clipmill.prompts import AGAIN, wording

PENALTY = 1.15
"""Repetition penalty of a second attempt."""
JPEG_QUALITY = 92


class Request(NamedTuple):
    """One item: its frames (HxWx3 uint8 RGB, in order), its kind (image | video) and its length in seconds."""

    frames: list[np.ndarray]
    kind: str
    seconds: float = 0.0


class ServerError(ConnectionError):
    """The caption server is at fault, not an item."""


class TransformersCaptioner:
    """Any image- or video-text-to-text model that transformers loads, by its processor and chat template.

    Frames go in as a video where the processor can take one, as images else. Each item is preprocessed alone.

    `settings` is the `caption` block: prompt, max_tokens, batch, dtype, tp_size, tp_backend, trust_remote_code.
    With tp_size above 1 the process must be one of torchrun's ranks; each run of tp_size ranks holds one copy.
    """

    def __init__(self, folder: Path, settings: dict, device: str = "cpu"):
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.settings = settings
        trust = {"trust_remote_code": settings["trust_remote_code"]}
        self.processor = AutoProcessor.from_pretrained(folder, **trust)
        videos = getattr(self.processor, "video_processor", None)
        self.takes_video = videos is not None
        if hasattr(videos, "cap_pixels_per_frame"):
            # As Qwen's own tools bound a frame's tokens.
            videos.cap_pixels_per_frame = True
        images = getattr(self.processor, "image_processor", None)
        if len(settings["frames"]) > 1 and hasattr(images, "do_image_splitting"):
            images.do_image_splitting = False
        dtype = settings["dtype"]
        dtype = (torch.float32 if device == "cpu" else torch.bfloat16) if dtype == "auto" else getattr(torch, dtype)
        options = {"dtype": dtype, **trust}
        model = load_model(AutoModelForImageTextToText, folder, options, settings, device)
        self.generator = Generator(model, self.processor.tokenizer, int(settings["batch"]), device)
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
    # Without these the processor samples the frames once more, and guesses the time between them.
    options = {"do_sample_frames": False, "video_metadata": [[metadata]]}
    return [{"type": "video", "video": np.stack(frames)}], options


def load_model(auto, folder: Path, options: dict, settings: dict, device: str):
    """A model in evaluation mode on `device`, whole or sharded over `tp_size` ranks by `tp_backend`.

    `transformers`: the tensor-parallel plan that the model declares. `deepspeed`: AutoTP on the language model only,
    for its sharding of vision towers fails with some (Qwen2.5-VL).
    """
    size = int(settings["tp_size"])
    if size == 1:
        return auto.from_pretrained(folder, **options).to(device).eval()
    _join_copy(size, device)
    if settings["tp_backend"] == "transformers":
        from transformers.distributed import DistributedConfig

        return auto.from_pretrained(folder, distributed_config=DistributedConfig(tp_size=size), **options).eval()
    import deepspeed

    if device == "cpu":
        # DeepSpeed's shared-memory all-reduce for CPUs, compiled on first use, crashes with two processes (0.19.8).
        sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    model = auto.from_pretrained(folder, **options).eval()
    language = model.get_decoder()
    owner, name = next(
        (module, name) for module in model.modules() for name, child in module.named_children() if child is language
    )
    engine = deepspeed.init_inference(
        language, tensor_parallel={"tp_size": size}, dtype=model.dtype, replace_with_kernel_inject=False
    )
    setattr(owner, name, engine.module)
    return model.to(device)


def _join_copy(size: int, device: str) -> None:
    """Make the ranks of this model copy a process group of their own, apart from the other copies' ranks."""
    import torch
    from torch.distributed import PrefixStore, TCPStore, init_process_group, is_initialized

    if is_initialized():
        return
    if device != "cpu":
        torch.cuda.set_device(device)
    rank = int(os.environ["RANK"])
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    init_process_group(
        "gloo" if device == "cpu" else "nccl",
        store=PrefixStore(f"copy/{rank // size}", store),
        rank=rank % size,
        world_size=size,
    )


class ServerCaptioner:
    """Any server that speaks OpenAI's chat completions (vLLM, SGLang, TGI, `transformers serve`, a hosted one).

    Frames are sent as JPEG in the request. The client tries again, with growing pauses, on time-outs, lost
    connections, 408, 409, 429 and 5xx. What is wrong then is the server's fault and raises ServerError; an answer 400,
    413 or 422 is the item's once the server has captioned something, and the set-up's before.

    `settings` is the `caption` block: prompt, max_tokens and `server`: url, model, concurrency, timeout (s), retries,
    api_key_env (the environment variable that holds the key, if the server asks for one).
    """

    def __init__(self, settings: dict):
        from openai import OpenAI

        self.settings, self.server, self.served = settings, settings["server"], False
        self.client = OpenAI(
            base_url=self.server["url"],
            # A server of one's own asks for no key, but the client does.
            api_key=os.environ.get(self.server["api_key_env"]) or "none",
            timeout=self.server["timeout"],
            max_retries=self.server["retries"],
        )

    def prepare(self, request: Request, again: bool = False) -> list[dict]:
        """The messages of one item."""
        text = wording(self.settings["prompt"], request.kind) + (AGAIN if again else "")
        content = [{"type": "image_url", "image_url": {"url": _data_uri(frame)}} for frame in request.frames]
        return [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]

    def caption(self, prepared: list[list[dict]], again: bool = False) -> list[Caption]:
        """The captions of items, in their order, `concurrency` requests at a time. Raises ServerError."""
        pool = ThreadPoolExecutor(max_workers=self.server["concurrency"])
        try:
            captions = list(pool.map(lambda messages: self._ask(messages, again), prepared))
        finally:
            # A job that is told to end must not wait for answers.
            pool.shutdown(wait=False, cancel_futures=True)
        if captions and not self.served:
            raise self._fault(captions[0].text)
        return captions

    def _ask(self, messages: list[dict], again: bool) -> Caption:
        import openai

        options = {"frequency_penalty": 0.5} if again else {}
        try:
            answer = self.client.chat.completions.create(
                model=self.server["model"],
                messages=messages,
                max_tokens=self.settings["max_tokens"] * (2 if again else 1),
                temperature=0,
                **options,
            )
        except openai.APIStatusError as error:
            if error.status_code in (400, 413, 422):
                return Caption(str(error), "refused")
            key = self.server["api_key_env"]
            hint = f" (the key is read from ${key}, see caption.server.api_key_env)" if error.status_code == 401 else ""
            raise self._fault(f"{error}{hint}") from error
        except (openai.OpenAIError, ValueError) as error:
            raise self._fault(f"{type(error).__name__}: {error}") from error
        try:
            choice = answer.choices[0]
            text = " ".join((choice.message.content or "").split())
            # JSON may carry half a surrogate pair, which no file can.
            text = text.encode("utf-8", "replace").decode()
        except (AttributeError, IndexError, TypeError) as error:
            raise self._fault(f"the answer is no chat completion: {str(answer)[:200]!r}") from error
        self.served = True
        if choice.finish_reason == "content_filter":
            return Caption("content filter", "refused")
        return Caption(text, "length" if choice.finish_reason == "length" else "stop")

    def _fault(self, why: str) -> ServerError:
        return ServerError(f"caption.server.url {self.server['url']} (model {self.server['model']}): {why}")


def _data_uri(frame: np.ndarray) -> str:
    import cv2

    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
