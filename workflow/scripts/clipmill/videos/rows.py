"""Those rows of a picture that a scan looks at in every frame, converted to colours without the others.

What is compared of a frame is a twentieth of it or less: PySceneDetect's bilinear downscale takes one or two rows of
five or more. ffmpeg converts an 8-bit 4:2:0 picture pixel by pixel, each with the chroma of its block of 2x2. So the
wanted rows, each with its row of chroma, make up a 4:2:2 picture that is converted to the same values.

Whether they are the same, to the last bit, is tried on noise, once for every kind of picture; where not, all is
converted.
"""

import random
from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from clipmill.videos import pictures
from clipmill.videos.content import compared_size

PIXELS = 80, 48
"""Columns and lines of single pixels that are seen of every frame: no means, so that noise tells frames apart."""
ALONE = {"yuv420p": "yuv422p", "yuvj420p": "yuvj422p"}
"""Formats of which rows can be picked, and the format of a picture in which each row has chroma of its own."""
LEAST = 0.7
"""Share of the rows from which picking them saves nothing."""


def compared(image: np.ndarray, dst: np.ndarray | None = None) -> np.ndarray:
    """A whole upright picture in the size in which PySceneDetect compares; the same object where it has it."""
    size = compared_size(image.shape[1], image.shape[0])
    return image if size == image.shape[1::-1] else cv2.resize(image, size, dst=dst, interpolation=cv2.INTER_LINEAR)


def pixels(image: np.ndarray) -> np.ndarray:
    """Single pixels, of the size PIXELS, of a picture."""
    return cv2.resize(image, PIXELS, interpolation=cv2.INTER_NEAREST)


class Rows:
    """The picked rows of pictures of one size, in buffers that are kept."""

    def __init__(self, picture: av.VideoFrame):
        width, height = picture.width, picture.height
        self.size = compared_size(width, height)
        self.colours = VideoReformatter()
        self.small: np.ndarray | None = None
        lines, lone = self.size[1], np.arange(PIXELS[1])
        factor = height / lines
        whole = factor % 2 == 1  # then there is one row, not a weighted pair
        # Less an even number, so that pairs keep their weights; 2 or more, so that they do not share a row.
        self.rows = round(lines * (1 if whole else 2 + factor % 2))
        of, to = ((np.arange(lines) + 0.5) * part - 0.5 for part in (factor, self.rows / lines))
        self.of = np.zeros(self.rows + len(lone), int)  # of rows that lie between pairs it does not matter
        for second in (0,) if whole else (0, 1):
            self.of[to.astype(int) + second] = of.astype(int) + second
        self.of[self.rows :] = lone * (height / len(lone))
        self.worth = len(self.of) < LEAST * height
        self.picked = av.VideoFrame(width, len(self.of), ALONE[picture.format.name])
        self.planes = planes(self.picked)

    def convert(self, picture: av.VideoFrame) -> tuple[np.ndarray, np.ndarray]:
        """(`compared`, `pixels`) of a picture that is upright; the first is good until the next call."""
        for plane, picked, of in zip(planes(picture), self.planes, (self.of, self.of // 2, self.of // 2), strict=True):
            plane.take(of, 0, picked, "clip")
        self.picked.colorspace, self.picked.color_range = picture.colorspace, picture.color_range
        image = pictures.bgr(self.picked, self.colours)
        self.small = cv2.resize(image[: self.rows], self.size, dst=self.small, interpolation=cv2.INTER_LINEAR)
        return self.small, pixels(image[self.rows :])


def planes(picture: av.VideoFrame) -> list[np.ndarray]:
    """The planes of an 8-bit picture, height x width, as they lie in its memory."""
    return [
        np.ndarray((plane.height, plane.width), np.uint8, plane, strides=(plane.line_size, 1))
        for plane in picture.planes
    ]


def kind(picture: av.VideoFrame) -> tuple:
    """What the conversion of a picture depends on, besides its pixels."""
    return picture.format.name, picture.width, picture.height, int(picture.colorspace), int(picture.color_range)


@cache
def same(form: str, width: int, height: int, colorspace: int, color_range: int) -> bool:
    """Whether picked rows of pictures of this `kind` become what they are in the whole picture, and cost less."""
    if form not in ALONE or compared_size(width, height) == (width, height):
        return False
    picture = noise(form, width, height, colorspace, color_range)
    rows, whole = Rows(picture), pictures.bgr(picture)
    wanted = compared(whole), pixels(whole)
    return rows.worth and all(np.array_equal(*both) for both in zip(rows.convert(picture), wanted, strict=True))


def noise(form: str, width: int, height: int, colorspace: int, color_range: int, seed: int = 0) -> av.VideoFrame:
    """A picture of this `kind`, of 8 bits, whose every value is random."""
    picture, source = av.VideoFrame(width, height, form), random.Random(seed)
    picture.colorspace, picture.color_range = colorspace, color_range
    for plane in planes(picture):
        plane[:] = np.frombuffer(source.randbytes(plane.size), np.uint8).reshape(plane.shape)
    return picture
