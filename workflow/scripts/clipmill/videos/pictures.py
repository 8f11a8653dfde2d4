"""A video's pictures as people see them: which way up, how large, in which colours."""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation, VideoReformatter

from clipmill.engine.rejects import Reject

HDR = {16: "pq", 18: "hlg"}
"""AVColorTransferCharacteristic of SMPTE ST 2084 and ARIB STD-B67."""
USUAL = ("yuv420p", "yuvj420p")
"""ffmpeg's names of 8-bit 4:2:0 pictures."""
MATRICES = (0, 1, 2, 4, 5, 6, 7, 9)
"""AVColorSpace that ffmpeg converts: RGB, BT.709, untagged, FCC, BT.470, SMPTE 170M, SMPTE 240M, BT.2020."""
RESERVED = 3
"""AVColorSpace of damaged or careless tags."""


class Pose(NamedTuple):
    """How a frame becomes upright: its rows become columns, then it is mirrored left to right, then top to bottom."""

    transposed: bool
    mirrored: bool
    flipped: bool


UPRIGHT = Pose(False, False, False)


def pose(picture: av.VideoFrame) -> Pose:
    """How a frame becomes upright, by its display matrix; a turn by other than quarters is taken for the nearest."""
    held = SideDataContainer(picture)  # `picture.side_data` would refer to it in a circle, which keeps its memory
    matrix = held.get("DISPLAYMATRIX") if len(held) else None
    if matrix is None:
        return UPRIGHT
    xx, xy, _, yx, yy, *_ = np.frombuffer(matrix, np.int32).tolist()
    transposed = abs(xy) + abs(yx) > abs(xx) + abs(yy)
    return Pose(True, yx < 0, xy < 0) if transposed else Pose(False, xx < 0, yy < 0)


def turn(image: np.ndarray, pose: Pose) -> np.ndarray:
    """An image (H x W, or with channels) turned upright; the same object where it is."""
    if pose == UPRIGHT:
        return image
    image = image.swapaxes(0, 1) if pose.transposed else image
    return np.ascontiguousarray(image[:: -1 if pose.flipped else 1, :: -1 if pose.mirrored else 1])


def reformatted(picture: av.VideoFrame, by: VideoReformatter | None = None, **options) -> av.VideoFrame:
    """`picture.reformat(**options)`, on this thread; by `by` where one is kept, as making one costs as much as what it
    does. Raises Reject where ffmpeg does not convert its colours."""
    matrix = int(picture.colorspace)
    if matrix == RESERVED:
        options = {"src_colorspace": "ITU601", "dst_colorspace": "ITU601"} | options  # as ffmpeg takes untagged ones
    elif matrix not in MATRICES:
        raise Reject("colours that cannot be converted", f"colour matrix {matrix} of ITU-T H.273")
    return (by or VideoReformatter()).reformat(picture, threads=1, **options)


def shown_size(picture: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """(height, width) in square pixels and upright, for a frame and its sample aspect ratio."""
    height, width = picture.height, picture.width
    if aspect and aspect > 0:
        width = round(width * aspect)
    return (width, height) if pose(picture).transposed else (height, width)


def shrunk(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """`size` (height, width) scaled so that its short side is at most `short_side`; never enlarged."""
    factor = min(1.0, short_side / min(size)) if short_side else 1.0
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def measures(size: tuple[int, int]) -> dict:
    """The reference's columns of a picture's size (height, width)."""
    height, width = size
    return {"height": height, "width": width, "aspect_ratio": height / width, "resolution": height * width}


def bgr(picture: av.VideoFrame, by: VideoReformatter | None = None) -> np.ndarray:
    """The frame as coded, HxWx3 BGR uint8 (neither turned nor tone-mapped); `by` as for `reformatted`."""
    return reformatted(picture, by, format="bgr24").to_ndarray()


def upright(picture: av.VideoFrame, size: tuple[int, int], coded: np.ndarray | None = None) -> np.ndarray:
    """The frame as people see it: BGR uint8 of `size` (height, width), upright, square pixels, HDR tone-mapped.

    `coded` is the result of `bgr(picture)` where it is at hand.
    """
    import cv2

    posed = pose(picture)
    flat = size[::-1] if posed.transposed else size
    if int(picture.color_trc) in HDR:
        image = tone_mapped(picture, flat)
    else:
        image = cv2.resize(bgr(picture) if coded is None else coded, flat[::-1], interpolation=cv2.INTER_AREA)
    return turn(image, posed)


def shrunken(picture: av.VideoFrame, size: tuple[int, int], by: VideoReformatter, coded: Callable) -> np.ndarray:
    """As `upright`, but a usual picture (8 bits, 4:2:0) that gets smaller is averaged before its colours are converted,
    at a quarter of the cost; `coded` gives what `bgr` gives. The colours of 99 % of its 8x8 blocks stay within
    2 levels."""
    posed = pose(picture)
    height, width = size[::-1] if posed.transposed else size
    smaller = height < picture.height and width < picture.width
    if not smaller or picture.format.name not in USUAL or int(picture.color_trc) in HDR:
        return upright(picture, size, coded())
    small = reformatted(picture, by, width=width, height=height, format="bgr24", interpolation=Interpolation.AREA)
    return turn(small.to_ndarray(), posed)


def grey(picture: av.VideoFrame, short_side: int, aspect: Fraction | None = None) -> np.ndarray:
    """The frame upright as HxW grey uint8 with its short side at most `short_side` pixels, in square pixels."""
    import cv2

    size = shrunk(shown_size(picture, aspect), short_side)
    posed = pose(picture)
    flat = size[::-1] if posed.transposed else size
    image = reformatted(picture, format="gray").to_ndarray()
    return turn(cv2.resize(image, flat[::-1], interpolation=cv2.INTER_AREA), posed)


def tone_mapped(picture: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """An HDR (PQ or HLG, BT.2020) frame as BT.709 BGR uint8 of `size` (height, width).

    Curves of ITU-R BT.2100, primaries of BT.2087, the extended Reinhard operator with white at 1000 nits over a
    reference white of 203 nits (BT.2408).
    """
    import cv2

    wide = reformatted(picture, width=size[1], height=size[0], format="rgb48le").to_ndarray().astype(np.float32) / 65535
    if HDR[int(picture.color_trc)] == "pq":
        root = np.power(wide, 1 / 78.84375)
        nits = 10000 * np.power(np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)
    else:
        scene = np.where(wide <= 0.5, wide**2 / 3, (np.exp((wide - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        luma = scene @ np.float32([0.2627, 0.6780, 0.0593])
        nits = 1000 * scene * np.power(np.maximum(luma, 1e-6), 0.2)[..., None]
    light = (
        nits / 203 @ np.float32([[1.6605, -0.1246, -0.0182], [-0.5876, 1.1329, -0.1006], [-0.0728, -0.0083, 1.1187]])
    )
    light = np.maximum(light, 0)
    light = light * (1 + light / (1000 / 203) ** 2) / (1 + light)
    coded = np.where(light < 0.018, 4.5 * light, 1.099 * np.power(np.maximum(light, 1e-6), 0.45) - 0.099)
    return cv2.cvtColor((np.clip(coded, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)
