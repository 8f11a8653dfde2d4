"""Measure what a device may do differently with a network: decoding there, bfloat16, channels_last, compile.

How far scores move, and what a picture costs, for `aes` by an open_clip tower under the heads of LAION and for flow by
RAFT-large. Weights of towers and of RAFT are RANDOM: a stand-in, which says how far rounding goes, not which clip is
liked.

    PYTHONPATH=workflow/scripts python bench/towers.py VIDEO... --heads HEAD.pth...           on a CPU
    PYTHONPATH=workflow/scripts python bench/towers.py VIDEO... --device cuda:0 --frames 512  on a GPU, times included

Times are CPU seconds of this process on a CPU, and seconds to the end of all kernels on a GPU.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import open_clip
import torch
from clipmill.clips import embeddings, flow, raft
from clipmill.clips.aesthetics import load_head
from clipmill.clips.decoding import Stored
from clipmill.clips.pixels import Normalized
from clipmill.engine.batches import Batches
from clipmill.videos import frames


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--heads", nargs="+", type=Path, default=[])
    parser.add_argument("--model", default="ViT-B-32-quickgelu", help="architecture of the tower")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--compile", action="store_true", help="also torch.compile, which needs a C++ compiler on a CPU"
    )
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    jpegs = stored(args.videos, args.frames)
    print(f"{len(jpegs)} frames of {len(args.videos)} videos, {args.model} with random weights, {args.device}\n")
    towers(args, jpegs)
    print()
    flows(args, jpegs)


def stored(videos: list[Path], count: int) -> list[bytes]:
    """Frames spread over the videos, as a store holds them: shorter side 512, quality 90."""
    found = []
    for video in videos:
        with av.open(str(video)) as container:
            pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        share = -(-count // len(videos))
        for picture in pictures[:: max(1, len(pictures) // share)][:share]:
            scale = min(1.0, 512 / min(picture.shape[:2]))
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            found.append(frames.encode(small, 90))
    return found[:count]


def clock(work: Callable, device: str) -> tuple[float, object]:
    """(seconds, what `work` gives)."""
    on_gpu = device != "cpu"
    if on_gpu:
        torch.cuda.synchronize()
    began = time.perf_counter() if on_gpu else time.process_time()
    made = work()
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() if on_gpu else time.process_time()) - began, made


def half(device: str) -> contextlib.AbstractContextManager:
    """Matrix products in bfloat16."""
    return torch.autocast(device.partition(":")[0], torch.bfloat16)


def towers(args, jpegs: list[bytes]) -> None:
    """Each way of running the tower beside float32 on pictures that the CPU has decoded."""
    model, _, transform = open_clip.create_model_and_transforms(args.model, device=args.device)
    normalize = next(part for part in transform.transforms if hasattr(part, "mean"))
    normalized = Normalized(normalize.mean, normalize.std, args.device)
    model.eval()
    heads = {path.stem: head for path in args.heads if (head := fitting(path, model))}
    fit, parts = embeddings.geometry(transform), embeddings.sizing(transform)

    def encode(batch: torch.Tensor) -> torch.Tensor:
        return model.encode_image(normalized(batch), normalize=True)

    def in_half(batch: torch.Tensor) -> torch.Tensor:
        with half(args.device):
            return encode(batch)

    on_cpu = lambda: [fit(frames.Shot(0.0, jpeg).image) for jpeg in jpegs]  # noqa: E731
    as_bytes = lambda: [torch.from_numpy(np.frombuffer(jpeg, np.uint8).copy()) for jpeg in jpegs]  # noqa: E731
    rows = 32

    def plain(run: Callable) -> Callable:
        return lambda: Batches(run, rows, args.device)(on_cpu())

    def there() -> torch.Tensor:
        return Stored(encode, rows, args.device, parts)(as_bytes())

    def channels_last() -> torch.Tensor:
        model.to(memory_format=torch.channels_last)
        try:
            return plain(encode)()
        finally:
            model.to(memory_format=torch.contiguous_format)

    ways = {
        "float32, decoded and resized on the CPU": plain(encode),
        "the same again": plain(encode),
        f"decoded and resized by torchvision on {args.device}": lambda: Stored(encode, rows, args.device, parts)(
            as_bytes()
        ),
        "bfloat16 (autocast)": plain(in_half),
        "channels_last": channels_last,
    }
    if args.compile:
        ways["torch.compile"] = plain(torch.compile(encode))
    print("| tower | ms a picture | largest change of a vector's cosine | " + " | ".join(map(column, heads)) + " |")
    print("|---|---|---|" + "---|" * len(heads))
    first = None
    for name, way in ways.items():
        seconds, vectors = clock(way, args.device)
        first = vectors if first is None else first
        cells = [f"{seconds / len(jpegs) * 1000:.1f}", f"{float((1 - (vectors * first).sum(dim=1)).max()):.1e}"]
        for head in heads.values():
            before, after = head(first), head(vectors)
            cells.append(f"{float((after - before).abs().max()):.4f} of {float(before.max() - before.min()):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def column(head: str) -> str:
    """The title of a head's column."""
    return f"`aes` by {head}: largest change, of the spread"


def fitting(path: Path, model) -> Callable | None:
    """A head, where the tower's vectors fit it."""
    try:
        return load_head(path, model.visual.output_dim)
    except ValueError:
        return None


def flows(args, jpegs: list[bytes]) -> None:
    """RAFT-large on consecutive frames: by torchvision, and by Clipmill's own way through its parts."""
    from torchvision.models import optical_flow

    with tempfile.TemporaryDirectory() as folder:
        torch.save(optical_flow.raft_large().state_dict(), f"{folder}/raft.pth")
        model = raft.Raft("raft_large", f"{folder}/raft.pth").to(args.device).eval()
    shown = np.stack([flow.fit(frames.Shot(0.0, jpeg).image) for jpeg in jpegs[: args.pairs + 1]])
    pictures = torch.from_numpy(shown).to(args.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    count = len(pictures) - 1
    first = torch.arange(count)

    def own() -> torch.Tensor:
        return model(first, first + 1, pictures)

    def in_half() -> torch.Tensor:
        with half(args.device):
            return own().float()

    ways = {
        "torchvision's": lambda: model.parts(pictures[:-1], pictures[1:])[-1],
        "each frame encoded once, enlarged once": own,
        "the same in bfloat16 (autocast)": in_half,
    }
    print(f"| RAFT-large, {count} pairs | ms a pair | largest change of a pair's mean length, px | of |")
    print("|---|---|---|---|")
    truth = None
    for name, way in ways.items():
        with torch.inference_mode():
            seconds, made = clock(way, args.device)
        found = made.norm(dim=1).mean(dim=(1, 2)).cpu()
        truth = found if truth is None else truth
        change, mean = float((found - truth).abs().max()), float(truth.mean())
        print(f"| {name} | {seconds / count * 1000:.0f} | {change:.1e} | {mean:.2f} |", flush=True)


if __name__ == "__main__":
    main()
