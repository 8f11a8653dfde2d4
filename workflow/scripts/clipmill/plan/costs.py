"""What an item is likely to cost, in seconds of one core (or of one GPU, for the real models).

It decides the sizes of shards only, never a result. The rates are rough on purpose.
"""

from collections.abc import Callable

import av

from clipmill.engine.remote import is_remote
from clipmill.videos.containers import opened, video_stream

RATES = {
    "scan_videos": 0.006,  # per megapixel decoded
    "score_aesthetic": 0.05,  # per clip
    "score_flow": 0.03,  # per second of a clip
    "score_ocr": 3.0,  # per clip
    "score_classifiers": 0.1,  # per clip
    "score_coherence": 0.005,  # per clip, whose vectors are remembered
    "score_labels": 0.005,  # per clip, whose vectors are remembered
    "embed_clips": 0.005,  # the same
    "hash_clips": 0.02,  # per clip: 16 stored frames
    "caption_clips": 1.0,  # per clip
    "clean_captions": 0.001,  # per clip
    "score_match": 0.05,  # per clip
    "label_camera": 0.006,  # per megapixel decoded
    "cut_clips": 0.04,  # per megapixel encoded
}
UNKNOWN = 0.1
"""Seconds per item of a step that is not listed."""
MOST = 1e7
"""Megapixels of the longest film that is believed: ten hours of 4K at 30 frames a second."""


def seconds(step: str, row: dict) -> float:
    """The likely cost of `step` for the item of `row` (a row of the listing, or of the clips)."""
    if step == "scan_videos":
        return RATES[step] * (_of_video(row) if row["kind"] == "video" else 1.0)
    return of_clips(step, lambda name: float(row[name] or 1))


def of_clips(step: str, numbers: Callable[[str], float]):
    """The same of a clip, or of many at once; `numbers` gives their values (or an array of them) of a column."""
    amount = 1.0
    if step in ("label_camera", "cut_clips"):
        amount = numbers("num_frames") * numbers("resolution") / 1e6
    if step == "score_flow":
        amount = numbers("num_frames") / numbers("fps")
    return RATES.get(step, UNKNOWN) * amount


def _of_video(row: dict) -> float:
    return guessed(int(row["bytes"])) if is_remote(row["path"]) else megapixels(row["path"])


def guessed(size: int) -> float:
    """Frames x pixels / 1e6 of a video elsewhere, which is not opened for this: at a tenth of a bit per pixel."""
    return min(MOST, max(1.0, size * 8 / 0.1 / 1e6))


def megapixels(path: str) -> float:
    """Frames x pixels / 1e6 of a video, by its header; headers lie, but a cost may be wrong."""
    try:
        with opened(path) as container:
            stream = video_stream(container)
            length = float((container.duration or 0) / av.time_base)
            rate = float(stream.average_rate or 25)
            return min(MOST, max(1.0, length * rate * stream.width * stream.height / 1e6))
    except Exception:  # the scan says what is wrong with it
        return 1.0
