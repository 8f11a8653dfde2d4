"""Runs one step on one file, in this process: what a scan or a cut makes of it, without the workflow around."""

import hashlib
import subprocess
from pathlib import Path

import cut_clips
import gather_videos
import imageio_ffmpeg
import numpy as np
import scan_videos
from clipmill.engine import tables
from clipmill.plan.config import check
from clipmill.plan.flow import BY_CLIP
from clipmill.videos import frames, scenes
from clipmill.videos.sources import IMAGES

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"


def ffmpeg(*arguments) -> None:
    """Run the ffmpeg program; its errors fail the test."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    done = subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def rgb(path: Path, number: int = 0) -> np.ndarray:
    """A frame of a file as the ffmpeg program shows it: upright, colours by its tags; H x W x 3, int."""
    import cv2

    picture = path.with_name(f"{path.name}.{number}.png")
    ffmpeg("-i", path, "-vf", f"select=eq(n\\,{number})", "-frames:v", 1, "-update", 1, picture)
    return cv2.imread(str(picture), cv2.IMREAD_COLOR_RGB).astype(int)


class Scanned:
    """What scan_videos reports of one file: `video` (its row), `clips`, `rejects` (rows), `store` (its frame store)."""

    def __init__(self, path: Path, results: Path, **settings):
        config = check(settings, SCHEMA)
        names = ("frames", "detector", "detectors", "fmin", "clips", "quality")
        self.path, self.results = path, results
        settings = {n: config[n] for n in names} | {n: config["cut"][n] for n in BY_CLIP}
        step = scan_videos.ScanVideos(settings, results, path.parent, results / "frames")
        identity = hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()
        row = {"id": identity, "relpath": path.name, "bytes": str(path.stat().st_size)}
        row["kind"] = "image" if path.suffix in IMAGES | {".avif"} else "video"
        (values,) = step.compute([row], [None])
        self.remembered = {name: tables.number(value) for name, value in values.items()}
        finished = step.finish(row, self.remembered)
        self.video = row | {name: tables.number(finished.get(name)) for name in step.columns}
        rows = [{name: str(value) for name, value in clip.items()} for clip in gather_videos.clips_of(self.video)]
        self.clips = [clip for clip in rows if not clip.get("reason")]
        self.rejects = [clip for clip in rows if clip.get("reason")]
        self.store = frames.Store(results / "frames", path.parent)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first frame, end frame) of each clip."""
        return [span(clip) for clip in self.clips]

    @property
    def seconds(self) -> np.ndarray:
        """The presentation time of each frame from the first one on, and of the end of the last."""
        return scenes.seconds_of(self.remembered)

    def clip(self, first: int, end: int) -> dict:
        """The row of a clip of any span."""
        start, stop = (tables.number(float(self.seconds[index])) for index in (first, end))
        place = {"start_frame": str(first), "end_frame": str(end), "start": start, "end": stop}
        return self.clips[0] | place | {"id": f"{self.video['id']}-{first:08d}", "num_frames": str(end - first)}

    def stored(self, clip: dict | None = None) -> list[int]:
        """The numbers of the frames in the store; those of one clip, where one is given."""
        with frames._opened(self.store.path(self.video["id"])) as archive:
            held = [int(name[:8]) for name in archive.names]
        return [number for number in held if not clip or span(clip)[0] <= number < span(clip)[1]]

    def cut(self, clips: list[dict] | None = None, **settings) -> list[dict]:
        """The rows that cut_clips gives for these clips (all), with `file`, the path of each; a fault is raised."""
        results = self.try_cut(clips, **settings)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [{**result, "file": self.results / result["path"]} for result in results]

    def try_cut(self, clips: list[dict] | None = None, **settings) -> list:
        """As `cut`, with the faults of single clips among the results."""
        step = self.cutter(**settings)
        batches = step.batches(self.clips if clips is None else clips)
        return [result for batch in batches for result in step.compute(batch, [None] * len(batch))]

    def cutter(self, **settings) -> cut_clips.CutClips:
        """The step that cuts this file's clips; quick and rough unless told otherwise."""
        block = check({"cut": {"preset": "ultrafast", "crf": 23, **settings}}, SCHEMA)["cut"]
        return cut_clips.CutClips(block, self.results, self.path.parent, self.results / "frames")


def span(clip: dict) -> tuple[int, int]:
    """(first frame, end frame) of a clip's row."""
    return int(clip["start_frame"]), int(clip["end_frame"])


def times(path: Path) -> np.ndarray:
    """The presentation times of a file's frames, seconds, as the file has them."""
    import av

    with av.open(str(path)) as container:
        return np.array([float(frame.pts * frame.time_base) for frame in container.decode(video=0)])
