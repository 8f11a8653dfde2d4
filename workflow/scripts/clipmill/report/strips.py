"""Strips: a few frames of each pictured clip side by side, within a budget of bytes."""

import io
import sys
from collections.abc import Iterable

import numpy as np
from PIL import Image

from clipmill.engine.rejects import Reject
from clipmill.report.stores import Stores
from clipmill.videos import frames

CELL = (128, 72)
"""Width and height of a frame, pixels."""
MOMENTS = (0.125, 0.375, 0.625, 0.875)
"""The moments of a clip that are shown: 0 is its first frame, 1 its last."""
QUALITIES = (62, 50, 40, 30, 20, 10, 3)
"""WebP qualities, tried in turn until the strips fit."""
BEHIND = (24, 24, 27)
"""The colour beside a picture of another shape."""


def drawn(stores: Stores, rows: Iterable[dict]) -> list[np.ndarray | None]:
    """For each clip its frames side by side, uint8 RGB of 72 x 512; None where they cannot be read, which is said."""
    found, faults = [], []
    for row in rows:
        try:
            images = frames.read(stores.of(row), row, MOMENTS if row["num_frames"] != "1" else (0.5,))
            cells = [_cell(image) for image in images] * (1 if len(images) > 1 else len(MOMENTS))
            found.append(np.concatenate(cells, axis=1))
        except (Reject, OSError, ValueError) as error:
            found.append(None)
            faults.append(f"{row['id']}: {error}")
    if faults:
        print(f"{len(faults)} of {len(found)} clips have no pictures, such as {faults[0]}", file=sys.stderr)
    return found


def _cell(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail(CELL, Image.Resampling.BOX if min(picture.size) > 4 * CELL[1] else Image.Resampling.LANCZOS)
    cell = Image.new("RGB", CELL, BEHIND)
    cell.paste(picture, ((CELL[0] - picture.width) // 2, (CELL[1] - picture.height) // 2))
    return np.asarray(cell)


def encoded(strips: list[np.ndarray], budget: int) -> list[bytes]:
    """Each strip as WebP, at the best of QUALITIES at which all take at most `budget` bytes.

    One picture per strip: a browser decodes what it shows, and nothing else.
    """
    found: list[bytes] = []
    for quality in QUALITIES:
        found = []
        for strip in strips:
            with io.BytesIO() as file:
                Image.fromarray(strip).save(file, "webp", quality=quality, method=3)
                found.append(file.getvalue())
            is_certain = len(found) % 50 == 0 and sum(map(len, found)) / len(found) * len(strips) > 1.1 * budget
            if is_certain and quality != QUALITIES[-1]:
                break
        if len(found) == len(strips) and sum(map(len, found)) <= budget:
            break
    return found
