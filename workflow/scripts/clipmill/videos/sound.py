"""The sound of a clip, cut to the sample."""

from fractions import Fraction

import av
import numpy as np

from clipmill.videos.containers import sound_stream
from clipmill.videos.reader import Frame, Reader
from clipmill.videos.soundtrack import Soundtracks

AUDIO_RATE = 128_000
"""Bits per second."""
AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350})
"""Sample rates that AAC knows (ISO/IEC 14496-3, table 1.18); sound of any other rate is resampled to 48 kHz."""


class Sound:
    """The samples of a clip, trimmed to its span: float32 (channels, samples)."""

    def __init__(self, samples: np.ndarray, rate: int, layout: str):
        self.samples, self.rate, self.layout, self.done = samples, rate, layout, 0

    @classmethod
    def of(cls, reader: Reader, tracks: Soundtracks, opening: Frame, length: float) -> "Sound | None":
        """The sound that goes with `length` seconds of video from `opening`; None where there is none.

        Where the source has no sound for a while, or a damaged packet, it is silence.
        """
        begin, index, resamplers = float(opening.pts * reader.tick), 0, {}
        stream = sound_stream(reader.container, reader.stream)
        if stream is None:
            return None
        context = stream.codec_context
        rate = context.sample_rate if context.sample_rate in AAC_RATES else 48000
        layout = "mono" if context.channels == 1 else "stereo"
        samples = np.zeros((1 if layout == "mono" else 2, round(length * rate)), np.float32)
        for seconds, frame in tracks.frames(reader.path, begin, begin + length):
            index = round((seconds - begin) * rate)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if kind not in resamplers:
                resamplers[kind] = av.AudioResampler(format="fltp", layout=layout, rate=rate)
            for part in resamplers[kind].resample(frame):
                index = place(samples, part.to_ndarray(), index)
        return cls(samples, rate, layout)

    def encoded(self, stream, until: float | None):
        """Packets of the samples up to `until` seconds, in whole codec frames; for None, of all that is left."""
        size = stream.codec_context.frame_size or 1024
        total = self.samples.shape[1]
        end = total if until is None else min(total, int(until * self.rate))
        while self.done < end and (until is None or self.done + size <= end):
            part = self.samples[:, self.done : self.done + size]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="fltp", layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self.done, Fraction(1, self.rate)
            self.done += part.shape[1]
            yield from stream.encode(frame)
        if until is None:
            yield from stream.encode(None)


def place(samples: np.ndarray, part: np.ndarray, index: int) -> int:
    """Copy `part` into `samples` from `index` on, as far as it fits; returns the index after it."""
    low, high = max(0, index), min(samples.shape[1], index + part.shape[1])
    if high > low:
        samples[:, low:high] = part[:, low - index : high - index]
    return index + part.shape[1]
