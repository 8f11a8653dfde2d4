"""Edits of which all is known: cameras over pictures, and transitions between shots, as float frames (n, h, w, 3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

SIZE = 48, 80


class Made(NamedTuple):
    """A transition that was made: its kind, its first frame and the end of it (equal for a cut)."""

    kind: str
    first: int
    end: int


def camera(
    seed: int, frames: int, across: float = 0.3, down: float = 0.0, zoom: float = 0.0, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """A camera over a large picture of blobs and grain: pixels a frame, and share of its size."""
    random = np.random.default_rng(seed)
    picture = sum(
        weight * cv2.resize(random.random((lines, 2 * lines, 3)), (1600, 800), interpolation=cv2.INTER_CUBIC)
        for weight, lines in ((150, 14), (80, 50), (40, 200))
    ).astype(np.float32)
    return seen_by(picture, frames, (700, 350), (across, down), zoom, size, random)


def over(seed: int, photograph: np.ndarray, frames: int, size: tuple[int, int]) -> np.ndarray:
    """A camera that moves over a photograph (HxWx3) as `seed` says: by up to 0.6 % of the width a frame."""
    random = np.random.default_rng(seed)
    height, width = photograph.shape[:2]
    scale = 1.4 * max(size[0] / height, size[1] / width)
    picture = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    room = (np.array(picture.shape[1::-1]) - size[::-1]) / 2
    angle, speed = random.uniform(0, 2 * np.pi), random.choice([0, 0.003, 0.006]) * size[1]
    moves = speed * np.cos(angle), speed * np.sin(angle)
    return seen_by(picture, frames, tuple(room), moves, random.choice([0, 0.002]), size, random)


def seen_by(picture, frames, place, moves, zoom, size, random) -> np.ndarray:
    """What a camera sees of a picture, with grain: `place` is the corner of its view at half time."""
    out = []
    for number in range(frames):
        scale = 1 + zoom * number
        x, y = (corner + move * (number - frames / 2) for corner, move in zip(place, moves, strict=True))
        matrix = np.float32([[1 / scale, 0, x], [0, 1 / scale, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warp = cv2.warpAffine(picture, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
        out.append(warp + random.normal(0, 4, warp.shape))
    return np.clip(out, 0, 255).astype(np.float32)


def filmed(path: Path, spans: Sequence[tuple[int, int]], size: tuple[int, int]) -> list[np.ndarray]:
    """These spans of frames of a video file."""
    from clipmill.videos import pictures
    from clipmill.videos.reader import Reader

    end = max(last for _, last in spans)
    held = []
    with Reader(path) as reader:
        for frame in reader.frames():
            if frame.index == end:
                break
            held.append(cv2.resize(pictures.bgr(frame.picture), size[::-1], interpolation=cv2.INTER_AREA))
    return [np.array(held[first:last], np.float32) for first, last in spans]


def mixed(one: np.ndarray, other: np.ndarray, length: int) -> np.ndarray:
    """Both shots with a dissolve of `length` frames between them."""
    share = (np.arange(1, length + 1) / (length + 1)).reshape(-1, 1, 1, 1)
    return np.concatenate([one[:-length], (1 - share) * one[-length:] + share * other[:length], other[length:]])


def through(colour: float, one: np.ndarray, other: np.ndarray, length: int) -> np.ndarray:
    """Both shots with a fade of `length` frames through two of a colour between them."""
    plain = np.full((length + 2, *one.shape[1:]), colour, np.float32)
    return mixed(mixed(one, plain, length // 2), other, length - length // 2)


def wiped(one: np.ndarray, other: np.ndarray, length: int) -> np.ndarray:
    """Both shots; between them a line runs over the picture."""
    between = one[-length:].copy()
    for number, picture in enumerate(between):
        column = round(one.shape[2] * (number + 1) / (length + 1))
        picture[:, :column] = other[number, :, :column]
    return np.concatenate([one[:-length], between, other[length:]])


def lit(frames: np.ndarray, last: float) -> np.ndarray:
    """The light changes evenly to a share of what it was."""
    return frames * np.linspace(1, last, len(frames)).reshape(-1, 1, 1, 1)


def titled(frames: np.ndarray) -> np.ndarray:
    """A title appears over a part of the picture within a second."""
    shown = np.clip((np.arange(len(frames)) - 60) / 30, 0, 1).reshape(-1, 1, 1, 1)
    height, width = frames.shape[1:3]
    lines, columns = slice(height * 3 // 8, height * 5 // 8), slice(width // 4, width * 3 // 4)
    out = frames.copy()
    out[:, lines, columns] = (1 - shown) * out[:, lines, columns] + shown * 250
    return out


def flashed(frames: np.ndarray, at: int) -> np.ndarray:
    """Three frames are white."""
    out = frames.copy()
    out[at : at + 3] = 250
    return out


def edited(shots: Sequence[np.ndarray], joins: Sequence[tuple[str, int]]) -> tuple[np.ndarray, list[Made]]:
    """Shots one after the other, and the truth: between two of them a transition, (kind, frames). Kinds: cut, dissolve,
    black and white (fades through them), wipe. None is longer than the shots beside it allow, with ten frames to
    spare on each side.
    """
    ways = {
        "dissolve": mixed,
        "wipe": wiped,
        "black": lambda *both: through(0, *both),
        "white": lambda *both: through(255, *both),
    }
    film, truth, since = shots[0], [], 0
    for shot, (kind, asked) in zip(shots[1:], joins, strict=True):
        at, length = len(film), min(asked, len(film) - since - 10, len(shot) - 20)
        if kind == "cut":
            made = Made(kind, at, at)
        elif kind in ("black", "white"):
            made = Made(kind, at - length // 2, at + 2 + length - length // 2)
        else:
            made = Made(kind, at - length, at)
        film = np.concatenate([film, shot]) if kind == "cut" else ways[kind](film, shot, length)
        truth.append(made)
        since = made.end
    return film, truth
