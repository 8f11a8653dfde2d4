"""The embedded captioner and matcher: a stand-in that needs no model, so that everything runs without a download.

It measures plain things on a clip's frames (colours, light, contrast, warmth, detail, shape, movement, text on the
screen) and says them in one or two sentences. It does not know what is in the picture. The matcher reads such a
sentence back and measures how far its claims hold on another frame. All thresholds are ours, set by eye on photographs.
"""

import re
import zlib

import cv2
import numpy as np

from clipmill.captions.appearance import BAND_SHARE, COLOURS, MAIN_SHARE, PRESENT_SHARE, SCALES, SHAPES, measure
from clipmill.captions.caption import Caption, Request

MOVEMENT = ("hardly any movement", "slow movement", "steady movement", "fast movement")
FLOW_STEPS = (0.5, 4.0, 15.0)
"""Mean flow (pixels at 320x576 over half a second) where one word for movement ends and the next begins."""
DIFFERENCE_STEPS = (0.015, 0.06, 0.15)
"""The same where there is no flow: mean difference of light (0-1) between neighbouring frames."""


class AttributesCaptioner:
    """The embedded captioner, with the interface of the learned ones."""

    uses = ("flow", "ocr")
    """Columns of a row that it looks at."""

    threads = None
    """It needs no threads of its own."""
    lanes = 1
    """It has no device to wait for."""

    def __init__(self, settings: dict | None = None, device: str = "cpu"):
        """It has no settings and needs no device."""

    def prepare(self, request: Request, again: bool = False) -> Caption:
        """The caption of a clip. All the work is done here, as there is no network to run."""
        return Caption(caption([shot.image for shot in request.shots], request.row), "stop", model="attributes")

    def caption(self, prepared: list[Caption], again: bool = False) -> list[Caption]:
        """The captions of items, in their order."""
        return prepared

    def setup(self) -> dict:
        """What may change single words besides the settings: nothing."""
        return {}


def caption(frames: list[np.ndarray], row: dict) -> str:
    """A sentence or two about a clip from its frames (HxWx3 uint8 RGB) and, where the row has them, `flow` and `ocr`.

    Deterministic. A row with `num_frames` 1 is a still image, any other a video.
    """
    facts = [measure(frame) for frame in frames]
    mean = {name: float(np.mean([fact[name] for fact in facts])) for name in SCALES}
    shares, top, bottom = (np.mean([fact[name] for fact in facts], axis=0) for name in ("shares", "top", "bottom"))
    still = str(row.get("num_frames", "")) == "1"
    turn = zlib.crc32(np.round([*mean.values(), *shares], 3).tobytes())

    def say(name):
        words = SCALES[name].words[SCALES[name].level(mean[name])]
        return words[turn % len(words)]

    order = [index for index in np.argsort(-shares, kind="stable") if shares[index] >= MAIN_SHARE][:3]
    colours = _listed([COLOURS[index] for index in order] or [COLOURS[int(np.argmax(shares))]])
    noun = ("still image", "photograph")[turn % 2] if still else ("shot", "video", "scene")[turn % 3]
    light, shape, warmth = say("light"), facts[0]["shape"], say("warmth")
    movement = "" if still else _movement(frames, row.get("flow", ""))
    texture = f"{say('contrast')} and {say('detail')}"
    first = (
        f"{_a(light)} {light} {shape} {noun} in {warmth} {colours} tones, with {texture}",
        f"{_a(shape)} {shape} {noun}, {light}, where {warmth} {colours} tones prevail with {texture}",
        f"Mostly {colours}, this {shape} {noun} is {light} and {warmth} in tone, with {texture}",
    )[turn // 6 % 3]
    layout = _layout(top, bottom)
    parts = [first + (f", {layout}" if layout else "")]
    rest = [part for part in (movement, _text_on_screen(row.get("ocr", ""))) if part]
    if rest:
        parts.append(_capital(" and ".join(rest)))
    return ". ".join(parts) + "."


def _movement(frames: list[np.ndarray], flow: str) -> str:
    if flow:
        return MOVEMENT[int(np.searchsorted(FLOW_STEPS, float(flow), side="right"))]
    if len(frames) < 2:
        return ""
    small = [cv2.cvtColor(cv2.resize(f, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames]
    difference = float(np.mean(np.abs(np.diff(np.stack(small).astype(np.float32) / 255, axis=0))))
    return MOVEMENT[int(np.searchsorted(DIFFERENCE_STEPS, difference, side="right"))]


def _text_on_screen(boxes: str) -> str:
    if not boxes:
        return ""
    count = round(float(boxes))
    return "no text on screen" if not count else "a line of text on screen" if count == 1 else "text on screen"


def _layout(top: np.ndarray, bottom: np.ndarray) -> str:
    above, below = int(np.argmax(top)), int(np.argmax(bottom))
    if above == below or min(top[above], bottom[below]) < BAND_SHARE:
        return ""
    return f"{COLOURS[above]} at the top and {COLOURS[below]} at the bottom"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _a(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def claims(text: str) -> list[tuple[str, object]]:
    """The claims about a picture that a text makes in this module's words: (measure, level, colour or shape) pairs."""
    text, found = " ".join(text.lower().split()), []
    for place, name in (("top", "top"), ("bottom", "bottom")):
        for colour in re.findall(rf"\b({'|'.join(COLOURS)}) at the {place}\b", text):
            found.append((name, colour))
        text = re.sub(rf"\b(?:{'|'.join(COLOURS)}) at the {place}\b", "", text)
    for name, scale in SCALES.items():
        for level, words in enumerate(scale.words):
            if re.search(rf"\b(?:{'|'.join(words)})\b", text):
                found.append((name, level))
    found += [("shares", colour) for colour in COLOURS if re.search(rf"\b{colour}\b", text)]
    return found + [("shape", shape) for shape in SHAPES if re.search(rf"\b{shape}\b", text)]


def match(text: str, frame: np.ndarray) -> float:
    """Share (0-100) of a caption's claims that hold on a frame (HxWx3 uint8 RGB); 0 where it makes none.

    A claim that nearly holds counts in part, so that the score moves smoothly.
    """
    facts, found = measure(frame), claims(text)
    return 100 * float(np.mean([_holds(name, claim, facts) for name, claim in found])) if found else 0.0


def _holds(name: str, claim, facts: dict) -> float:
    if name in SCALES:
        return SCALES[name].holds(claim, facts[name])
    if name == "shape":
        return float(facts["shape"] == claim)
    enough = PRESENT_SHARE if name == "shares" else BAND_SHARE
    return min(1.0, float(facts[name][COLOURS.index(claim)]) / enough)
