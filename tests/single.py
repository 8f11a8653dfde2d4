"""Runs one step on one file, in this process: what a scan or a cut makes of it, without the workflow around."""

import json
import subprocess
from pathlib import Path

import cut_clips
import gather_videos
import imageio_ffmpeg
import scan_videos
from clipmill import frames, tables
from clipmill.config import check

SCHEMA = Path(__file__).parents[1] / "workflow/schemas/config.schema.yaml"
IMAGES = {".png", ".jpg", ".tif"}


def ffmpeg(*arguments) -> None:
    """Run the ffmpeg program; its errors fail the test."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    done = subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Scanned:
    """What scan_videos tells of one file: `video` (its row), `clips`, `rejects` (rows), `store` (its frame store)."""

    def __init__(self, path: Path, results: Path, **settings):
        config = check(settings, SCHEMA)
        names = ("frames", "detector", "detectors", "fmin", "clips")
        self.path, self.results = path, results
        step = scan_videos.ScanVideos({n: config[n] for n in names}, results, path.parent, results / "frames", {})
        row = {"id": f"{abs(hash(path)):016x}"[:16], "relpath": path.name, "bytes": str(path.stat().st_size)}
        row["kind"] = "image" if path.suffix in IMAGES else "video"
        (values,) = step.compute([row], [None])
        remembered = {name: tables.number(value) for name, value in values.items()}
        self.video = row | step.finish(row, remembered)
        rows = [{n: str(v) for n, v in clip.items()} for clip in gather_videos.clips_of(self.video)]
        self.clips = [clip for clip in rows if not clip["reason"]]
        self.rejects = [clip for clip in rows if clip["reason"]]
        self.store = frames.Store(results / "frames", path.parent)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first frame, end frame) of each clip."""
        return [(int(clip["start_frame"]), int(clip["end_frame"])) for clip in self.clips]

    def stored(self, clip: dict | None = None) -> list[int]:
        """The numbers of the frames in the store; those of one clip, where one is given."""
        with frames._opened(self.store, {"video_id": self.video["id"]}) as archive:
            held = sorted(int(name[:8]) for name in archive.namelist())
        return [n for n in held if not clip or int(clip["start_frame"]) <= n < int(clip["end_frame"])]

    def cut(self, clips: list[dict] | None = None, **settings) -> list[dict]:
        """The rows that cut_clips gives for the clips, with `file`, the path of each; a fault is raised."""
        results = self.try_cut(clips, **settings)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [{**result, "file": self.results / result["path"]} for result in results]

    def try_cut(self, clips: list[dict] | None = None, **settings) -> list:
        """As `cut`, faults among the results."""
        block = {"preset": "ultrafast", "crf": 23, **settings}
        config = check({"cut": block}, SCHEMA)["cut"]
        step = cut_clips.CutClips(config, self.results, self.path.parent, self.results / "frames", {})
        batches = step.batches(self.clips if clips is None else clips)
        return [result for batch in batches for result in step.compute(batch, [None] * len(batch))]


def times(path: Path) -> list[float]:
    """The presentation times of a file's frames, seconds, as the file has them."""
    import av

    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def scenes(video: dict) -> list:
    """The clips of a video's row as scan_videos wrote them."""
    return json.loads(video["clips"])
