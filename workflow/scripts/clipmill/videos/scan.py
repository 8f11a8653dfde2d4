"""The one pass over a video or an image: its true measures, its scenes, and its frame store."""

import json
from bisect import bisect_left
from collections import deque
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from clipmill.engine.rejects import Reject
from clipmill.videos import coherence, damage, frames, images, loudness, pictures
from clipmill.videos.containers import sound_stream
from clipmill.videos.detectors import DETECTORS
from clipmill.videos.quality import Meters
from clipmill.videos.reader import SAME_TIME, Frame, Reader
from clipmill.videos.scenes import Scene, packed
from clipmill.videos.view import View, Viewer

RECENT = 4
"""Recent frames kept, so that the last one before a cut is available when the detector (two frames late) reports it."""


def scan_image(path: Path, target: Path, settings: dict) -> dict:
    """Measures and the one stored frame of a still image, as people see it.

    `target`: its frame store; `settings` hold `frames`. Raises Reject where it cannot be read.
    """
    still = images.read(path)
    image = np.asarray(still.picture)
    size = pictures.shrunk(image.shape[:2], settings["frames"]["short_side"])
    image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    meters = Meters()
    meters.look(0, image, small)
    frames.write(target, {0: (0.0, frames.encode(small, settings["frames"]["quality"]))})
    measures = pictures.measures(image.shape[:2])
    return {"num_frames": 1, **measures, "codec": still.codec, "meters": meters.series([0]).text()}


class Scan:
    """The one pass over one video.

    `path`: the video; `target`: the frame store to write; `settings`: `detector`, `detectors`, `frames` and `quality`;
    `device`: where a detector with a network runs it.
    """

    def __init__(self, path: Path, target: Path, settings: dict, device: str = "cpu"):
        self.path, self.target, self.settings = path, target, settings["frames"]
        self.detector = DETECTORS[settings["detector"]](settings["detectors"][settings["detector"]], device)
        self.meters, self.viewer = Meters(), Viewer()
        self.observers = [self.detector, self.meters]
        self.sound = settings["quality"]["sound"]
        self.pts: list[int] = []
        self.stored: set[int] = set()
        self.interlaced = 0
        self.recent: deque = deque(maxlen=RECENT)
        self.size: tuple[int, int] | None = None

    def run(self) -> dict:
        """The columns of the video. Raises Reject where it cannot be read whole."""
        with frames.writing(self.target) as self.put:
            return self.scan()

    def scan(self) -> dict:
        """Read the video, find its scenes and return its columns."""
        with Reader(self.path) as reader:
            self.aspect, self.tick = reader.stream.sample_aspect_ratio, reader.tick
            self.read(reader)
            sound = sound_stream(reader.container, reader.stream)
            about = {"codec": reader.stream.codec_context.name, "audio": sound.codec_context.name if sound else ""}
            average = reader.rate
            damaged = reader.damage.spans(self.pts)
            end = self.seconds(len(self.pts) - 1) + self.last
            promised = damage.promised(reader.container, reader.stream, self.path, end)
            begin = float(self.pts[0] * self.tick)
            packets = reader.damage.times, reader.damage.sizes
        scenes = self.detector.scenes(len(self.pts))
        self.complete(scenes)
        sound = loudness.levels(self.path, begin) if sound and self.sound else None
        meters = self.meters.series(self.pts, packets, sound).text()
        seen = self.meters.thumbnails.array()
        return {
            "num_frames": len(self.pts),
            **pictures.measures(self.size),
            "fps": float(average) if damaged else rate(average, len(self.pts) - 1, self.seconds(-1)),
            "duration": end,
            **about,
            "interlaced": self.interlaced / len(self.pts),
            "scenes": json.dumps(scenes),
            "joints": json.dumps(coherence.joints(seen, scenes)),
            "transitions": json.dumps(coherence.transitions(seen, scenes)),
            "times": packed([*self.pts, self.pts[-1] + round(self.last / self.tick)]),
            "tick": str(self.tick),
            "damaged": json.dumps(damaged),
            "promised": promised,
            "meters": meters,
        }

    def read(self, reader: Reader) -> None:
        """Feed the detector and keep the frames on the grid."""
        grid, rate, coded = frames.Grid(self.settings["fps"]), float(reader.rate), None
        for frame in reader.frames():
            picture = frame.picture
            if coded is not None and coded != (picture.height, picture.width):
                raise Reject("the picture's size changes", f"at frame {frame.index}")
            coded = (picture.height, picture.width)
            self.size = self.size or pictures.shown_size(picture, self.aspect)
            view, wanted = self.viewer(picture), grid.wants(frame.seconds)
            if wanted:
                view.whole()
            cuts = [cut for observer in self.observers for cut in observer.feed(frame.index, view, rate)]
            self.pts.append(frame.pts)
            self.interlaced += picture.interlaced_frame
            self.recent.append(frame)
            if wanted:
                self.keep(frame, view)
            for cut in cuts:
                self.keep_cut(cut)
        self.keep(self.recent[-1])
        self.last = float((picture.duration or reader.step) * self.tick)

    def keep_cut(self, cut: int) -> None:
        """Keep the frames on both sides of a cut that was just found."""
        for frame in self.recent:
            if frame.index in (cut - 1, cut):
                self.keep(frame)

    def keep(self, frame: Frame, view: View | None = None) -> None:
        """Store a frame once; `view` where it is at hand."""
        if frame.index not in self.stored:
            size = pictures.shrunk(self.size, self.settings["short_side"])
            view = view or self.viewer(frame.picture)
            small = view.stored(size)
            self.meters.look(frame.index, view.coded, small, view.pose)
            self.put(frame.index, self.seconds(frame.index), frames.encode(small, self.settings["quality"]))
            self.stored.add(frame.index)

    def complete(self, scenes: list[Scene]) -> None:
        """Read again what a late detector left out: each scene has its first, its last and one more frame, or as many
        frames as are enough for the detector."""
        held = sorted(self.stored)
        for begin, end in scenes:
            if bisect_left(held, end) - bisect_left(held, begin) >= self.detector.enough:
                continue
            between = any(begin < index < end - 1 for index in self.stored)
            wanted = {begin, end - 1} if between else {begin, (begin + end) // 2, end - 1}
            missing = {index for index in wanted if begin <= index < end} - self.stored
            if missing:
                first, last = min(missing), max(missing)
                with Reader(self.path) as reader:
                    for frame in reader.span(self.seconds(first), self.seconds(last) + 2 * SAME_TIME, first):
                        # By its time: behind damage a seek may find other frames than the first pass did.
                        index = bisect_left(self.pts, frame.pts)
                        if index in missing and self.pts[index] == frame.pts:
                            self.keep(replace(frame, index=index))

    def seconds(self, index: int) -> float:
        """Seconds of a frame from the first one on."""
        return (self.pts[index] - self.pts[0]) * self.tick.numerator / self.tick.denominator


def rate(average: Fraction, steps: int, seconds: float) -> float:
    """A header's rate where `steps` from frame to frame in so many seconds agree with it within 1 %, otherwise their
    mean rate."""
    if not steps:
        return float(average)
    return float(average) if abs(steps / seconds / float(average) - 1) < 0.01 else steps / seconds
