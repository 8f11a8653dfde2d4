"""The technical quality of a video: what its meters see in the one pass of a scan.

`Meters` watches next to the cut detector: every frame as a few pixels, every stored frame whole. It keeps small numbers
per frame (a `Series`, a few bytes), from which `grades` makes the columns of any span: other spans of the same video
(other `clips` settings) need no other look at it.
"""

import base64
import io
from array import array
from typing import NamedTuple

import cv2
import numpy as np

from clipmill.videos import meters, pictures
from clipmill.videos.coherence import Thumbnails
from clipmill.videos.rows import PIXELS
from clipmill.videos.view import View

BLOCK = 64
"""Frames that are measured at once."""
BLACK, BLACK_SHARE = 26, 0.98
"""ffmpeg's blackdetect: a pixel under 10 % is black, a frame with 98 % of such pixels is."""
SAME, STEP = 0.25, 0.02
"""ffmpeg's freezedetect: a mean difference of 0.1 % of 255 is none. Differences are kept in steps of `STEP`."""
HOLD = 0.5
"""Seconds for which a picture stays the same to be frozen; animation on twos or threes is not."""
FLASH, DARKER, FLASH_SECONDS = 0.1, 0.8, 1 / 3
"""ITU-R BT.1702, WCAG 2.3.1: a pair of opposing changes of the relative luminance by 10 % of the most, of which the
darker is under 0.8; here within a third of a second, so that three fit into a second."""
COMBED = 0.02
"""Share of a picture's tiles that is combed where the picture is."""
UNEVEN, TICK_SECONDS = 0.1, 0.00101
"""A frame time is another one where it differs by 10 %, and by more than the millisecond that containers round to."""
LEAST = 2, 0.005
"""Pixels and share of a side under which a border is none."""
MARGIN = 2
"""Pixels that are cut away inside of a border, as its edge is blurred."""

SOUND = ("loudness", "silence")
COLUMNS = (
    *("borders", "crop", "blur", "light", "clipped", "noise", "blocks"),
    *("combed", "deinterlace", "frozen", "slideshow", "black", "flashes", "vfr", "bitrate", *SOUND),
)
"""Of each clip; a still image has those of the first line.

borders: share of the picture's area that is black borders. crop: the box within them in pixels, "x y width height of
width height", empty where there are none. blur: 0-1. light: mean luma, 0-1. clipped: share of pixels at black or white.
noise: its standard deviation, levels of 255. blocks: ratio, 1 for none. combed: share of the stored frames that show
combs. deinterlace: "yes" where that is a tenth or more. frozen: share of the time in which the picture stands still for
half a second or more. slideshow: the same where there are several such pictures, otherwise 0. black: share of the time.
flashes: the most within a second. vfr: share of the frames whose length differs from the usual one. bitrate: kbit/s of
the pictures. loudness: LUFS. silence: share of the time.
"""
SAMPLE = ("left", "top", "right", "bottom", "edges", "light", "clipped", "blur", "noise", "combed", "blocks")


class Series(NamedTuple):
    """What is kept of a video, as arrays over its frames, its stored frames and its tenths of a second."""

    luma: np.ndarray
    """Mean luma of each frame, uint8."""
    change: np.ndarray
    """Mean difference from the frame before in steps of STEP, uint8 (255: that or more)."""
    dark: np.ndarray
    """Share of black pixels in each frame, uint8 of 255."""
    sizes: np.ndarray
    """Bytes of each frame's packet, uint32."""
    at: np.ndarray
    """The frame number of each stored frame, int32, rising."""
    samples: np.ndarray
    """SAMPLE of each stored frame, float32; `left` is -1 where all is black."""
    sound: np.ndarray
    """LUFS of each tenth of a second, float32; empty where there is no sound."""

    @property
    def black(self) -> np.ndarray:
        """Whether each frame is black, bool."""
        return self.dark >= round(255 * BLACK_SHARE)

    def text(self) -> str:
        """As text for the memo."""
        file = io.BytesIO()
        np.savez_compressed(file, **self._asdict())
        return base64.b64encode(file.getvalue()).decode()

    @classmethod
    def of(cls, text: str) -> "Series":
        """The series that a text holds."""
        with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as held:
            return cls(**{name: held[name] for name in cls._fields})


class Meters:
    """Watches a scan. An observer like a detector: `feed` takes every frame in order and finds no cuts."""

    def __init__(self):
        self.luma, self.change, self.dark = array("B"), array("B"), array("B")
        self.thumbnails = Thumbnails()
        self.samples: dict[int, list[float]] = {}
        self.last: np.ndarray | None = None
        self.block, self.filled = np.empty((BLOCK, *PIXELS[::-1], 3), np.uint8), 0

    def feed(self, index: int, view: View, rate: float) -> list[int]:
        """Take one frame."""
        self.block[self.filled] = view.pixels
        self.filled += 1
        if self.filled == BLOCK:
            self.measure()
        return []

    def measure(self) -> None:
        """Measure the frames that wait in the block: a call costs more than its work on so few pixels."""
        count, size = self.filled, PIXELS[0] * PIXELS[1]
        stacked = self.block[:count].reshape(-1, PIXELS[0], 3)
        self.filled = 0
        self.thumbnails.add(stacked, count)
        grey = cv2.cvtColor(stacked, cv2.COLOR_BGR2GRAY).reshape(count, size)
        before = np.concatenate([grey[:1] if self.last is None else self.last, grey[:-1]])
        apart = cv2.absdiff(grey, before).sum(axis=1, dtype=np.int64) / size
        if self.last is None:
            apart[0] = 255.0
        self.last = grey[-1:]
        self.luma.frombytes(_bytes(grey.sum(axis=1, dtype=np.int64) * (1 / size)))
        self.change.frombytes(_bytes(apart / STEP))
        self.dark.frombytes(_bytes(255 * (grey < BLACK).sum(axis=1) // size))

    def look(self, index: int, coded: np.ndarray, small: np.ndarray, pose: pictures.Pose = pictures.UPRIGHT) -> None:
        """Take a stored frame: as coded (HxWx3 BGR uint8), and upright as it is stored."""
        seen, shown = meters.Seen.of(coded), cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        found = meters.borders(seen)
        borders = found.turned(pose) if found else meters.Borders(-1, 0, 0, 0)
        inside = _inside(shown, borders) if found else shown
        edges = sum(edge << side for side, edge in enumerate(borders.edges))
        light, clipped = cv2.mean(inside)[0] / 255, 1 - cv2.countNonZero(cv2.inRange(inside, 4, 251)) / inside.size
        measured = light, clipped, meters.blur(inside), meters.noise(seen), meters.combs(seen), meters.blocks(seen)
        self.samples[index] = [*borders[:4], edges, *measured]

    def series(self, pts: list[int], packets=((), ()), sound: np.ndarray | None = None) -> Series:
        """All that was seen of a video: `pts`, its frames' times; `packets`: times and sizes of what was decoded."""
        if self.filled:
            self.measure()
        at = sorted(self.samples)
        return Series(
            *(np.frombuffer(kept, np.uint8) for kept in (self.luma, self.change, self.dark)),
            _sizes(pts, *packets),
            np.array(at, np.int32),
            np.array([self.samples[index] for index in at], np.float32).reshape(-1, len(SAMPLE)),
            np.zeros(0, np.float32) if sound is None else sound,
        )


def _bytes(values: np.ndarray) -> bytes:
    """Numbers as one byte each, rounded, 255 at most."""
    return np.minimum(np.rint(values), 255).astype(np.uint8).tobytes()


def _inside(picture: np.ndarray, borders: meters.Borders) -> np.ndarray:
    """The part of a picture within its borders."""
    height, width = picture.shape[:2]
    left, right = round(borders.left * width), round(borders.right * width)
    top, bottom = round(borders.top * height), round(borders.bottom * height)
    inside = picture[top : height - bottom, left : width - right]
    return inside if inside.size else picture


def _sizes(pts: list[int], times, sizes) -> np.ndarray:
    """Bytes per frame: each packet counts for the frame that is shown at its time."""
    where = np.searchsorted(np.array(pts), np.array(times, np.int64), side="right") - 1
    weights = np.array(sizes, np.int64)
    return np.bincount(np.clip(where, 0, len(pts) - 1), weights, len(pts)).astype(np.uint32)
