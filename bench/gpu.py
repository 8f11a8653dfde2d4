"""Measure the learned steps on a GPU: clips per second from a real frame store, next to the bare model's loop.

    make bench-gpu                                             all steps, real architectures with random weights
    make bench-gpu ARGS="--device cpu --small"                 only to see that it runs, on any machine
    make bench-gpu ARGS="--steps aesthetic --write docs/benchmarks.md"

A step runs as in a job: worker threads read and prepare, one thread computes. The bare loop calls the same network as
often, with a batch of the same shape that is already on the device. "Waited" is the share of the step's time in which
no network ran. Each step runs once before it is measured.
"""

import argparse
import gc
import os
import platform
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure the chosen steps and print a table, as text and as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="tiny models and few clips: only to see that it runs")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--clips", type=int, help="clips per step, instead of each step's own number")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="threads that prepare")
    parser.add_argument("--write", type=Path, help="append the Markdown to this file")
    args = parser.parse_args()
    import torch

    if args.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: no GPU was found. To see that it runs: make bench-gpu ARGS='--device cpu --small'")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.steps:
            results.append(measure(name, args, Path(folder, name)))
            gc.collect()
    text = markdown(args, results)
    print(text)
    if args.write:
        with open(args.write, "a", encoding="utf-8") as file:
            file.write("\n" + text)


class Watch:
    """Stands in for a network's call: counts the calls and the time that they take on the device."""

    def __init__(self, call, device: str):
        self.call, self.device = call, device
        self.reset()

    def reset(self) -> None:
        self.calls, self.spans, self.example = 0, [], None

    def now(self):
        import torch

        if self.device == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def __call__(self, *given, **named):
        began = self.now()
        result = self.call(*given, **named)
        self.calls, self.example = self.calls + 1, (given, named)
        self.spans.append((began, self.now()))
        return result

    def busy(self) -> float:
        """Seconds in which the network ran."""
        if self.device == "cpu":
            return sum(end - began for began, end in self.spans)
        return sum(began.elapsed_time(end) for began, end in self.spans) / 1000

    def bare(self) -> None:
        """The same calls, with nothing between them."""
        given, named = self.example
        for _ in range(self.calls):
            self.call(*given, **named)


def measure(name: str, args, folder: Path) -> dict:
    """One step's figures."""
    import torch

    (folder / "models").mkdir(parents=True)
    torch.manual_seed(0)
    kind, settings, count, calls = STEPS[name](folder / "models", args.small)
    step = kind(settings, folder, folder, folder, args.device)
    step.load()
    watches = []
    for owner, attribute in calls(step):
        watches.append(Watch(getattr(owner, attribute), args.device))
        setattr(owner, attribute, watches[-1])
    rows = clips(folder, args.clips or count, args.small)
    work(step, rows[: 2 * step.batch], args.threads)
    for watch in watches:
        watch.reset()
    if args.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(lambda: work(step, rows, args.threads), args.device)
    busy = sum(watch.busy() for watch in watches)
    with torch.inference_mode():
        bare = timed(lambda: [watch.bare() for watch in watches], args.device)
    memory = 0 if args.device == "cpu" else torch.cuda.max_memory_allocated() / 2**30
    return {
        "step": f"{name} ({settings['model'].rsplit('/', 1)[-1]})",
        "clips": len(rows),
        "rate": len(rows) / seconds,
        "bare": len(rows) / bare,
        "ratio": bare / seconds,
        "waited": max(0.0, 1 - busy / seconds),
        "memory": memory,
    }


def timed(run, device: str) -> float:
    """Seconds that `run` takes, to the end of what it queued on the device."""
    import torch

    began = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def work(step, rows: list[dict], threads: int) -> None:
    """Prepare rows in threads, two batches ahead, and compute them."""
    batches = deque(step.batches(rows))
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        while batches or waiting:
            while batches and sum(len(mine) for mine, _ in waiting) < max(2 * step.batch, threads):
                mine = batches.popleft()
                waiting.append((mine, [pool.submit(step.prepare, row) for row in mine]))
            mine, futures = waiting.popleft()
            step.compute(mine, [future.result() for future in futures])


def clips(folder: Path, count: int, small: bool) -> list[dict]:
    """Rows of `count` clips of five seconds (`small`: one) whose frames, photographs in motion, lie in a store."""
    import cv2
    import numpy as np
    from clipmill.videos import frames
    from stored_clips import NAMES, photograph

    size, seconds = ((320, 180), 1) if small else ((910, 512), 5)
    store, rows = frames.Store(folder, folder), []
    for index in range(count):
        identity = f"{index:016x}"
        row = {"id": f"{identity}-00000000", "video_id": identity, "relpath": f"{index}.mp4", "text": "a quiet street"}
        row |= {"start_frame": "0", "end_frame": "150", "num_frames": "150", "start": "0", "end": str(seconds)}
        rows.append(row)
        path = store.path(identity)
        if index < len(NAMES):
            picture = cv2.resize(photograph(NAMES[index]), size)[..., ::-1]
            moved = {beat: np.roll(picture, 9 * beat, axis=1) for beat in range(2 * seconds + 1)}
            frames.write(path, {15 * beat: (beat / 2, frames.encode(one, 90)) for beat, one in moved.items()})
        else:
            path.parent.mkdir(exist_ok=True)
            os.link(store.path(f"{index % len(NAMES):016x}"), path)
    return rows


def aesthetic(folder: Path, small: bool) -> tuple:
    """ViT-L/14 at 224 and an affine head; three frames per clip."""
    import torch
    from score_aesthetic import ScoreAesthetic

    settings, width = open_clip_model(folder, small)
    torch.save({"weight": torch.randn(1, width), "bias": torch.zeros(1)}, folder / "head.pth")
    settings |= {"head": str(folder / "head.pth"), "head_sha256": None, "reduce": "mean", "frames": [0.1, 0.5, 0.9]}
    return (
        ScoreAesthetic,
        settings | {"batch": 64},
        8 if small else 2048,
        lambda step: [(step.scorer.clip._images, "run")],
    )


def match(folder: Path, small: bool) -> tuple:
    """ViT-L/14 and its text tower; one frame and one caption per clip."""
    from score_match import ScoreMatch

    settings, _ = open_clip_model(folder, small)
    settings |= {"frames": [0.5], "batch": 128}
    towers = ("_images", "_texts")
    return (
        ScoreMatch,
        settings,
        8 if small else 2048,
        lambda step: [(getattr(step.model.clip, t), "run") for t in towers],
    )


def open_clip_model(folder: Path, small: bool) -> tuple[dict, int]:
    """Settings of an open_clip model with random weights, and the width of its embedding."""
    import open_clip
    import torch
    from tiny_open_clip import WIDTH, tiny_clip

    if small:
        return {"model": "tiny", "pretrained": str(tiny_clip(folder / "clip"))}, WIDTH
    name = "ViT-L-14-quickgelu"
    torch.save(open_clip.create_model(name).state_dict(), folder / "clip.pth")
    return {"model": name, "pretrained": str(folder / "clip.pth")}, open_clip.get_model_config(name)["embed_dim"]


def flow(folder: Path, small: bool) -> tuple:
    """RAFT; ten pairs per clip."""
    import torch
    from score_flow import ScoreFlow
    from torchvision.models import optical_flow

    model = "raft_small" if small else "raft_large"
    torch.save(getattr(optical_flow, model)().state_dict(), folder / "raft.pth")
    settings = {"model": model, "weights": str(folder / "raft.pth"), "seconds": 0.5, "batch": 4}
    return ScoreFlow, settings, 1 if small else 256, lambda step: [(step.model.batches, "run")]


def ocr(folder: Path, small: bool) -> tuple:
    """EasyOCR's detector, its own weights; one frame per clip."""
    from score_ocr import ScoreOcr

    settings = {"model": "easyocr", "frames": [0.5], "canvas": 192 if small else 960, "batch": 8}
    return ScoreOcr, settings, 4 if small else 512, lambda step: [(step.detector.batches, "run")]


def caption(folder: Path, small: bool) -> tuple:
    """LLaVA-NeXT with a Mistral of 7B parameters; one frame and 64 new tokens per clip."""
    from caption_clips import CaptionClips
    from clipmill.plan import config

    given = config.check({}, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    settings = given["caption"] | {"frames_from": given["frames"]}
    settings |= {"model": str(llava(folder / "llava-7b", small)), "max_tokens": 8 if small else 64, "batch": 16}
    settings["captioner"] = settings["model"]
    settings["checks"] = {"language": None, "loop": False, "cut_off": False, "refusal": False}
    return CaptionClips, settings, 4 if small else 64, lambda step: [(step.captioner.generator.model, "generate")]


def llava(folder: Path, small: bool) -> Path:
    """A folder with a LLaVA-NeXT of random weights and a tokenizer of bytes."""
    import tiny_transformers
    import torch
    import transformers

    if small:
        return tiny_transformers.llava_next(folder)
    tokenizer = tiny_transformers._tokenizer(tiny_transformers.LLAVA_CHAT, ("<image>",))
    options = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = transformers.LlavaNextProcessor(
        transformers.LlavaNextImageProcessor(), tokenizer, chat_template=tiny_transformers.LLAVA_CHAT, **options
    )
    # The sizes of llava-v1.6-mistral-7b.
    vision = transformers.CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    text = transformers.MistralConfig(vocab_size=32064, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    image = tokenizer.convert_tokens_to_ids("<image>")
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = transformers.LlavaNextForConditionalGeneration(
            transformers.LlavaNextConfig(vision_config=vision, text_config=text, image_token_index=image)
        )
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def markdown(args, results: list[dict]) -> str:
    """The figures as a Markdown section that names the machine."""
    import torch

    gpu = "no GPU" if args.device == "cpu" else torch.cuda.get_device_name(args.device)
    machine = f"{gpu}, {os.cpu_count()} CPUs ({platform.machine()}), {args.threads} threads, torch {torch.__version__}"
    head = "| step | clips | clips/s | bare loop, clips/s | ratio | GPU waited | GPU memory, GiB |"
    lines = [f"### {machine}{', small models' if args.small else ''}", "", head, "|---|--:|--:|--:|--:|--:|--:|"]
    for made in results:
        lines.append(
            f"| {made['step']} | {made['clips']} | {made['rate']:.1f} | {made['bare']:.1f} | {made['ratio']:.0%} "
            f"| {made['waited']:.0%} | {made['memory']:.1f} |"
        )
    return "\n".join(lines) + "\n"


STEPS = {"aesthetic": aesthetic, "flow": flow, "ocr": ocr, "match": match, "caption": caption}

if __name__ == "__main__":
    main()
