"""Scan videos: one decoding pass gives the true length, the shot boundaries and the frame store.

A still image is a video of one frame.

Example: python workflow/scripts/scan_videos.py --table shard.csv --out out.csv --memo memo --store frames --videos DIR
"""

import base64
import json
import zlib
from collections import deque
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
from clipmill import frames, video
from clipmill.detectors import DETECTORS, Scene
from clipmill.step import ItemError, Step, main

RECENT = 4
"""Frames kept at hand, so that the last frame before a cut is there when the detector (two frames late) tells it."""


class ScanVideos(Step):
    """A file's true measures, its scenes, and its frame store."""

    columns = (
        "num_frames",
        "height",
        "width",
        "aspect_ratio",
        "fps",
        "resolution",
        "duration",
        "codec",
        "audio",
        "clips",
    )
    hidden = ("scenes", "times", "tick")
    reads = ("kind", "bytes")
    parallel = True

    def compute(self, rows: list[dict], prepared: list) -> list[dict]:
        return [self.scan_image(row) if row["kind"] == "image" else Scan(self, row).run() for row in rows]

    def valid(self, row: dict, remembered: dict) -> bool:
        return self.store.path(row["id"]).exists()

    def finish(self, row: dict, values: dict) -> dict:
        """Scenes become clips: too short ones are marked, too long ones split evenly."""
        if int(values["num_frames"]) < self.settings["fmin"]:
            raise ItemError("fewer frames than fmin", f"{values['num_frames']} < {self.settings['fmin']}")
        if row["kind"] == "image":
            clips = [[0, 0, 1, "", "", ""]]
        else:
            clips = split(json.loads(values["scenes"]), seconds_of(values), self.settings["clips"])
        return {**values, "clips": json.dumps(clips)}

    def scan_image(self, row: dict) -> dict:
        """Measures and the one stored frame of a still image, turned upright by its EXIF tag."""
        from PIL import Image, UnidentifiedImageError

        path = self.source(row)
        if path.stat().st_size == 0:
            raise ItemError("empty file")
        try:
            with Image.open(path) as opened:
                codec = (opened.format or "").lower()
                image = np.asarray(video.photograph(opened))
        except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # Pillow's own, of a damaged file, have no number
                raise
            raise ItemError("not a readable image", str(error)) from error
        size = video.shrunk(image.shape[:2], self.settings["frames"]["short_side"])
        small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), size[::-1], interpolation=cv2.INTER_AREA)
        jpeg = frames.encode(small, self.settings["frames"]["quality"])
        frames.write(self.store.path(row["id"]), {0: (0.0, jpeg)})
        return {"num_frames": 1, **measures(image.shape[:2]), "codec": codec}


class Scan:
    """The one pass over one video."""

    def __init__(self, step: ScanVideos, row: dict):
        self.path, self.target = step.source(row), step.store.path(row["id"])
        self.settings = step.settings["frames"]
        self.detector = DETECTORS[step.settings["detector"]](step.settings["detectors"][step.settings["detector"]])
        self.pts: list[int] = []
        self.stored: set[int] = set()
        self.recent: deque = deque(maxlen=RECENT)
        self.size: tuple[int, int] | None = None

    def run(self) -> dict:
        with frames.writing(self.target) as self.put:
            return self.scan()

    def scan(self) -> dict:
        with video.Reader(self.path) as reader:
            self.aspect, self.tick = reader.stream.sample_aspect_ratio, reader.tick
            if reader.container.format.name.endswith("_pipe"):
                raise ItemError("a picture, not a video", f"its content is {reader.container.format.name}")
            self.read(reader)
            audio = next((stream.codec_context for stream in reader.container.streams.audio), None)
            about = {"codec": reader.stream.codec_context.name, "audio": audio.name if audio else ""}
            average = reader.rate
        scenes = self.detector.scenes(len(self.pts))
        self.complete(scenes)
        duration = self.seconds(len(self.pts) - 1) + self.last
        return {
            "num_frames": len(self.pts),
            **measures(self.size),
            "fps": self.fps(average),
            "duration": duration,
            **about,
            "scenes": json.dumps(scenes),
            "times": packed([*self.pts, self.pts[-1] + round(self.last / self.tick)]),
            "tick": str(self.tick),
        }

    def read(self, reader: video.Reader) -> None:
        """Feed the detector and keep the frames on the grid."""
        grid, rate, coded = frames.Grid(self.settings["fps"]), float(reader.rate), None
        for frame in reader.frames():
            picture = frame.picture
            if coded is not None and coded != (picture.height, picture.width):
                raise ItemError("the picture's size changes", f"at frame {frame.index}")
            coded = (picture.height, picture.width)
            self.size = self.size or video.shown_size(picture, self.aspect)
            image = video.bgr(picture)
            before = len(getattr(self.detector, "cuts", ()))
            self.detector.feed(frame.index, video.turn(image, picture.rotation), rate)
            self.pts.append(frame.pts)
            self.recent.append((frame, image))
            if grid.wants(frame.seconds):
                self.keep(frame, image)
            if len(getattr(self.detector, "cuts", ())) > before:
                self.keep_cut(max(self.detector.cuts))
        self.keep(*self.recent[-1])
        self.last = float((picture.duration or reader.step) * self.tick)

    def keep_cut(self, cut: int) -> None:
        """Keep the frames on both sides of a cut just told."""
        for frame, image in self.recent:
            if frame.index in (cut - 1, cut):
                self.keep(frame, image)

    def keep(self, frame: video.Frame, image: np.ndarray | None = None) -> None:
        if frame.index not in self.stored:
            size = video.shrunk(self.size, self.settings["short_side"])
            jpeg = frames.encode(video.upright(frame.picture, size, image), self.settings["quality"])
            self.put(frame.index, self.seconds(frame.index), jpeg)
            self.stored.add(frame.index)

    def complete(self, scenes: list[Scene]) -> None:
        """Read again what a late detector left out: each scene has its first, its last and one more frame."""
        for begin, end in scenes:
            between = any(begin < index < end - 1 for index in self.stored)
            wanted = {begin, end - 1} if between else {begin, (begin + end) // 2, end - 1}
            missing = {index for index in wanted if begin <= index < end} - self.stored
            if missing:
                first, last = min(missing), max(missing)
                with video.Reader(self.path) as reader:
                    for frame in reader.span(self.seconds(first), self.seconds(last) + 2 * video.SAME, first):
                        if frame.index in missing:
                            self.keep(frame)

    def seconds(self, index: int) -> float:
        return float((self.pts[index] - self.pts[0]) * self.tick)

    def fps(self, average: Fraction) -> float:
        """The header's rate where the timestamps agree with it within 1 %, else the mean rate that they tell."""
        if len(self.pts) < 2:
            return float(average)
        mean = (len(self.pts) - 1) / self.seconds(len(self.pts) - 1)
        return float(average) if abs(mean / float(average) - 1) < 0.01 else mean


def measures(size: tuple[int, int]) -> dict:
    """The reference's columns of a picture's size (height, width)."""
    height, width = size
    return {"height": height, "width": width, "aspect_ratio": height / width, "resolution": height * width}


def packed(pts: list[int]) -> str:
    """Presentation times as text: second differences, deflated; a constant rate takes a few bytes."""
    second = np.diff(np.diff(np.array(pts, np.int64), prepend=0), prepend=0)
    return base64.b64encode(zlib.compress(second.astype("<i8").tobytes())).decode()


def seconds_of(values: dict) -> np.ndarray:
    """The seconds of each frame from the first one, and of the end of the last one."""
    second = np.frombuffer(zlib.decompress(base64.b64decode(values["times"])), "<i8")
    pts = np.cumsum(np.cumsum(second))
    tick = Fraction(values["tick"])
    return (pts - pts[0]) * (tick.numerator / tick.denominator)


def split(scenes: list[Scene], times: np.ndarray, limits: dict) -> list[list]:
    """Clips [scene, first frame, end frame, start, end, reject reason] of a video's scenes.

    A scene longer than `max_seconds` becomes the fewest clips of equal length that are not; nothing is thrown away.
    Scenes shorter than `min_seconds`, and the frames of gradual transitions between scenes, carry a reason.
    """
    clips, done = [], 0
    for number, (begin, end) in enumerate(scenes):
        if begin > done:
            clips.append([number, done, begin, times[done], times[begin], "gradual transition"])
        length = times[end] - times[begin]
        edges = even_edges(times, begin, end, limits["max_seconds"])
        short = "shorter than clips.min_seconds" if length < limits["min_seconds"] - video.SAME else ""
        for first, last in pairwise(edges):
            clips.append([number, first, last, times[first], times[last], short])
        done = end
    return [[*clip[:3], round(float(clip[3]), 4), round(float(clip[4]), 4), clip[5]] for clip in clips]


def even_edges(times: np.ndarray, begin: int, end: int, most: float | None) -> list[int]:
    """`begin`, `end`, and between them the frames that divide the scene into the fewest about equal parts of which none
    is longer than `most` seconds (a single frame may be)."""
    length = times[end] - times[begin]
    for parts in range(max(1, int(length / most)) if most else 1, end - begin + 1):
        inner = np.searchsorted(times, times[begin] + length * np.arange(1, parts) / parts - video.SAME)
        edges = sorted({begin, *inner.tolist(), end})
        if not most or np.diff(times[edges]).max() <= most + video.SAME:
            return edges
    return list(range(begin, end + 1))


if __name__ == "__main__":
    main(ScanVideos, __doc__)
