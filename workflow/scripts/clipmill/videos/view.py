"""What the observers of a scan see of a frame. Each size is made only where it is asked for."""

from functools import cached_property

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from clipmill.videos import pictures, rows
from clipmill.videos.rows import Rows


class Viewer:
    """Makes the views of one video's frames, one after the other, with buffers that are kept."""

    def __init__(self):
        self.colours, self.shrinks = VideoReformatter(), VideoReformatter()
        self.small: np.ndarray | None = None
        self.kind, self.rows = None, None

    def __call__(self, picture: av.VideoFrame) -> "View":
        """The view of the next frame."""
        kind = rows.kind(picture)
        if kind != self.kind:
            self.kind, self.rows = kind, Rows(picture) if rows.same(*kind) else None
        return View(self, picture)


class View:
    """A frame, HxWx3 BGR uint8, as one that lies in the buffers of its viewer: good until the next one is made."""

    def __init__(self, viewer: Viewer, picture: av.VideoFrame):
        self.viewer, self.picture = viewer, picture

    @cached_property
    def pose(self) -> pictures.Pose:
        """How the frame becomes upright."""
        return pictures.pose(self.picture)

    @cached_property
    def coded(self) -> np.ndarray:
        """The whole frame as it was coded."""
        return pictures.bgr(self.picture, self.viewer.colours)

    @cached_property
    def upright(self) -> np.ndarray:
        """The whole frame upright, as PySceneDetect's own reader gives it."""
        return pictures.turn(self.coded, self.pose)

    def whole(self) -> None:
        """Make all of it: a frame that will be stored is converted once, not also its rows alone."""
        _ = self.coded

    def stored(self, size: tuple[int, int]) -> np.ndarray:
        """The frame as people see it, of `size` (height, width), for the store."""
        return pictures.shrunken(self.picture, size, self.viewer.shrinks, lambda: self.coded)

    @cached_property
    def alone(self) -> tuple[np.ndarray, np.ndarray] | None:
        """`compared` and `pixels` of picked rows; None where the whole frame is at hand, or needed for them."""
        if self.viewer.rows is None or self.pose != pictures.UPRIGHT or "coded" in self.__dict__:
            return None
        return self.viewer.rows.convert(self.picture)

    @cached_property
    def compared(self) -> np.ndarray:
        """The frame upright, in the size in which PySceneDetect compares frames."""
        if self.alone:
            return self.alone[0]
        self.viewer.small = rows.compared(self.upright, self.viewer.small)
        return self.viewer.small

    @cached_property
    def pixels(self) -> np.ndarray:
        """Single pixels of the frame upright, of the size rows.PIXELS."""
        return self.alone[1] if self.alone else rows.pixels(self.upright)
