"""Strips: a few frames of each pictured clip side by side, many clips on a sheet, within a budget of bytes."""

import io
import sys
from collections.abc import Iterable

import numpy as np
from PIL import Image

from clipmill.engine.rejects import Reject
from clipmill.videos import frames

CELL = (128, 72)
"""Width and height of a frame on a sheet, pixels."""
MOMENTS = (0.125, 0.375, 0.625, 0.875)
"""The moments of a clip that are shown: 0 is its first frame, 1 its last."""
ROWS = 50
"""Strips of a sheet, one below the other."""
QUALITIES = (62, 50, 40, 30, 20, 10, 3)
"""WebP qualities, tried in turn until the sheets fit."""
BEHIND = (24, 24, 27)
"""The colour beside a picture of another shape."""


def drawn(store: frames.Store, rows: Iterable[dict]) -> list[np.ndarray | None]:
    """For each clip its frames side by side, uint8 RGB of 72 x 512; None where they cannot be read, which is said."""
    found, faults = [], []
    for row in rows:
        try:
            images = frames.read(store, row, MOMENTS if row["num_frames"] != "1" else (0.5,))
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


def sheets(strips: Iterable[np.ndarray], budget: int) -> list[bytes]:
    """The strips as WebP sheets of ROWS strips, at the best quality at which they take at most `budget` bytes."""
    strips = list(strips)
    drawn = [Image.fromarray(np.concatenate(strips[at : at + ROWS])) for at in range(0, len(strips), ROWS)]
    for quality in QUALITIES:
        found = []
        for sheet in drawn:
            with io.BytesIO() as file:
                sheet.save(file, "webp", quality=quality, method=3)
                found.append(file.getvalue())
            if sum(map(len, found)) * len(drawn) > 1.1 * budget * len(found) and quality != QUALITIES[-1]:
                break
        if len(found) == len(drawn) and sum(map(len, found)) <= budget:
            break
    return found
