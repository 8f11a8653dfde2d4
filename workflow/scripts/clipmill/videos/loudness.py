"""The loudness of a video's sound over its time (ITU-R BS.1770-4)."""

from pathlib import Path

import av
import numpy as np

from clipmill.engine.workers import progress
from clipmill.videos.containers import opened, sound_stream, video_stream
from clipmill.videos.soundtrack import heard

HOP = 0.1
"""Seconds whose mean power is kept; a block of BS.1770 is four of them."""
RATE = 48000
SIZE = round(HOP * RATE)
WEIGHTING = (
    ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]),
    ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]),
)
"""The two filters of the K-weighting at 48 kHz (BS.1770-4, tables 1 and 2), applied to the spectrum of each hop."""
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
    """The K-weighted power of sound, hop by hop, a second at a time."""

    def __init__(self):
        self.powers: list[np.ndarray] = []
        self.second = np.zeros((2, RATE), np.float32)
        self.begin = self.end = 0
        turns = np.exp(-2j * np.pi * np.arange(SIZE // 2 + 1) / SIZE)
        gains = [np.abs(np.polyval(up[::-1], turns) / np.polyval(down[::-1], turns)) for up, down in WEIGHTING]
        self.weights = np.square(np.prod(gains, axis=0)).astype(np.float32)

    def take(self, samples: np.ndarray, index: int | None) -> None:
        """Take samples (channels, n) that begin at `index`, what lies before 0 left out; None: where the last ended."""
        index = self.end if index is None else max(index, self.begin - samples.shape[1])
        self.end = index + samples.shape[1]
        while self.end > self.begin:
            low, high = max(0, index - self.begin), min(RATE, self.end - self.begin)
            if high > low:
                part = samples[:, self.begin + low - index : self.begin + high - index]
                self.second[: len(part), low:high] = part
            if self.end < self.begin + RATE:
                return
            self.close(RATE // SIZE)

    def close(self, count: int) -> None:
        """Add the power of the first `count` hops of the second that is full."""
        from scipy.fft import rfft

        spectrum = rfft(self.second.reshape(2, -1, SIZE)[:, :count])
        parts = (np.square(spectrum.real) + np.square(spectrum.imag)) @ self.weights
        self.powers.append(parts.sum(axis=0) * 2 / SIZE**2)
        self.second[:] = 0
        self.begin += RATE

    def levels(self) -> np.ndarray | None:
        """LUFS of each hop, float32; None where no sound came."""
        if self.end > self.begin:
            self.close(-(-(self.end - self.begin) // SIZE))
        if not self.powers:
            return None
        return np.maximum(NOTHING, _lufs(np.concatenate(self.powers))).astype(np.float32)


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
