"""The corpus of the GPU benchmark: films of hours and short videos in a real frame store, as collections have them.

Sizes, texts on the picture and lengths are drawn by a seed, so two machines measure the same. A film's store holds
every half second of it, thousands of pictures, though few of them differ: the bytes of a picture are written again.
"""

import hashlib
import os
import random
from pathlib import Path

FPS, BEAT = 24, 12
"""Frames a second of the sources, and frames between two stored pictures (two a second, the default)."""
SHAPES = {"16:9": (16, 9), "9:16": (9, 16), "4:3": (4, 3), "1:1": (1, 1), "2.35:1": (47, 20)}
SHARES = {"16:9": 60, "9:16": 18, "4:3": 8, "1:1": 7, "2.35:1": 7}
"""Percent of the videos with each shape."""
TEXTS = {"none": 50, "subtitle": 40, "page": 10}
"""Percent of the scenes with so much text."""
STILLS = 0.05
"""Share of the clips that are still images."""
SCENE = 30
"""Stored pictures after which another photograph, with other text, begins."""
SUBTITLE = ("I never thought that we", "would come back here.")
PAGE = ("Directed by an old friend", "Written by two others", "Music by the orchestra", "Edited in the last week",
        "With thanks to everyone", "and to the town itself")  # fmt: skip


class Corpus:
    """`films` of `hours` each and short videos, in `folder`; pictures have a shorter side of `side` pixels.

    `rows(count)` gives clips, half of them from films; `texts` says how much text each of their ids shows in its
    middle.
    """

    def __init__(self, folder: Path, hours: float, side: int, films: int):
        from clipmill.videos import frames

        self.store, self.texts, self.random = frames.Store(folder, folder), {}, random.Random(0)
        self.pictures = {"film": max(SCENE, round(hours * 7200)), "short": 2 * SCENE, "still": 1}
        self.videos: list[tuple[str, str, str]] = []
        shapes = [*SHAPES, *self.random.choices(list(SHARES), SHARES.values(), k=max(0, films - len(SHAPES)))]
        self.jpegs = {shape: _jpegs(_size(shape, side)) for shape in SHAPES}
        self.side = side
        for number, shape in enumerate(shapes):
            self.add("film", number, shape)

    def add(self, kind: str, number: int, shape: str) -> tuple[str, str, str]:
        """A video (its id, kind and shape), whose store is a link where there is one of the same kind and shape."""
        from clipmill.videos import frames

        identity = hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:16]
        path, first = self.store.path(identity), self.store.path(f"of-{kind}-{shape.replace(':', '-')}")
        if not first.exists():
            texts, jpegs = _texts(self.pictures[kind]), self.jpegs[shape]
            held = {n: jpegs[texts[n // SCENE]][n % len(jpegs["none"])] for n in range(self.pictures[kind])}
            frames.write(first, {BEAT * n: (n / 2, jpeg) for n, jpeg in held.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(first, path)
        self.videos.append((identity, kind, shape))
        return self.videos[-1]

    def rows(self, count: int) -> list[dict]:
        """Rows of `count` clips in the order of their ids, as a shard has them."""
        films = [video for video in self.videos if video[1] == "film"]
        made: dict[str, dict] = {}
        while len(made) < count // 2:
            self._clips(made, films[len(made) % len(films)], 1)
        number = len(self.videos)
        while len(made) < count:
            shape = self.random.choices(list(SHARES), SHARES.values())[0]
            kind = "still" if self.random.random() < 4 * STILLS else "short"
            number += 1
            self._clips(made, self.add(kind, number, shape), min(count - len(made), self.random.randint(1, 12)))
        return [made[identity] for identity in sorted(made)]

    def _clips(self, made: dict, video: tuple[str, str, str], count: int) -> None:
        """Put clips of a video at random places of it into `made`."""
        identity, kind, shape = video
        for _ in range(1 if kind == "still" else count):
            pictures = self.pictures[kind]
            length = 1 if kind == "still" else self.random.randint(2, min(24, pictures - 1))
            start = self.random.randrange(pictures - length + 1)
            row = _row(identity, start, length, _size(shape, self.side))
            made[row["id"]] = row
            self.texts[row["id"]] = _texts(pictures)[(start + length // 2) // SCENE]


def pictures_of(row: dict) -> int:
    """How many stored pictures lie in a clip."""
    return 1 if row["num_frames"] == "1" else int(row["num_frames"]) // BEAT


def _row(video: str, start: int, length: int, size: tuple[int, int]) -> dict:
    """The row of a clip of `length` stored pictures; of one picture: a still image."""
    first, frames = BEAT * start, BEAT * length if length > 1 else 1
    row = {
        "id": f"{video}-{first:08d}",
        "video_id": video,
        "relpath": f"{video}.mp4",
        "text": "a quiet street at night",
    }
    row |= {"start_frame": first, "end_frame": first + frames, "num_frames": frames, "width": size[0]}
    row |= {"height": size[1], "start": first / FPS, "end": (first + frames) / FPS if length > 1 else first / FPS}
    return {name: str(value) for name, value in row.items()} | {"flow": "", "ocr": ""}


def _size(shape: str, side: int) -> tuple[int, int]:
    """(width, height) of a shape whose shorter side has so many pixels."""
    width, height = (side * part / min(SHAPES[shape]) for part in SHAPES[shape])
    return round(width), round(height)


def _texts(pictures: int) -> list[str]:
    """How much text each scene of a video of so many pictures shows."""
    return random.Random(1).choices(list(TEXTS), TEXTS.values(), k=pictures // SCENE + 1)


def _jpegs(size: tuple[int, int]) -> dict[str, list[bytes]]:
    """JPEG pictures of this size by the text that they show: photographs in motion, with lines of text over them."""
    import cv2
    import numpy as np
    from clipmill.videos import frames
    from stored_clips import NAMES, photograph

    made: dict[str, list[bytes]] = {text: [] for text in TEXTS}
    photographs = [cv2.resize(photograph(name), size) for name in NAMES]
    for beat in range(SCENE):
        picture = np.roll(photographs[beat * len(NAMES) // SCENE], 9 * beat, axis=1)
        for text, lines in (("none", ()), ("subtitle", SUBTITLE), ("page", PAGE)):
            made[text].append(frames.encode(written(picture, lines)[..., ::-1], 90))
    return made


def written(picture, lines: tuple[str, ...]):
    """A picture (HxWx3 RGB uint8) with lines of white text at its bottom, as wide as nine tenths of it."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    if not lines:
        return picture
    image = Image.fromarray(picture)
    draw, height, width = ImageDraw.Draw(image), *picture.shape[:2]
    longest = max(lines, key=len)
    pixels = min(height / (1.3 * len(lines) + 0.5), 20 * 0.9 * width / ImageFont.load_default(20).getlength(longest))
    font, step = ImageFont.load_default(pixels), 1.3 * pixels
    for number, line in enumerate(reversed(lines)):
        place = (width - font.getlength(line)) / 2, height - (number + 1) * step - 0.2 * pixels
        draw.text(place, line, (255, 255, 255), font, stroke_width=max(1, round(pixels / 12)), stroke_fill=(0, 0, 0))
    return np.asarray(image)
