"""The loudness of a video's sound over its time (ITU-R BS.1770-4)."""

from pathlib import Path

import av
import numpy as np

from clipmill.engine.workers import progress
from clipmill.videos.containers import opened, sound_stream, video_stream
from clipmill.videos.sound import heard

HOP = 0.1
"""Seconds whose mean power is kept; a block of BS.1770 is four of them."""
RATE = 48000
SLACK = 48
"""Samples by which sound may begin late without a gap: the rounding of containers."""
SHELF = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
HIGH_PASS = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
"""The two filters of the K-weighting at 48 kHz (BS.1770-4, tables 1 and 2)."""
OFFSET = -0.691
ABSOLUTE, RELATIVE = -70.0, -10.0
"""Gates of BS.1770-4: LUFS, and LU under the mean of what passes the first."""
SILENT = -60.0
"""LUFS under which a hop is silent (the level of ffmpeg's silencedetect)."""
NOTHING = -120.0
"""What stands for no sound at all."""


def levels(path: Path, first: float) -> np.ndarray | None:
    """The K-weighted level in LUFS of each tenth of a second from `first` (seconds, the first picture's time) on.

    float32; None where the file has no sound that can be read.
    """
    with opened(path) as container:
        stream = sound_stream(container, video_stream(container))
        if stream is None:
            return None
        hops, resamplers = Hops(), {}
        for frame in heard(path, container, stream, 0.0):
            progress()
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if kind not in resamplers:
                layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
                resamplers[kind] = av.AudioResampler(format="fltp", layout=layout, rate=RATE)
            index = None if frame.time is None else round((frame.time - first) * RATE)
            for part in resamplers[kind].resample(frame):
                hops.take(part.to_ndarray(), index)
                index = None
    return hops.levels()


class Hops:
    """The K-weighted power of sound, hop by hop; samples are filtered a second at a time."""

    def __init__(self):
        self.waiting: list[np.ndarray] = []
        self.begin = self.end = 0
        self.state = np.zeros((2, 2, 2))
        self.powers = np.zeros(0)

    def take(self, samples: np.ndarray, index: int | None) -> None:
        """Take samples (channels, n) that begin at `index`; None: where the last ones ended."""
        apart = index is not None and abs(index - self.end) > SLACK
        if apart or self.end - self.begin > RATE or (self.waiting and len(self.waiting[0]) != len(samples)):
            self.filter()
        if apart:
            self.begin = self.end = index
        self.waiting.append(samples)
        self.end += samples.shape[1]

    def filter(self) -> None:
        """Filter what waits, and add its squares to the hops that it belongs to."""
        from scipy.signal import sosfilt

        if self.waiting:
            samples = np.concatenate(self.waiting, axis=1)
            state = self.state[:, : len(samples)]
            filtered, state[:] = sosfilt([SHELF, HIGH_PASS], samples, zi=state)
            self.powers = _added(self.powers, np.square(filtered).sum(axis=0), self.begin)
        self.waiting, self.begin = [], self.end

    def levels(self) -> np.ndarray | None:
        """LUFS of each hop, float32; None where no sound came."""
        self.filter()
        powers = self.powers[: max(0, -(-self.end // round(HOP * RATE)))]
        if not len(powers):
            return None
        return np.maximum(NOTHING, OFFSET + 10 * np.log10(powers / (HOP * RATE) + 1e-13)).astype(np.float32)


def _added(powers: np.ndarray, squares: np.ndarray, index: int) -> np.ndarray:
    """The sums of squares of each hop with those of samples from `index` on; what comes before 0 is left out."""
    squares, index = squares[max(0, -index) :], max(0, index)
    if not len(squares):
        return powers
    hops = (index + np.arange(len(squares))) // round(HOP * RATE)
    if hops[-1] >= len(powers):
        powers = np.concatenate([powers, np.zeros(max(hops[-1] + 1, 2 * len(powers)) - len(powers))])
    powers[hops[0] : hops[-1] + 1] += np.bincount(hops - hops[0], squares)
    return powers


def loudness(levels: np.ndarray) -> float | None:
    """The integrated loudness in LUFS of hops of sound: blocks of 0.4 s, gated twice; None where all is silent."""
    powers = 10 ** ((levels.astype(np.float64) - OFFSET) / 10)
    size = min(4, len(powers))
    if not size:
        return None
    blocks = np.convolve(powers, np.full(size, 1 / size), "valid")
    for gate in (ABSOLUTE, None):
        least = gate if gate is not None else _lufs(blocks.mean()) + RELATIVE
        blocks = blocks[_lufs(blocks) > least]
        if not len(blocks):
            return None
    return float(_lufs(blocks.mean()))


def _lufs(power):
    return OFFSET + 10 * np.log10(power + 1e-13)
