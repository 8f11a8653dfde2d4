"""The technical columns of a span of a video, from the series that the meters of its scan kept (see `quality`)."""

import numpy as np

from clipmill.videos import filters, loudness
from clipmill.videos.quality import (
    COMBED,
    DARKER,
    FLASH,
    FLASH_SECONDS,
    HOLD,
    LEAST,
    MARGIN,
    SAME,
    SAMPLE,
    STEP,
    TICK_SECONDS,
    UNEVEN,
    Series,
)

INTERLACED = 0.1
"""Share of the stored frames that show combs from which a span is taken for interlaced."""


def of_image(series: Series, size: tuple[int, int]) -> dict:
    """The columns of a still image of `size` (height, width)."""
    columns = _of_pictures(series.samples, size)
    return {name: value for name, value in columns.items() if name not in ("combed", "deinterlace")}


def of_span(series: Series, times: np.ndarray, first: int, end: int, size: tuple[int, int]) -> dict:
    """The columns of the frames from `first` to before `end`; none of an empty span.

    `times`: seconds of each frame of the video and of the end of the last one; `size`: (height, width) as shown.
    """
    if first >= end:
        return {}
    lengths = np.diff(times[first : end + 1])
    total = max(float(lengths.sum()), 1e-6)
    holds = _holds(series.change[first:end], lengths)
    dark = series.black[first:end]
    return {
        **_of_pictures(_samples(series, first, end), size),
        "frozen": sum(holds) / total,
        "slideshow": sum(holds) / total if len(holds) > 1 else 0.0,
        "black": float(lengths[dark].sum()) / total,
        "flashes": _flashes(series.luma[first:end], times[first:end]),
        "vfr": _uneven(lengths),
        "bitrate": float(series.sizes[first:end].sum(dtype=np.int64)) * 8 / 1000 / total,
        **_of_sound(series.sound, float(times[first]), float(times[end])),
    }


def _samples(series: Series, first: int, end: int) -> np.ndarray:
    """The samples of a span; the one nearest to its middle, where it has none of its own."""
    low, high = np.searchsorted(series.at, [first, end])
    if low < high:
        return series.samples[low:high]
    nearest = np.abs(series.at - (first + end) / 2).argmin() if len(series.at) else 0
    return series.samples[nearest : nearest + 1]


def _of_pictures(samples: np.ndarray, size: tuple[int, int]) -> dict:
    if not len(samples):
        return {}
    mean = dict(zip(SAMPLE, samples.astype(np.float64).mean(axis=0), strict=True))
    shown = samples[samples[:, 0] >= 0]
    if len(shown):  # a black picture would count as blurred and clipped, and has a column of its own
        mean |= {name: shown[:, SAMPLE.index(name)].mean(dtype=np.float64) for name in ("blur", "clipped")}
    *_, width, height = box = content(samples, size)
    combed = float((samples[:, SAMPLE.index("combed")] >= COMBED).mean())
    return {
        "borders": 1 - width * height / (size[0] * size[1]),
        "crop": filters.written(box, size),
        **{name: mean[name] for name in ("blur", "light", "clipped", "noise", "blocks")},
        "combed": combed,
        "deinterlace": "yes" if combed >= INTERLACED else "",
    }


def content(samples: np.ndarray, size: tuple[int, int]) -> filters.Box:
    """The part of a picture of `size` (height, width) within its black borders: what is never black stays.

    A border counts where it ends, at least once, in a sharp edge.
    """
    height, width = size
    seen = samples[samples[:, 0] >= 0]
    cuts = [0, 0, 0, 0]
    for side, length in enumerate((width, height, width, height)) if len(seen) else ():
        least = seen[:, side].min()
        at_edge = seen[:, 4].astype(int) >> side & 1
        sharp = at_edge[seen[:, side] <= least + 0.01].any()
        pixels = round(float(least) * length)
        if sharp and pixels >= max(LEAST[0], LEAST[1] * length):
            cuts[side] = -(-(pixels + MARGIN) // 2) * 2
    left, top, right, bottom = cuts
    across, down = (width - left - right) // 2 * 2, (height - top - bottom) // 2 * 2
    if not any(cuts) or across < 16 or down < 16:
        return 0, 0, width, height
    return left, top, across, down


def _holds(change: np.ndarray, lengths: np.ndarray) -> list[float]:
    """The seconds of each picture that stands still for `HOLD` seconds or more."""
    begins = np.concatenate([[True], change[1:] * STEP > SAME])
    shown = np.bincount(np.cumsum(begins) - 1, lengths)
    counts = np.bincount(np.cumsum(begins) - 1)
    return shown[(counts > 1) & (shown >= HOLD - 1e-6)].tolist()


def _flashes(luma: np.ndarray, times: np.ndarray) -> int:
    """The most flashes within a second: a change of the light and the opposite one soon after."""
    light = (luma / 255.0) ** 2.2
    found: list[float] = []
    begin, direction, since = 0, 0, 0  # of the frames that are compared; the last change, and when it was
    for now in range(1, len(light)):
        while times[now] - times[begin] > FLASH_SECONDS and begin < now:
            begin += 1
        recent = light[max(begin, since) : now]
        if not len(recent):
            continue
        up = light[now] - recent.min() >= FLASH and recent.min() < DARKER
        down = recent.max() - light[now] >= FLASH and light[now] < DARKER
        turn = 1 if up and direction != 1 else -1 if down and direction != -1 else 0
        if turn and direction and times[now] - times[since] <= FLASH_SECONDS:
            found.append(float(times[now]))
            direction, since = 0, now
        elif turn:
            direction, since = turn, now
    if not found:
        return 0
    ends = np.array(found)
    return int(max(np.searchsorted(ends, ends + 1.0) - np.arange(len(ends))))


def _uneven(lengths: np.ndarray) -> float:
    """Share of the frames whose length is not the usual one."""
    usual = np.median(lengths[:-1]) if len(lengths) > 1 else lengths[0]
    apart = np.abs(lengths - usual)
    return float(np.mean((apart > UNEVEN * usual) & (apart > TICK_SECONDS)))


def _of_sound(levels: np.ndarray, start: float, end: float) -> dict:
    """Loudness and silence between two times; a video without sound is silent."""
    first, last = int(start / loudness.HOP), -int(-end // loudness.HOP)
    mine = levels[first:last]
    heard = int(np.count_nonzero(mine >= loudness.SILENT))
    return {"loudness": loudness.loudness(mine), "silence": 1 - heard / max(1, last - first)}
