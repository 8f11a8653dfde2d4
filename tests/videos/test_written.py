"""What each level of `cut.check` sees of a file that is not what its encoder was given or gave."""

import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos.written import EVERY, LEVELS, Written, content_of, look, planes, unlikeness
from numbered_video import picture
from one_file import Scanned, ffmpeg

COUNT, SIZE = 40, (160, 90)
FEW = next(f"clip {number}" for number in range(99) if zlib.crc32(f"clip {number}".encode()) % EVERY)
"""A clip of which a sample is decoded in part only."""
WHOLE = next(f"clip {number}" for number in range(99) if zlib.crc32(f"clip {number}".encode()) % EVERY == 0)
"""A clip that a sample decodes whole."""


def shown(number: int) -> av.VideoFrame:
    """A numbered picture; its scene changes, so that neighbours look alike and others do not."""
    return av.VideoFrame.from_ndarray(picture(number, SIZE, number // 10), "rgb24").reformat(format="yuv420p")


class Made:
    """A file of numbered pictures, with a fault between the noting of a packet and the file, or in the encoder."""

    def __init__(self, folder, level, identity=FEW, crf=23):
        self.path = str(folder / "clip.mp4")
        self.noted, self.number = Written(level, identity, "h264", Fraction(1, 25)), 0
        self.options = {"preset": "veryfast", "crf": str(crf), "x264-params": "bframes=2"}

    def write(self, given=shown, noted_as=lambda packet: packet, muxed=lambda packet, number: packet) -> "Made":
        """`given`: the picture that the encoder takes for a number; `noted_as`: what the encoder is made to give;
        `muxed`: what comes into the file in place of a packet."""
        with av.open(self.path, "w", options={"movflags": "+faststart"}) as file:
            stream = file.add_stream("libx264", rate=25, options=self.options)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.codec_context.thread_count, stream.codec_context.time_base = 1, Fraction(1, 25)
            for number in [*range(COUNT), None]:
                frame = None if number is None else given(number)
                if frame:
                    frame.pts, frame.time_base = number, Fraction(1, 25)
                    self.noted.picture(number, list(planes(shown(number))), number)
                for packet in map(noted_as, stream.encode(frame)):
                    self.noted.video(packet)
                    packet = muxed(packet, self.number)
                    self.number += 1
                    if packet:
                        file.mux(packet)
            self.noted.header = stream.codec_context.extradata
        return self

    def flip(self, where: bytes, behind: int) -> "Made":
        """Change a bit of the file, `behind` bytes after the first place of some bytes."""
        with open(self.path, "r+b") as file:
            content = file.read()
            place = content.index(where) + behind
            file.seek(place)
            file.write(bytes([content[place] ^ 1]))
        return self

    def fault(self) -> str:
        """What the check says; "" where it finds nothing."""
        try:
            self.noted.check(self.path, SIZE[::-1])
        except Reject as reject:
            return reject.detail
        return ""


def changed(packet: av.Packet, data: bytes, later: int = 0) -> av.Packet:
    """A packet with other bytes or a later time, and else like one."""
    other = av.Packet(data)
    other.pts, other.dts, other.time_base = packet.pts + later, packet.dts, packet.time_base
    other.stream, other.is_keyframe, other.duration = packet.stream, packet.is_keyframe, packet.duration
    return other


def only(at: int, other):
    return lambda packet, number: other(packet) if number == at else packet


def noise(packet: av.Packet) -> av.Packet:
    """A packet whose picture is noise behind its first bytes; no byte is 0, so that it stays one unit."""
    data = bytes(packet)
    return changed(packet, data[:12] + np.random.default_rng(5).integers(1, 255, len(data), np.uint8).tobytes())


@pytest.mark.parametrize("level", LEVELS)
class TestEveryLevel:
    def test_what_is_as_it_was_given_passes(self, tmp_path, level):
        assert Made(tmp_path, level).write().fault() == ""

    def test_sees_a_packet_that_is_missing(self, tmp_path, level):
        assert "packet 7 of its video" in Made(tmp_path, level).write(muxed=only(7, lambda packet: None)).fault()

    def test_sees_the_last_packet_missing(self, tmp_path, level):
        assert "it ends after 39" in Made(tmp_path, level).write(muxed=only(39, lambda packet: None)).fault()

    def test_sees_a_wrong_time(self, tmp_path, level):
        late = only(7, lambda packet: changed(packet, bytes(packet), later=1))
        assert "packet 7" in Made(tmp_path, level).write(muxed=late).fault()

    def test_sees_a_packet_that_is_another(self, tmp_path, level):
        assert "packet 20" in Made(tmp_path, level).write(muxed=only(20, noise)).fault()

    def test_sees_a_flipped_bit_in_a_picture(self, tmp_path, level):
        assert Made(tmp_path, level).write().flip(b"mdat", 1200).fault().startswith("packet ")

    def test_sees_a_flipped_bit_in_the_parameter_sets(self, tmp_path, level):
        assert Made(tmp_path, level).write().flip(b"avcC", 22).fault()

    def test_sees_a_flipped_bit_in_the_size(self, tmp_path, level):
        assert Made(tmp_path, level).write().flip(b"stts", 19).fault()

    def test_sees_a_file_that_is_cut_short(self, tmp_path, level):
        made = Made(tmp_path, level).write()
        with open(made.path, "r+b") as file:
            file.truncate(file.seek(0, 2) - 20)
        assert made.fault()

    def test_takes_no_coarse_picture_for_a_wrong_one(self, tmp_path, level):
        assert Made(tmp_path, level, WHOLE, crf=51).write().fault() == ""


def levels_that_see(folder, identity=FEW, **how) -> list[str]:
    return [level for level in LEVELS if Made(folder, level, identity).write(**how).fault()]


def test_an_encoder_that_gives_another_picture_from_its_start_on_is_seen_by_a_sample(tmp_path):
    assert levels_that_see(tmp_path, given=lambda number: shown(number + 10)) == ["sample", "decode"]


def test_an_encoder_that_gives_what_no_decoder_takes_is_seen_by_a_sample(tmp_path):
    assert levels_that_see(tmp_path, noted_as=lambda packet: packet if packet.is_keyframe else noise(packet)) == [
        "sample",
        "decode",
    ]


def test_a_single_wrong_picture_far_from_the_start_is_seen_where_all_are_decoded(tmp_path):
    wrong = {"given": lambda number: shown(5 if number == 30 else number)}
    assert levels_that_see(tmp_path, **wrong) == ["decode"]
    assert levels_that_see(tmp_path, WHOLE, **wrong) == ["sample", "decode"], "of one clip in 16, a sample is all"


def test_a_picture_that_must_be_exact_is_compared_value_by_value(tmp_path):
    made = Made(tmp_path, "decode").write()
    made.noted.looks[20] = content_of(list(planes(shown(20))))
    assert "at 0.800 s is not the one" in made.fault()


def test_real_pictures_at_the_worst_quality_are_far_from_the_limit_and_others_beyond_it(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=5:duration=4,noise=alls=20", tmp_path / "a.mkv")
    with av.open(str(tmp_path / "a.mkv")) as container:
        before = [next(planes(frame.reformat(format="yuv420p"))) for frame in container.decode(video=0)]
    source = Scanned(tmp_path / "a.mkv", tmp_path)
    (row,) = source.cut(crf=51, check="packets")
    with av.open(str(row["file"])) as container:
        after = [next(planes(frame)) for frame in container.decode(video=0)]
    assert max(unlikeness(*pair) for pair in zip(after, map(look, before), strict=True)) < 8
    assert unlikeness(np.full_like(before[0], 128), look(before[0])) > 32


def test_a_clip_checked_less_than_is_asked_is_cut_again_and_one_checked_more_is_not(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    (row,) = source.cut(check="sample")
    remembered = {name: str(value) for name, value in row.items()}
    good = [level for level in LEVELS if source.cutter(check=level).valid(source.clips[0], remembered)]
    assert good == ["packets", "sample"]
