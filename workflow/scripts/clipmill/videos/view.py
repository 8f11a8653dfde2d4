"""What the observers of a scan see of a frame. Each size is made only where it is asked for."""

from functools import cached_property

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from clipmill.videos import pictures
from clipmill.videos.content import compared_size

PIXELS = 80, 48
"""Columns and lines of single pixels that are seen of every frame: no means, so that noise tells frames apart."""


class Viewer:
    """Makes the views of one video's frames, one after the other, with buffers that are kept."""

    def __init__(self):
        self.colours = VideoReformatter()
        self.small: np.ndarray | None = None

    def __call__(self, picture: av.VideoFrame) -> "View":
        """The view of the next frame."""
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

    @cached_property
    def compared(self) -> np.ndarray:
        """The frame upright, in the size in which PySceneDetect compares frames."""
        whole = self.upright
        size = compared_size(whole.shape[1], whole.shape[0])
        if size == (whole.shape[1], whole.shape[0]):
            return whole
        self.viewer.small = cv2.resize(whole, size, dst=self.viewer.small, interpolation=cv2.INTER_LINEAR)
        return self.viewer.small

    @cached_property
    def pixels(self) -> np.ndarray:
        """Single pixels of the frame upright, of the size PIXELS."""
        return cv2.resize(self.upright, PIXELS, interpolation=cv2.INTER_NEAREST)
