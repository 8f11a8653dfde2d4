"""Which moments of a clip a captioner sees."""

import itertools
import math

import numpy as np

TICKS = 1000
"""Time stamps are given in frames of a video with so many a second: exact to a millisecond."""


def windows(seconds: float, longest: float | None) -> list[tuple[float, float]]:
    """The spans (seconds from a clip's start) in which a clip of this length is captioned: equal parts of at most
    `longest` seconds; the whole clip where that is None."""
    parts = max(1, math.ceil(seconds / longest - 1e-6)) if longest else 1
    edges = [seconds * number / parts for number in range(parts + 1)]
    return list(itertools.pairwise(edges))


def wanted(span: tuple[float, float], settings: dict) -> list[float]:
    """The seconds from a clip's start of the frames that are looked at in a span.

    With `fps` they are so far apart, from the span's start on, and at most `max_frames`, then evenly spread; without
    it they are the fractions of the span that `frames` names.
    """
    first, last = span
    if not settings["fps"]:
        return [first + fraction * (last - first) for fraction in settings["frames"]]
    ticks = np.arange(first, max(last - 1e-6, first + 1e-9), 1 / settings["fps"])
    if len(ticks) > settings["max_frames"]:
        ticks = ticks[np.linspace(0, len(ticks) - 1, settings["max_frames"]).round().astype(int)]
    return ticks.tolist()


def shape(row: dict, settings: dict) -> tuple:
    """What the inputs of a clip's questions look like, near enough: clips of one shape can run in one batch."""
    size = row.get("height"), row.get("width")
    if row["num_frames"] == "1":
        return ("image", *size)
    seconds, stored = float(row["end"]) - float(row["start"]), settings["frames_from"]["fps"]
    spans = windows(seconds, settings["window_seconds"])
    return ("video", *size, len(spans), len({round(moment * stored) for moment in wanted(spans[0], settings)}))


def timing(times: list[float], seconds: float) -> dict:
    """What transformers and vLLM are told of a video of `seconds` whose frames are shown at these times (at least
    two): a video of TICKS frames a second, of which these are given, so that their times are true."""
    spacing = (times[-1] - times[0]) / (len(times) - 1)
    return {
        # Qwen2.5-VL takes the mean time between two frames from it.
        "total_num_frames": max(1, round(len(times) * spacing * TICKS)),
        "fps": float(TICKS),
        "frames_indices": [round(time * TICKS) for time in times],
        "duration": max(seconds, times[-1]),
    }
