"""Another encoder changes no frame; without a card that has one, x264 makes the same files as if it had been asked."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
from clipmill.videos import encoders
from numbered_video import numbers, write
from one_file import Scanned

CARD = not encoders.usable("h264_nvenc")[1]
WITHOUT = pytest.mark.skipif(CARD, reason="this machine has a card that encodes: there is nothing to fall back from")
NVENC = ["h264_nvenc", "hevc_nvenc"]
SPANS = [(0, 17), (17, 18), (18, 40)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """50 numbered frames of 320x180 with a tone, scanned."""
    folder = tmp_path_factory.mktemp("source")
    write(folder / "a.mp4", 50, 25, (320, 180), crf=8, audio=True)
    return Scanned(folder / "a.mp4", folder)


def cut(source, **settings) -> list[dict]:
    rows = source.cut([source.clip(*span) for span in SPANS], **settings)
    return [{**row, "bytes": row["file"].read_bytes(), "written": None} for row in rows]


@WITHOUT
@pytest.mark.parametrize("wanted", NVENC)
def test_without_a_card_x264_gives_the_same_bytes_and_the_log_says_why(source, wanted, capsys):
    assert cut(source, encoder=wanted) == cut(source, encoder="x264") == cut(source)
    source.cutter(encoder=wanted).load()
    said = capsys.readouterr().err
    assert f"cut.encoder: {wanted} does not work here" in said
    assert "A100 and H100" in said
    assert "Clips are encoded by x264" in said
    source.cutter(encoder="x264").load()
    assert capsys.readouterr().err == ""


@pytest.mark.gpu
@pytest.mark.parametrize("wanted", NVENC)
def test_a_card_gets_the_same_frames(source, wanted):
    if why := encoders.usable(wanted)[1]:
        pytest.skip(why)
    by_card, by_x264 = cut(source, encoder=wanted), cut(source)
    for row, other, (first, end) in zip(by_card, by_x264, SPANS, strict=True):
        assert numbers(row["file"]) == list(range(first, end))
        assert row["frames_digest"] == other["frames_digest"]
        assert row["bytes"] != other["bytes"]
    with av.open(str(by_card[0]["file"])) as file:
        assert file.streams.video[0].codec_context.name == wanted.partition("_")[0]


@pytest.mark.parametrize("encoder", NVENC)
def test_pyavs_ffmpeg_reads_every_option_of_an_encoder_on_a_card(encoder):
    """Options are read before the card is looked for: a wrong one is another error than a missing card."""
    for preset in encoders.PRESETS:
        given = encoders.options(encoder, {"preset": preset, "crf": 18}, "cuda:0")
        assert given["gpu"] == "0"
        assert given.keys() <= own_options(encoder), "what an encoder does not know, PyAV drops in silence"
        assert not isinstance(opened(encoder, given), ValueError)
        for name in given:
            assert isinstance(opened(encoder, given | {name: "nonsense"}), ValueError), name
    lossless = encoders.options(encoder, {"preset": "slow", "crf": 0})
    assert lossless == {"preset": "p5", "tune": "lossless"}, "of a card, a quality of 0 means that it chooses"
    assert not isinstance(opened(encoder, lossless), ValueError)


@WITHOUT
@pytest.mark.parametrize("encoder", NVENC)
def test_the_ffmpeg_program_reads_them_too(encoder, tmp_path):
    given = encoders.options(encoder, {"preset": "veryfast", "crf": 18}, "cuda:0")
    said = by_program(encoder, given, tmp_path)
    assert "Cannot load libcuda" in said, "it gets as far as looking for the card"
    assert "option" not in said
    assert "Error setting option preset" in by_program(encoder, given | {"preset": "p9"}, tmp_path)


@pytest.mark.parametrize(
    ("size", "by_h264", "by_hevc"),
    [
        ((360, 640), "h264_nvenc", "hevc_nvenc"),
        ((64, 160), "h264_nvenc", "hevc_nvenc"),
        ((62, 160), "x264", "x264"),
        ((640, 158), "x264", "x264"),
        ((4320, 7680), "x264", "hevc_nvenc"),
        ((9000, 500), "x264", "x264"),
    ],
)
def test_pictures_that_a_card_does_not_take_go_to_x264(size, by_h264, by_hevc):
    assert [encoders.fitting(encoder, size) for encoder in ("x264", *NVENC)] == ["x264", by_h264, by_hevc]


def context_of(encoder: str, given: dict):
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 640, 360, "yuv420p", Fraction(1, 25)
    context.options = given
    return context


def own_options(encoder: str) -> set[str]:
    known = context_of(encoder, {}).supported_options
    return {option.name for option in (*known.generic, *known.private)}


def opened(encoder: str, given: dict) -> Exception | None:
    """What opening the encoder of PyAV's ffmpeg with these options raises."""
    try:
        context_of(encoder, given).open()
    except av.error.FFmpegError as error:
        return error
    return None


def by_program(encoder: str, given: dict, folder: Path) -> str:
    """What the ffmpeg program says to these options."""
    options = [text for name, value in given.items() for text in (f"-{name}:v" if name == "b" else f"-{name}", value)]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-hide_banner",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=640x360:d=0.1",
    ]
    command += ["-pix_fmt", "yuv420p", "-c:v", encoder, *options, "-y", str(folder / "out.mp4")]
    return subprocess.run(command, capture_output=True, text=True).stderr
