"""Clips in a frame store, made from photographs, and a step run on them in this process."""

from pathlib import Path

import cv2
import numpy as np
import torch
from clipmill.engine.tables import number
from clipmill.videos import frames
from skimage import data

# As in a rank: the launcher gives each its share of the CPUs.
torch.set_num_threads(1)

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def photograph(name: str) -> np.ndarray:
    """A photograph that comes inside scikit-image, HxWx3 RGB uint8."""
    picture = getattr(data, name)()
    return picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)


def clips(folder: Path, count: int = 7) -> list[dict]:
    """Rows of `count` clips of different lengths and sizes, whose frames lie half a second apart in a store."""
    rows = []
    for index in range(count):
        picture = cv2.resize(photograph(NAMES[index % len(NAMES)]), (320, 180) if index % 3 else (180, 320))
        length = 1 + index % 3
        row = {
            "id": f"{index:016x}-00000000",
            "video_id": f"{index:016x}",
            "relpath": f"{index}.mp4",
            "start_frame": "0",
            "end_frame": str(12 * length + 1),
            "num_frames": str(12 * length + 1),
            "start": "0",
            "end": str(length / 2),
            "text": f"a picture of the {NAMES[index % len(NAMES)]}. " * (1 + 3 * index),
        }
        pictures = {
            12 * beat: (beat / 2, frames.encode(np.roll(picture, 4 * beat, axis=1)[..., ::-1], 95))
            for beat in range(length + 1)
        }
        frames.write(frames.Store(folder, folder).path(row["video_id"]), pictures)
        rows.append(row)
    return rows


def run(kind, settings: dict, folder: Path, rows: list[dict], batch: int) -> list[dict]:
    """What a step makes of rows, as it stands in a table, in batches of `batch`."""
    step = kind(settings | {"batch": batch}, folder, folder, folder)
    step.load()
    made = []
    for first in range(0, len(rows), batch):
        mine = rows[first : first + batch]
        made += step.compute(mine, [step.prepare(row) for row in mine])
    return [{name: number(value) for name, value in values.items()} for values in made]
