"""Make the sample reel: a small folder of videos and images whose truth is known, from photographs and ffmpeg.

The photographs ship inside scikit-image (CC0 or public domain; nothing is downloaded). Each shot moves a camera over
one photograph, enlarged and covered with a fixed fine grain, so that its motion can be measured everywhere. The same
code writes the same bytes; a folder that is up to date is left alone.

    python demo/reel.py             writes sample/videos/* and sample/truth.json
    python demo/reel.py /tmp/reel   the same elsewhere

truth.json maps each file's path below videos/ to:
  kind         video | image
  reject       null, or {stage: the rule that must reject it, word: a word for why (truncated, empty, duplicate)};
               nothing more is known of a truncated or empty file
  fps          frames per second, a fraction as text ("24000/1001"); null for an image. Where the rate varies it is the
               mean, and the file's header is a little off, as it does not say how long the last frame lasts
  times        null, or the start of each frame in seconds where the frame rate varies
  num_frames, width, height
  audio        null, or the pitch in Hz of each second of its tone
  cuts         hard cuts: the first frame of each shot that begins abruptly
  gradual      {kind: dissolve | fade, start_frame, end_frame}: the frames [start, end) that are a mixture
  shots        the spans between, each with
    start_frame, end_frame   the frames [start, end) that show this shot alone
    photo        the photograph that it shows
    camera       what the camera does: static, pan_*, tilt_*, zoom_*, roll_* (pan right: the picture moves left; roll
                 right: the camera turns clockwise, the picture anticlockwise); null for an image
    speed        per second: share of the width (pan), of the height (tilt), of the size (zoom), degrees (roll)
    flow         mean length of the true displacement over half a second, px in a picture of 576x320 (width x height;
                 an upright video lies on its side); null where something moves on its own, and for an image
    text_boxes, text_area, words   number of words, share of the picture under the union of their tight rectangles,
                 and the words: {text, box: [left, top, right, bottom] in px, right and bottom excluded}
"""

import argparse
import functools
import hashlib
import itertools
import json
import math
import shutil
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

LANDSCAPE, PORTRAIT = (640, 360), (360, 640)
FLOW_SIZE = (576, 320)
BALL = 96  # px
# These photographs are grey; a tint (blue, green, red) makes them the brick, lawn and shingle that they show.
TINTS = {"brick": (0.6, 0.75, 1.25), "grass": (0.5, 1.1, 0.8), "gravel": (0.8, 1.0, 1.2)}
DIRECTIONS = {"pan_left": (-1, 0), "pan_right": (1, 0), "tilt_up": (0, -1), "tilt_down": (0, 1)}
TRUNCATED, EMPTY, DUPLICATE = "broken/truncated.mp4", "broken/empty.mp4", "moves/copy of cuts.mp4"


@dataclass(frozen=True)
class Shot:
    """One camera move over a photograph that was enlarged to `width` px; `at` is the view's place at half time."""

    photo: str
    frames: int
    width: int
    camera: str = "static"
    speed: float = 0.0  # per second: share of the width or height (pan, tilt), of the size (zoom); degrees (roll)
    at: tuple[float, float] = (0.5, 0.5)  # 0..1 across the free room, left to right and top to bottom
    words: tuple[tuple[str, int, int, int], ...] = ()  # text, left, top, letter height, all px
    ball: bool = False  # a ball rolls across


@dataclass(frozen=True)
class Gradual:
    """A mixture of the shots before and after: `dissolve`, or `fade` through black."""

    kind: str
    frames: int


@dataclass(frozen=True)
class Video:
    rate: Fraction
    parts: tuple[Shot | Gradual, ...]
    size: tuple[int, int] = LANDSCAPE
    audio: bool = False
    varies: bool = False  # from frame 90 on, every third frame is held twice as long

    @property
    def num_frames(self):
        return sum(part.frames for part in self.parts)

    def time(self, frame):
        """Start of a frame, in seconds."""
        return (frame + max(frame - 88, 0) // 3 if self.varies else frame) / self.rate

    def spans(self):
        """[(part, first frame, frame after the last)]"""
        starts = [sum(part.frames for part in self.parts[:i]) for i in range(len(self.parts))]
        return [(part, start, start + part.frames) for part, start in zip(self.parts, starts, strict=True)]


NTSC_FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)
VIDEOS = {
    "cuts.mp4": Video(
        Fraction(25),
        (
            Shot("chelsea", 75, 1150, "pan_right", 0.15),
            Shot("coffee", 60, 800),
            Shot("rocket", 75, 960, "tilt_up", 0.2),
            Shot("grass", 20, 800),  # under a second: a scene that is too short for a clip
            Shot("astronaut", 75, 760, "zoom_in", 0.1, (0.5, 0.15)),
            Shot("hubble_deep_field", 75, 1200, "pan_left", 0.12),
        ),
    ),
    "moves/pans and tilts.mp4": Video(
        Fraction(30),
        (
            Shot("coffee", 120, 1120, "pan_left", 0.1),
            Shot("grass", 90, 1150, "pan_right", 0.16),
            Shot("brick", 90, 700, "tilt_down", 0.2),
            Shot("camera", 90, 700, "tilt_up", 0.15, (0.5, 0.4)),
        ),
    ),
    "moves/zooms and rolls.mp4": Video(
        NTSC,
        (
            Shot("chelsea", 120, 900, "zoom_out", 0.08),
            Shot("gravel", 90, 900, "zoom_in", 0.15),
            Shot("camera", 90, 820, "roll_right", 8, (0.5, 0.25)),
            Shot("coffee", 90, 860, "roll_left", 6),
        ),
    ),
    "transitions.mkv": Video(
        NTSC_FILM,
        (
            Shot("rocket", 96, 1020, "pan_right", 0.1, (0.5, 0.9)),
            Gradual("dissolve", 24),
            Shot("astronaut", 96, 820, "zoom_out", 0.08, (0.5, 0.2)),
            Gradual("fade", 24),
            Shot("chelsea", 96, 1150, "pan_left", 0.08),
        ),
    ),
    "still camera.mp4": Video(Fraction(25), (Shot("coffee", 100, 700), Shot("grass", 150, 1000, ball=True))),
    "text.mp4": Video(
        Fraction(25),
        (
            Shot("gravel", 75, 800),
            Shot("retina", 100, 900, words=(("SUNRISE", 60, 40, 64), ("window", 340, 160, 48), ("river", 90, 270, 40))),
            Shot("brick", 100, 800, words=(("CINEMA", 60, 0, 110), ("tonight", 260, 82, 78)), ball=True),
        ),
    ),
    "portrait.mp4": Video(
        Fraction(30),
        (
            Shot("rocket", 120, 1500, "tilt_up", 0.1, (0.51, 0.5)),
            Shot("camera", 120, 900, "pan_right", 0.2, (0.55, 0.3)),
            Shot("chelsea", 120, 1100, "zoom_in", 0.07, (0.55, 0.5)),
        ),
        PORTRAIT,
    ),
    "été à la plage № 1.mp4": Video(
        Fraction(24),
        (
            Shot("gravel", 96, 1150, "pan_right", 0.12),
            Shot("coffee", 72, 820, "zoom_in", 0.08),
            Shot("astronaut", 72, 1000, "pan_left", 0.12, (0.5, 0.1)),
        ),
        audio=True,
    ),
    "moves/variable rate.mp4": Video(
        Fraction(30),
        (
            Shot("retina", 90, 900, "zoom_out", 0.1),
            Shot("rocket", 90, 1100, "pan_left", 0.1, (0.5, 0.7)),
            Shot("brick", 90, 900, "tilt_up", 0.15),
        ),
        varies=True,
    ),
}
IMAGES = {"stills/cat.png": "chelsea", "stills/launch pad.jpg": "rocket"}


def photograph(name):
    """A photograph from scikit-image's wheel as H x W x 3 uint8, blue first."""
    import numpy as np
    from skimage import data

    photo = getattr(data, name)()
    photo = photo[:, :, ::-1] if photo.ndim == 3 else np.stack([photo] * 3, axis=2)
    return np.clip(photo * np.array(TINTS.get(name, (1, 1, 1))), 0, 255).astype(np.uint8)


def canvas(shot):
    """The enlarged photograph under a grain of three sizes: what the shot's camera looks at. H x W x 3 uint8."""
    import cv2
    import numpy as np

    photo = photograph(shot.photo)
    size = (shot.width, round(photo.shape[0] * shot.width / photo.shape[1]))
    photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if size[0] < photo.shape[1] else cv2.INTER_CUBIC)
    rng = np.random.default_rng(zlib.crc32(shot.photo.encode()))
    grain = np.zeros(photo.shape[:2], np.float32)
    for sigma, weight in ((1, 5), (2.5, 5), (8, 4)):
        layer = cv2.GaussianBlur(rng.standard_normal(grain.shape, np.float32), None, sigma)
        grain += weight * layer / layer.std()
    return np.clip(photo * np.float32(0.86) + 18 + grain[:, :, None], 0, 255).astype(np.uint8)


def view(shot, size, area, seconds):
    """The 2 x 3 affine map from a pixel of the picture (`size`) to the canvas (`area`), `seconds` from half time."""
    import numpy as np

    size, area, at = (np.array(pair, float) for pair in (size, area, shot.at))
    zoom = (1 + shot.speed) ** (seconds * {"zoom_in": -1, "zoom_out": 1}.get(shot.camera, 0))
    angle = math.radians(shot.speed) * seconds * {"roll_right": 1, "roll_left": -1}.get(shot.camera, 0)
    turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = at * (area - size) + size / 2 + np.array(DIRECTIONS.get(shot.camera, (0, 0))) * size * shot.speed * seconds
    return np.column_stack([turn, centre - 0.5 - turn @ ((size - 1) / 2)])


def flow(shot, size):
    """Mean length of the displacement over half a second, in px at FLOW_SIZE; None where not all moves as one."""
    import numpy as np

    if shot.ball:
        return None
    area = (2 * size[0], 2 * size[1])  # the displacement does not depend on the canvas
    first, second = view(shot, size, area, 0), view(shot, size, area, 0.5)
    grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij"), axis=-1) + 0.0
    moved = (grid @ first[:, :2].T + first[:, 2] - second[:, 2]) @ np.linalg.inv(second[:, :2]).T
    scale = np.array(FLOW_SIZE if size[0] > size[1] else FLOW_SIZE[::-1]) / size
    return round(float(np.linalg.norm((moved - grid) * scale, axis=-1).mean()), 3)


def lettering(shot, size):
    """The shot's words: (white letters with a dark rim, their opacity 0..1, [{text, box}])."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    fill, rim, words = Image.new("L", size), Image.new("L", size), []
    for text, left, top, height in shot.words:
        font = ImageFont.load_default(height)
        ink = Image.new("L", size)
        ImageDraw.Draw(ink).text((left, top), text, 255, font)
        ImageDraw.Draw(rim).text((left, top), text, 255, font, stroke_width=max(1, height // 20))
        fill.paste(255, mask=ink)
        rows, columns = (np.flatnonzero((np.asarray(ink) > 127).any(axis=axis)) for axis in (1, 0))
        words.append({"text": text, "box": [int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]})
    return np.asarray(fill)[:, :, None], np.asarray(rim)[:, :, None] / np.float32(255), words


class Camera:
    """Shows a shot at any time; `length` is its duration in seconds."""

    def __init__(self, shot, size, length):
        self.shot, self.size, self.length = shot, size, length
        self.canvas = canvas(shot)
        self.fill, self.rim, _ = lettering(shot, size)
        self.still = None

    def picture(self, seconds):
        """The picture (H x W x 3 uint8) `seconds` after the shot's beginning; raises ValueError outside the canvas."""
        import cv2
        import numpy as np

        if self.still is not None:
            return self.still
        (width, height), area = self.size, self.canvas.shape[1::-1]
        matrix = view(self.shot, self.size, area, seconds - self.length / 2)
        corners = np.array([(x, y, 1) for x in (0, width - 1) for y in (0, height - 1)]) @ matrix.T
        if corners.min() < -0.5 or (corners.max(axis=0) > np.array(area) - 0.5).any():
            raise ValueError(f"the camera leaves the photograph: {self.shot}")
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(self.canvas, matrix, self.size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        if self.shot.words:
            picture = (picture * (1 - self.rim) + self.fill * self.rim).astype(np.uint8)
        if self.shot.ball:
            return roll_ball(picture, seconds / self.length)
        if self.shot.camera == "static":
            self.still = picture
        return picture


@functools.cache
def ball():
    """A ball of BALL px with a soft rim: (its picture, its opacity 0..1), both BALL x BALL x 3."""
    import cv2
    import numpy as np

    picture = cv2.resize(photograph("retina"), (BALL, BALL), interpolation=cv2.INTER_AREA)
    opacity = cv2.circle(np.zeros((BALL, BALL, 3), np.float32), (BALL // 2, BALL // 2), BALL // 2 - 5, (1, 1, 1), -1)
    return picture, cv2.GaussianBlur(opacity, None, 1)


def roll_ball(picture, share):
    """The picture with the ball at `share` (0..1) of its way from left to right."""
    import cv2

    path = share * (picture.shape[1] - BALL)
    # A ball that rolls to the right turns clockwise, by its path over its radius; OpenCV counts anticlockwise.
    turn = cv2.getRotationMatrix2D((BALL / 2, BALL / 2), -math.degrees(path / (BALL / 2)), 1)
    turn[:, 2] += path, picture.shape[0] / 2
    drawn, opacity = (cv2.warpAffine(layer, turn, picture.shape[1::-1]) for layer in ball())
    return (picture * (1 - opacity) + drawn * opacity).astype("uint8")


def pictures(video):
    """Yield the video's frames in order, H x W x 3 uint8, blue first."""
    import numpy as np

    spans = video.spans()
    starts = [video.time(start) for _, start, _ in spans]
    cameras = [
        Camera(part, video.size, float(video.time(end) - video.time(start))) if isinstance(part, Shot) else None
        for part, start, end in spans
    ]

    def show(i, frame):
        return cameras[i].picture(float(video.time(frame) - starts[i]))

    for i, (part, start, end) in enumerate(spans):
        for frame in range(start, end):
            if isinstance(part, Shot):
                yield show(i, frame)
                continue
            share = (frame - start + 1) / (part.frames + 1)
            before, after = 1 - share, share
            if part.kind == "fade":
                before, after = max(0, 1 - 2 * share), max(0, 2 * share - 1)
            yield (before * show(i - 1, frame) + after * show(i + 1, frame)).astype(np.uint8)


def pitches(video):
    """The tone of each second in Hz."""
    return [440 + 110 * second for second in range(math.ceil(video.time(video.num_frames)))]


def encode(video, path):
    """Write a video with ffmpeg (H.264, one thread, so that its bytes are always the same)."""
    import ffmpeg
    from imageio_ffmpeg import get_ffmpeg_exe

    width, height = video.size
    rate = f"{video.rate.numerator}/{video.rate.denominator}"
    stream = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", s=f"{width}x{height}", framerate=rate)
    if video.varies:
        stream = stream.filter("setpts", "N+floor(max(N-88,0)/3)")
    streams, codecs = [stream], {"vcodec": "libx264", "preset": "veryfast", "crf": 21, "pix_fmt": "yuv420p"}
    if video.audio:
        seconds = float(video.time(video.num_frames))
        streams.append(ffmpeg.input(f"aevalsrc=0.2*sin(2*PI*t*(440+110*floor(t))):d={seconds}", format="lavfi"))
        codecs |= {"acodec": "aac"}
    exact = {"threads": 1, "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}
    run = ffmpeg.output(*streams, str(path), fps_mode="passthrough", loglevel="error", **codecs, **exact)
    process = run.overwrite_output().run_async(cmd=get_ffmpeg_exe(), pipe_stdin=True)
    with process.stdin:
        for picture in pictures(video):
            process.stdin.write(picture.tobytes())
    if process.wait():
        raise RuntimeError(f"ffmpeg could not write {path}")


def shot_truth(shot, start, end, size):
    import numpy as np

    words = lettering(shot, size)[2]
    covered = np.zeros(size[::-1], bool)
    for left, top, right, bottom in (word["box"] for word in words):
        covered[top:bottom, left:right] = True
    return {
        "start_frame": start,
        "end_frame": end,
        "photo": shot.photo,
        "camera": shot.camera,
        "speed": shot.speed,
        "flow": flow(shot, size),
        "text_boxes": len(words),
        "text_area": round(float(covered.mean()), 5),
        "words": words,
    }


def video_truth(video):
    spans = video.spans()
    gradual = [(part, start, end) for part, start, end in spans if isinstance(part, Gradual)]
    return {
        "kind": "video",
        "reject": None,
        "fps": str(video.num_frames / video.time(video.num_frames)),
        "times": [round(float(video.time(i)), 6) for i in range(video.num_frames)] if video.varies else None,
        "num_frames": video.num_frames,
        "width": video.size[0],
        "height": video.size[1],
        "audio": pitches(video) if video.audio else None,
        "cuts": [b[1] for a, b in itertools.pairwise(spans) if isinstance(a[0], Shot) and isinstance(b[0], Shot)],
        "gradual": [{"kind": part.kind, "start_frame": start, "end_frame": end} for part, start, end in gradual],
        "shots": [shot_truth(part, start, end, video.size) for part, start, end in spans if isinstance(part, Shot)],
    }


def image_truth(name):
    height, width = photograph(name).shape[:2]
    shot = {"start_frame": 0, "end_frame": 1, "photo": name, "camera": None, "speed": None, "flow": None}
    shot |= {"text_boxes": 0, "text_area": 0.0, "words": []}
    truth = {"kind": "image", "reject": None, "fps": None, "times": None, "num_frames": 1}
    return truth | {"width": width, "height": height, "audio": None, "cuts": [], "gradual": [], "shots": [shot]}


def make(folder):
    """Write the reel into `folder` unless it exists already; return the truth."""
    import cv2

    folder = Path(folder)
    stamp, truth_file = folder / ".stamp", folder / "truth.json"
    before = json.loads(truth_file.read_text(encoding="utf-8")) if truth_file.exists() else {}
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    whole = all((folder / "videos" / relpath).is_file() for relpath in before)
    if before and whole and stamp.exists() and stamp.read_text() == code:
        return before
    stamp.unlink(missing_ok=True)
    truth = {}

    def place(relpath):
        (folder / "videos" / relpath).parent.mkdir(parents=True, exist_ok=True)
        return folder / "videos" / relpath

    for relpath, video in VIDEOS.items():
        encode(video, place(relpath))
        truth[relpath] = video_truth(video)
    for relpath, name in IMAGES.items():
        cv2.imencode(Path(relpath).suffix, photograph(name))[1].tofile(place(relpath))
        truth[relpath] = image_truth(name)
    content = place("moves/pans and tilts.mp4").read_bytes()  # its index is at its end
    place(TRUNCATED).write_bytes(content[: len(content) // 2])
    truth[TRUNCATED] = {"kind": "video", "reject": {"stage": "scan_videos", "word": "truncated"}}
    place(EMPTY).write_bytes(b"")
    truth[EMPTY] = {"kind": "video", "reject": {"stage": "scan_videos", "word": "empty"}}
    shutil.copyfile(place("cuts.mp4"), place(DUPLICATE))
    truth[DUPLICATE] = truth["cuts.mp4"] | {"reject": {"stage": "list_videos", "word": "duplicate"}}
    text = json.dumps(truth, indent=1, ensure_ascii=False, sort_keys=True)
    part = folder / "truth.json.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(truth_file)
    for relpath in before.keys() - truth.keys():  # made by an older version of this file
        (folder / "videos" / relpath).unlink(missing_ok=True)
    stamp.write_text(code)
    return truth


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="sample", help="where to write (default: sample)")
    folder = parser.parse_args().folder
    print(f"{folder}/videos: {len(make(folder))} files, their truth in {folder}/truth.json")


if __name__ == "__main__":
    main()
