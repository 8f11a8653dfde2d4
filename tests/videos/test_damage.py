"""What is damaged costs the clips that show it, and nothing else; what is missing is told."""

import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos.damage import joined
from clipmill.videos.reader import Reader
from clipmill.videos.scenes import even_edges, split
from one_file import Scanned, ffmpeg

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=6")
CODED = {
    "h264.mp4": ("-c:v", "libx264", "-preset", "fast", "-g", "25", "-bf", "2"),
    "h264.mkv": ("-c:v", "libx264", "-g", "25"),
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:log-level=none"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-b:v", "400k", "-g", "25"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", "4", "-g", "25"),
    "prores.mov": ("-c:v", "prores_ks"),
    "mjpeg.mov": ("-c:v", "mjpeg"),
}
WHOLE = {"min_seconds": 0.2, "max_seconds": None}


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """Makes each of CODED once: a function from its name to its path."""
    folder = tmp_path_factory.mktemp("coded")

    def make(name: str) -> Path:
        if not (folder / name).exists():
            ffmpeg(*PICTURE, *CODED[name], folder / name)
        return folder / name

    return make


def shown(path: Path) -> dict[float, bytes]:
    """The picture of each frame by its time in milliseconds."""
    with Reader(path) as reader:
        return {round(frame.seconds * 1000): frame.picture.to_ndarray().tobytes() for frame in reader.frames()}


def emptied(source: Path, target: Path, number: int) -> None:
    """A copy in which the bytes of one packet are zeros."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packet = list(container.demux(video=0))[number]
        at = data.find(bytes(packet))
        assert at >= 0
        data[at : at + packet.size] = bytes(packet.size)
    target.write_bytes(data)


def seconds(rows: list[dict]) -> float:
    return sum(float(row["end"]) - float(row["start"]) for row in rows)


@pytest.mark.parametrize("name", CODED)
def test_a_damaged_packet_costs_the_clips_that_show_it_and_no_more(coded, tmp_path, name):
    path = tmp_path / name
    emptied(coded(name), path, 70)
    scanned = Scanned(path, tmp_path / "results", clips=WHOLE)
    assert {row["reason"] for row in scanned.rejects} <= {"damaged pictures", "damaged pictures beside it"}
    assert scanned.rejects
    assert seconds(scanned.rejects) <= 1.1  # one group of pictures, and the frame before it
    assert seconds(scanned.clips) + seconds(scanned.rejects) == pytest.approx(6, abs=0.05)
    whole, damaged = shown(coded(name)), shown(path)
    for clip in scanned.clips:
        times = [time for time in damaged if float(clip["start"]) <= time / 1000 + 5e-4 < float(clip["end"])]
        assert len(times) == int(clip["num_frames"])
        assert all(damaged[time] == whole[time] for time in times)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_packets_that_a_broadcast_lost_are_noticed(tmp_path, codec):
    path = tmp_path / "a.ts"
    ffmpeg(*PICTURE, "-c:v", codec, "-q:v", 4, "-g", 25, path)
    data = path.read_bytes()
    middle = len(data) // 376 * 188
    path.write_bytes(data[:middle] + data[middle + 188 * 6 :])
    scanned = Scanned(path, tmp_path / "results", clips=WHOLE)
    assert {row["reason"] for row in scanned.rejects} <= {"damaged pictures", "damaged pictures beside it"}
    assert 0 < seconds(scanned.rejects) <= 1.2


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "mpeg4.avi"])
def test_what_is_cut_behind_damage_is_what_was_scanned(coded, tmp_path, name):
    path = tmp_path / name
    emptied(coded(name), path, 70)
    scanned = Scanned(path, tmp_path / "results", clips={"min_seconds": 0.2, "max_seconds": 0.9})
    together = scanned.cut()
    assert len(together) == len(scanned.clips) > 4
    for row, clip in zip(together, scanned.clips, strict=True):
        assert row["cut_num_frames"] == int(clip["num_frames"])
        (alone,) = scanned.cut([clip])
        assert shown(alone["file"]) == shown(row["file"])


def test_a_picture_that_the_decoder_calls_damaged_is_in_no_clip(coded, tmp_path):
    clean, noticed = coded("h264.mkv").read_bytes(), 0
    for seed in range(20):
        chance, data = random.Random(seed), bytearray(clean)
        for _ in range(5):
            data[chance.randrange(len(data) // 4, len(data))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{seed}.mkv"
        path.write_bytes(data)
        try:
            scanned = Scanned(path, tmp_path / "results", clips=WHOLE)
        except Reject:
            continue
        with Reader(path) as reader:
            bad = [frame.index for frame in reader.frames() if frame.picture.is_corrupt]
        noticed += bool(bad)
        assert not [index for index in bad for first, end in scanned.spans if first <= index < end]
    assert noticed


LENGTHS = ("h264.mp4", "h264.mkv", "vp9.webm", "mpeg4.avi", "mjpeg.mov", "flv1.flv", "mpeg2.mxf")
ENDS = ("theora.ogv", "wmv2.wmv", "gif.gif", "fragments.mp4")


@pytest.mark.parametrize("name", [*LENGTHS, *ENDS])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_what_is_cut_short_keeps_what_came_before_and_says_so(tmp_path, name, share):
    path, codec = tmp_path / name, name.split(".")[0].replace("h264", "libx264").replace("vp9", "libvpx-vp9")
    codec = {"theora": "libtheora", "mpeg2": "mpeg2video", "fragments": "libx264"}.get(codec, codec)
    ffmpeg(
        *PICTURE, "-c:v", codec, "-g", 25, *(("-movflags", "+faststart") if name[-3:] in ("mp4", "mov") else ()), path
    )
    whole = Scanned(path, tmp_path / "results", clips=WHOLE)
    assert whole.rejects == []
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    scanned = Scanned(path, tmp_path / "results", clips=WHOLE)
    last = scanned.rejects[-1]
    assert last["reason"] == "truncated"
    assert seconds(scanned.clips) > 6 * share - 1.2
    if name in LENGTHS:
        assert float(last["end"]) == pytest.approx(6, abs=0.1)
        assert "of 6.0" in last["detail"]
    ids = [row["id"] for row in (*scanned.clips, *scanned.rejects)]
    assert len(set(ids)) == len(ids)


def test_a_rest_that_is_too_short_is_called_truncated(tmp_path):
    path = tmp_path / "a.mkv"
    ffmpeg(*PICTURE, "-c:v", "libx264", "-g", 25, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    scanned = Scanned(path, tmp_path / "results", clips={"min_seconds": 3.0})
    assert scanned.clips == []
    assert {row["reason"] for row in scanned.rejects} <= {"truncated", "damaged pictures"}


def test_a_sound_that_is_longer_than_the_picture_is_no_damage(tmp_path):
    for name in ("a.mkv", "a.mp4", "a.avi"):
        path = tmp_path / name
        ffmpeg(*PICTURE, "-f", "lavfi", "-i", "sine=d=12", "-c:v", "mpeg4", path)
        assert Scanned(path, tmp_path / "results", clips=WHOLE).rejects == []


def test_an_encrypted_video_is_called_encrypted_whatever_a_decoder_makes_of_it(tmp_path):
    for number in range(12):
        path = tmp_path / f"{number}.mp4"
        scheme = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", f"{number:032x}", "-fflags", "+bitexact")
        small = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2", "-c:v", "libx264", "-g", 5)
        ffmpeg(*small, *scheme, "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", path)
        with pytest.raises(Reject) as fault:
            Scanned(path, tmp_path / "results")
        assert fault.value.reason == "encrypted"


def test_a_film_that_ends_within_its_header_is_called_truncated(tmp_path):
    path = tmp_path / "a.mp4"
    ffmpeg(*PICTURE, "-c:v", "libx264", "-movflags", "+faststart", path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(Reject) as fault:
        Scanned(path, tmp_path / "results")
    assert fault.value.reason == "truncated"


@pytest.mark.parametrize("name", ["h264.mkv", "vp9.webm"])
def test_a_recording_that_starts_late_is_cut_short_where_it_stops_early(tmp_path, coded, name):
    late = tmp_path / name
    ffmpeg("-i", coded(name), "-c", "copy", "-output_ts_offset", 40, late)
    late.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    (missing,) = [row for row in Scanned(late, tmp_path / "results", clips=WHOLE).rejects if row["end"] == "6"]
    assert missing["reason"] == "truncated"


def test_a_scrambled_broadcast_is_called_encrypted(tmp_path):
    path = tmp_path / "a.ts"
    ffmpeg(*PICTURE, "-c:v", "mpeg2video", path)
    data, chance = bytearray(path.read_bytes()), random.Random(1)
    for at in range(188 * 3, len(data), 188):
        data[at + 3] |= 0x80
        data[at + 4 : at + 188] = chance.randbytes(184)
    path.write_bytes(data)
    with pytest.raises(Reject) as fault:
        Scanned(path, tmp_path / "results")
    assert fault.value.reason == "encrypted"


def tuned_in(path: Path, group: int, first: int) -> Path:
    """A broadcast, recorded from its packet `first` on, whose key frames are `group` frames apart."""
    ffmpeg(*PICTURE, "-c:v", "libx264", "-g", group, "-sc_threshold", 0, path)
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.size][first]
    path.write_bytes(path.read_bytes()[: 188 * 3] + path.read_bytes()[place:])
    return path


def test_a_file_that_starts_in_the_middle_of_a_group_of_pictures_says_so(tmp_path):
    path = tuned_in(tmp_path / "a.ts", group=1000, first=20)
    with pytest.raises(Reject) as fault:
        Scanned(path, tmp_path / "results")
    assert fault.value.reason == "starts in the middle of a group of pictures"


def test_a_recording_that_starts_between_key_frames_loses_only_its_beginning(tmp_path):
    path = tuned_in(tmp_path / "a.ts", group=25, first=30)
    scanned = Scanned(path, tmp_path / "results", clips=WHOLE)
    assert scanned.rejects == []
    assert seconds(scanned.clips) == pytest.approx(4, abs=0.05)


# Times --------------------------------------------------------------------------------------------------------------

LIMITS = {"min_seconds": 0.5, "max_seconds": 10.0}


@pytest.mark.parametrize("gap", [12.0, 3600.0, 1e9])
def test_a_long_frame_stands_alone_and_makes_no_single_frames_of_the_others(gap):
    times = np.arange(4001) / 25
    times[2001:] += gap
    spans = split([(0, 4000, "")], times, LIMITS)
    single = [span for span in spans if span.end - span.first == 1]
    assert [(span.first, span.reason) for span in single] == [(2000, "one frame longer than a clip")]
    clips = [span for span in spans if not span.reason]
    assert len(clips) == 16
    assert all(9 < span.stop - span.start <= 10.001 for span in clips)


@pytest.mark.parametrize("most", [None, 10.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_parts_cover_their_span_and_are_no_longer_than_allowed(seed, most):
    chance = np.random.RandomState(seed)
    frames = chance.choice([0.04, 0.04, 0.3, 7.0, 9.9, 30.0, 700.0], 500)
    times = np.concatenate([[0], np.cumsum(frames)])
    edges = even_edges(times, 0, 500, most)
    assert (edges[0], edges[-1]) == (0, 500)
    assert edges == sorted(set(edges))
    if most:
        assert all(times[b] - times[a] <= most + 1e-3 or b - a == 1 for a, b in pairwise(edges))


def test_a_million_frames_with_gaps_are_divided_in_few_steps():
    frames = np.full(1_000_000, 0.04)
    frames[::1000] = 11.0
    edges = even_edges(np.concatenate([[0], np.cumsum(frames)]), 0, 1_000_000, 10.0)
    assert len(edges) < 8000


def test_stretches_that_touch_are_one():
    assert joined([(0, 3), (3, 5), (7, 9), (8, 8)]) == [(0, 5), (7, 9)]
