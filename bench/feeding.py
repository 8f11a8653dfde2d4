"""Measure what it costs to feed a GPU, on a CPU: reading a long store, preparing a frame for CLIP, concluding OCR.

CPU milliseconds of one thread. The networks themselves are left out: that of OCR is replaced by its recorded answer.

    PYTHONPATH=workflow/scripts python bench/feeding.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import open_clip
import torch
from clipmill.clips import embeddings
from clipmill.engine.compute import Compute
from clipmill.engine.ranks import Ranks
from clipmill.videos import frames
from score_ocr import ScoreOcr
from skimage import data

TWO_HOURS, WIDE = 14_400, (910, 512)
"""Pictures of a two-hour video's store; width and height of a stored picture of 16:9."""


class Silent:
    """Progress that nobody looks at."""

    def start(self) -> None:
        """Begin."""

    def add(self, count: int) -> None:
        """Go on."""


def main() -> None:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    print("| what feeding costs | CPU ms |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = frames.Store(Path(folder), Path(folder))
        print(f"| a clip's 3 pictures of a store of two hours (150 clips) | {reading(store):.2f} |")
        kilobytes, prepared = preparing(store)
        print(f"| a frame read, decoded and prepared for CLIP ({kilobytes:.0f} kB) | {prepared:.2f} |")
        print(f"| the feeding thread for a subtitled frame of OCR | {concluding(Path(folder), as_on_a_gpu=True):.2f} |")
        print(f"| the same on a CPU, where it also copies the frame into its batch | {concluding(Path(folder)):.2f} |")


def row(number: int, video: str = "v", length: int = 12) -> dict:
    """The row of a clip that begins at a picture of the store: two of them a second, a video's 24 frames."""
    start, end = 12 * number, 12 * number + length
    return {
        "id": f"{number:08d}", "relpath": "x", "video_id": video * 16, "num_frames": str(length),
        "start_frame": str(start), "end_frame": str(end), "start": str(start / 24), "end": str(end / 24),
    }  # fmt: skip


def written(store: frames.Store, video: str, pictures: list[bytes]) -> None:
    """A store with these pictures, half a second apart."""
    frames.write(store.path(video * 16), {12 * number: (number / 2, jpeg) for number, jpeg in enumerate(pictures)})


def median(work: Callable, times: int, runs: int = 5) -> float:
    """CPU ms of this thread a call, the median of some runs."""
    found = []
    for run in range(runs):
        began = time.thread_time()
        for number in range(times):
            work(run * times + number)
        found.append((time.thread_time() - began) / times * 1000)
    return statistics.median(found)


def reading(store: frames.Store) -> float:
    """Three pictures of each of 150 clips of one long video."""
    written(store, "v", [frames.encode(np.zeros((64, 64, 3), np.uint8), 90)] * TWO_HOURS)
    return median(lambda number: frames.shots(store, row(90 * number, length=120), [0.5, 2.5, 4.5]), 150, runs=1)


def preparing(store: frames.Store) -> tuple[float, float]:
    """(kB of a picture, ms): a photograph from the store as CLIP's image tower takes it."""
    photograph = cv2.resize(data.coffee()[..., ::-1], WIDE)
    jpegs = [frames.encode(np.roll(photograph, 8 * number, axis=1), 90) for number in range(20)]
    written(store, "w", [jpegs[number % 20] for number in range(300)])
    fit = embeddings.geometry(open_clip.image_transform(224, is_train=False))
    work = lambda number: fit(frames.read(store, row(number, "w"), [0.5])[0])  # noqa: E731
    return len(jpegs[0]) / 1000, median(work, 60)


def concluding(folder: Path, count: int = 200, as_on_a_gpu: bool = False) -> float:
    """A job of OCR, whose network says of every frame what it says of the first. A GPU copies frames by itself, from
    memory where workers have put them: that is left out then, like the calls that begin such a copy (microseconds)."""
    photograph = cv2.resize(data.coffee(), WIDE)
    pictures = []
    for number in range(count):
        picture = photograph.copy()
        cv2.putText(picture, f"And then he said: number {number}", (150, 470), 0, 1.2, (255, 255, 255), 3)
        pictures.append(frames.encode(picture[..., ::-1], 90))
    written(frames.Store(folder, folder), "o", pictures)
    step = ScoreOcr({"model": "easyocr", "frames": [0.5], "canvas": 960, "batch": 8}, folder, folder, folder)
    step.load()
    network, rows = step.detector.batches, [row(number, "o") for number in range(count)]
    with torch.inference_mode():
        maps = step.detector._run(step.prepare(rows[0]).inputs[0][1][None])
    network.run, network.rows, step.load = lambda batch: maps.expand(len(batch), -1, -1, -1), 8, lambda: None
    if as_on_a_gpu:
        network.there = lambda tensors, rows: tensors[0].expand(rows, -1, -1, -1)
    args, boxes = argparse.Namespace(threads=2, item_minutes=5, max_error_share=0), []
    job = Compute(step, "ocr", args, Ranks(), count, lambda row, values: boxes.append(values["ocr"]))
    began = time.thread_time()
    job.run(rows, Silent(), after_batch=lambda *done: None)
    spent = (time.thread_time() - began) / count * 1000
    assert len(boxes) == count
    assert min(boxes) >= 1
    return spent


if __name__ == "__main__":
    main()
