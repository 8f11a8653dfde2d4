"""The sound of a source is decoded once for all its clips, and is the same wherever decoding begins."""

import wave

import av
import numpy as np
import pytest
from clipmill.videos.containers import opened, sound_stream, video_stream
from clipmill.videos.soundtrack import BLOCK, Soundtracks
from one_file import Scanned, ffmpeg

RATE, SECONDS = 44100, 12
SPANS = [(0, 40), (40, 100), (110, 170), (200, 299)]


@pytest.fixture(scope="module")
def sounding(tmp_path_factory):
    """Twelve seconds of small pictures, with key frames far apart, and the samples of its sound: never twice the same
    value in two seconds, so that a shift shows."""
    folder = tmp_path_factory.mktemp("sounding")
    samples = (np.arange(RATE * SECONDS) % 60000 - 30000).astype("<i2")
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    shown = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={SECONDS}", "-i", folder / "a.wav"]
    ffmpeg(*shown, "-c:v", "libx264", "-g", 250, "-sc_threshold", 0, "-c:a", "pcm_s16le", folder / "a.mov")
    return folder / "a.mov", samples


def test_samples_are_those_of_the_span_to_the_sample(sounding):
    path, samples = sounding
    tracks = Soundtracks()
    for begin, end in [(0.0, 1.0), (3.2, 7.36), (4.99, 5.01), (11.0, 12.0)]:
        heard = np.zeros(round((end - begin) * RATE), np.int16)
        for seconds, frame in tracks.frames(path, begin, end):
            part, at = frame.to_ndarray()[0], round((seconds - begin) * RATE)
            low, high = max(0, at), min(len(heard), at + len(part))
            if high > low:
                heard[low:high] = part[low - at : high - at]
        assert np.array_equal(heard, samples[round(begin * RATE) :][: len(heard)])


def test_each_block_is_decoded_once_for_all_clips_of_a_source(sounding, tmp_path):
    path, _ = sounding
    source = Scanned(path, tmp_path)
    step = source.cutter()
    clips = [source.clip(*span) for span in SPANS] + [source.clip(120, 180)]
    for batch in step.batches(clips):
        step.compute(batch, [None] * len(batch))
    assert step.tracks.decoded == -(-SECONDS // BLOCK) + 1, "the one before the first is looked for as well"


def test_a_clip_sounds_the_same_with_any_neighbours(sounding, tmp_path):
    ffmpeg("-i", sounding[0], "-c:v", "copy", "-c:a", "aac", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    clips = [source.clip(*span) for span in SPANS]
    together = [row["file"].read_bytes() for row in source.cut(clips)]
    assert [source.cut([clip])[0]["file"].read_bytes() for clip in clips] == together


@pytest.mark.parametrize(("name", "codec", "near"), [
    ("a.mp4", "aac", 1e-3), ("a.mp4", "libmp3lame", 1e-3), ("a.mkv", "libopus", 0.02), ("a.mkv", "libvorbis", 1e-3),
    ("a.ts", "mp2", 1e-3), ("a.mkv", "flac", 0),
])  # fmt: skip
def test_blocks_hold_what_decoding_from_the_start_gives(tmp_path, name, codec, near):
    tones = f"aevalsrc=0.3*sin(440*2*PI*t)+0.2*sin(1000*2*PI*t*t):s=48000:d={SECONDS}"
    shown = ["-f", "lavfi", "-i", f"testsrc2=size=64x36:rate=25:duration={SECONDS}", "-f", "lavfi", "-i", tones]
    ffmpeg(*shown, "-c:v", "libx264", "-g", 100, "-c:a", codec, tmp_path / name)
    with opened(tmp_path / name) as container:
        stream = sound_stream(container, video_stream(container))
        whole = {frame.time: frame for frame in container.decode(stream)}
    first, last = min(whole), max(whole)
    found = dict(Soundtracks().frames(tmp_path / name, first, last + 1))
    assert sorted(found) == sorted(whole), "none twice, none missing"
    for seconds, frame in found.items():
        assert np.abs(values(frame) - values(whole[seconds])).max() <= near


def values(frame: av.AudioFrame) -> np.ndarray:
    """The samples of a frame, from -1 to 1."""
    found = frame.to_ndarray().astype(float)
    return found / 32768 if frame.format.name.startswith("s16") else found
