"""What is measured on a frame for the embedded captioner and matcher: colours, light, contrast, warmth, detail, shape.

All thresholds are ours, set by eye on photographs.
"""

from dataclasses import dataclass

import cv2
import numpy as np

COLOURS = (
    "black",
    "grey",
    "white",
    "cream",
    "brown",
    "red",
    "orange",
    "yellow",
    "green",
    "teal",
    "blue",
    "purple",
    "pink",
)
MAIN_SHARE = 0.12
"""A colour that covers less of the picture than this is not named."""
PRESENT_SHARE = 0.08
"""A named colour that covers this much of another frame counts as present in it."""
BAND_SHARE = 0.45
"""A colour that covers this much of the top or bottom third describes that third."""


@dataclass(frozen=True)
class Scale:
    """A measure with its words for low, middle and high; `low` and `high` bound the middle."""

    low: float
    high: float
    words: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

    def level(self, value: float) -> int:
        """0, 1 or 2: below, within or above the middle."""
        return int(value >= self.low) + int(value > self.high)

    def holds(self, level: int, value: float) -> float:
        """How true the claim `level` is of `value`: 1 in its range, falling to 0 over the width of the middle."""
        floor, ceiling = ((-np.inf, self.low), (self.low, self.high), (self.high, np.inf))[level]
        outside = max(floor - value, value - ceiling, 0.0)
        return max(0.0, 1.0 - outside / (self.high - self.low))


SCALES = {
    "light": Scale(0.32, 0.58, (("dark", "dimly lit"), ("evenly lit", "softly lit"), ("bright", "brightly lit"))),
    "contrast": Scale(0.15, 0.25, (("soft contrast", "low contrast"), ("medium contrast",), ("strong contrast",))),
    "warmth": Scale(-3.0, 8.0, (("cool",), ("neutral",), ("warm",))),
    "detail": Scale(
        0.02, 0.07, (("little detail", "smooth surfaces"), ("some detail",), ("fine detail", "rich detail"))
    ),
}
SHAPES = ("portrait", "square", "landscape")


def measure(frame: np.ndarray) -> dict:
    """What is measured on a frame (HxWx3 uint8 RGB).

    `light` and `contrast`: mean and standard deviation of the grey value (0-1); `warmth`: mean b* of CIELAB;
    `detail`: mean absolute Laplacian of the grey picture at 256 pixels of its short side (0-1);
    `shares`, `top`, `bottom`: shares of the COLOURS in the picture and its top and bottom third; `shape`: of SHAPES.
    """
    height, width = frame.shape[:2]
    scale = 256 / min(height, width)
    middle = cv2.resize(
        frame, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    grey = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    small = cv2.resize(frame, (48, 48), interpolation=cv2.INTER_AREA)
    names = _colour_names(small)
    ratio = width / height
    return {
        "light": float(grey.mean()),
        "contrast": float(grey.std()),
        "warmth": float(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 2].mean()),
        "detail": float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()),
        "shares": _shares(names),
        "top": _shares(names[:16]),
        "bottom": _shares(names[32:]),
        "shape": SHAPES[int(ratio > 0.95) + int(ratio > 1.05)],
    }


def _colour_names(small: np.ndarray) -> np.ndarray:
    """The index in COLOURS of each pixel, from its hue, saturation and value."""
    hue, saturation, value = cv2.split(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2HSV))
    orange = (hue >= 15) & (hue < 45)
    rules = [
        ("black", value < 0.18),
        ("white", (saturation < 0.12) & (value > 0.85)),
        ("grey", (saturation < 0.12) | ((value < 0.3) & (saturation < 0.3))),
        ("cream", (hue >= 15) & (hue < 65) & (saturation < 0.4) & (value > 0.7)),
        (
            "brown",
            ((hue < 45) | (hue > 345)) & ((value < 0.65) | (saturation < 0.5)) & ~((hue < 15) & (saturation > 0.7)),
        ),
        ("orange", orange),
        ("yellow", (hue >= 45) & (hue < 65)),
        ("green", (hue >= 65) & (hue < 160)),
        ("teal", (hue >= 160) & (hue < 195)),
        ("blue", (hue >= 195) & (hue < 255)),
        ("purple", (hue >= 255) & (hue < 290)),
        ("pink", (hue >= 290) & (hue < 345)),
    ]
    return np.select([rule for _, rule in rules], [COLOURS.index(name) for name, _ in rules], COLOURS.index("red"))


def _shares(names: np.ndarray) -> np.ndarray:
    return np.bincount(names.ravel(), minlength=len(COLOURS)) / names.size
