"""What is done to a clip's frames before anyone sees them: combs are removed, black borders cut away.

Both by ffmpeg's own filters, on the frames as coded. What is to be done stands in the clip's row, in the columns `crop`
and `deinterlace` that the scan decided.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np

from clipmill.videos import pictures
from clipmill.videos.reader import Frame

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""
COLUMNS = ("crop", "deinterlace")
"""What a step depends on that sees the frames of a clip."""


def written(box: Box, size: tuple[int, int]) -> str:
    """The column `crop`: a box in a picture of `size` (height, width) as shown; empty where it is the whole picture."""
    return "" if box[2:] == (size[1], size[0]) else f"{' '.join(map(str, box))} of {size[1]} {size[0]}"


def box_of(row: dict) -> tuple[Box, tuple[int, int]] | None:
    """The box that a clip's row asks for, and the (height, width) of the whole picture, in pixels as shown."""
    crop = row.get("crop")
    if not crop:
        return None
    box, _, size = crop.partition(" of ")
    return tuple(map(int, box.split())), tuple(map(int, reversed(size.split())))


def cropped(image: np.ndarray, row: dict) -> np.ndarray:
    """The part of a picture (H x W, upright, of any scale) that a clip's row asks for.

    Pixels of which a part lies outside are left out.
    """
    found = box_of(row)
    if found is None:
        return image
    (x, y, width, height), whole = found
    down, across = image.shape[0] / whole[0], image.shape[1] / whole[1]
    top, left = int(np.ceil(y * down)), int(np.ceil(x * across))
    bottom, right = max(top + 1, int((y + height) * down)), max(left + 1, int((x + width) * across))
    return np.ascontiguousarray(image[top:bottom, left:right])


def filtered(frames: Iterator[Frame], row: dict, aspect: Fraction | None, deinterlace: bool = True) -> Iterator[Frame]:
    """The frames of a clip as its row asks for them: the same number, with their own times.

    `aspect`: the stream's sample aspect ratio. Without `deinterlace` they are only cropped.
    """
    box, _ = box_of(row) or (None, None)
    combed = deinterlace and bool(row.get("deinterlace"))
    if box is None and not combed:
        yield from frames
        return
    graph, waiting = None, deque()
    for frame in frames:
        graph = graph or _graph(frame.picture, box and coded_box(box, frame.picture, aspect), combed)
        waiting.append(frame)
        graph.push(frame.picture)
        for picture in _ready(graph):
            yield replace(waiting.popleft(), picture=picture)
    if graph:
        graph.push(None)
        for picture in _ready(graph):
            yield replace(waiting.popleft(), picture=picture)


def _graph(picture: av.VideoFrame, box: Box | None, combed: bool) -> av.filter.Graph:
    graph = av.filter.Graph()
    form = picture.format.name
    size, tick = {"width": picture.width, "height": picture.height}, picture.time_base or Fraction(1, 1000)
    chain = [graph.add_buffer(**size, format=form, time_base=tick)]
    if combed:
        chain.append(graph.add("bwdif", "mode=send_frame:deint=all"))
    if box:
        x, y, width, height = box
        # The copy has lines of its own: those of a cropped picture reach beyond its end.
        chain += [graph.add("crop", f"{width}:{height}:{x}:{y}"), graph.add("copy")]
    chain.append(graph.add("buffersink"))
    graph.link_nodes(*chain).configure()
    return graph


def _ready(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def coded_box(box: Box, picture: av.VideoFrame, aspect: Fraction | None) -> Box:
    """The same box in the pixels of the picture as it is coded, on even pixels as chroma asks for."""
    height, width = pictures.shown_size(picture, aspect)
    posed = pictures.pose(picture)
    x, y, across, down = box
    x = width - x - across if posed.mirrored else x
    y = height - y - down if posed.flipped else y
    if posed.transposed:
        x, y, across, down, width, height = y, x, down, across, height, width
    scale = picture.width / width
    left, right = round(x * scale / 2) * 2, round((x + across) * scale / 2) * 2
    top, bottom = round(y / 2) * 2, round((y + down) / 2) * 2
    return left, top, min(right, picture.width) - left, min(bottom, picture.height) - top
