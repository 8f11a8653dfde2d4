"""The technical columns are true: films with known borders, blur, noise, combs, holds, flashes, rates and sound."""

import av
import cv2
import numpy as np
import pytest
import skimage.data
from clipmill.videos import frames, grades, loudness, quality
from label_camera import LabelCamera
from one_file import Scanned, ffmpeg, rgb

SIZE = (320, 240)
PHOTOGRAPHS = {name: getattr(skimage.data, name) for name in ("astronaut", "coffee", "chelsea", "rocket")}


def photograph(name="coffee", size=SIZE):
    return cv2.resize(PHOTOGRAPHS[name](), (size[0] + 60, size[1] + 60), interpolation=cv2.INTER_AREA)


def moving(count, name="coffee", size=SIZE):
    """A camera that drifts over a photograph: `count` RGB pictures."""
    picture = photograph(name, size)
    return [picture[n % 60 :][: size[1], n % 60 :][:, : size[0]] for n in range(count)]


def film(path, pictures, rate=25, crf=16, sound=None):
    """Write RGB pictures; `sound`: float samples at 48 kHz."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        audio = file.add_stream("pcm_s16le", rate=48000, layout="mono") if sound is not None else None
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        file.mux(stream.encode(None))
        if audio:
            frame = av.AudioFrame.from_ndarray((sound * 32767).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate = 48000
            file.mux(audio.encode(frame))
            file.mux(audio.encode(None))
    return path


def graded(path, tmp_path, first=0, end=None, **settings) -> dict:
    """The technical columns of a span of a file, the whole of it if not told otherwise."""
    source = Scanned(path, tmp_path, **settings)
    series, size = (
        quality.Series.of(source.remembered["meters"]),
        (int(source.video["height"]), int(source.video["width"])),
    )
    end = int(source.video["num_frames"]) if end is None else end
    return grades.of_span(series, source.seconds, first, end, size)


def bars(pictures, left=0, top=0, right=0, bottom=0):
    """The pictures with black at their sides, pixels."""
    out = []
    for picture in pictures:
        picture = picture.copy()
        height, width = picture.shape[:2]
        picture[:top], picture[height - bottom :], picture[:, :left], picture[:, width - right :] = 0, 0, 0, 0
        out.append(picture)
    return out


BARS = [
    {},
    {"top": 12, "bottom": 12},
    {"top": 24, "bottom": 24},
    {"left": 32, "right": 32},
    {"left": 16, "top": 6, "right": 40},
    {"top": 48},
]


@pytest.mark.parametrize("name", ["coffee", "astronaut", "rocket"])
@pytest.mark.parametrize("sides", BARS, ids=str)
def test_borders_are_found_to_a_few_pixels_and_no_others(tmp_path, name, sides):
    found = graded(film(tmp_path / "a.mp4", bars(moving(30, name), **sides)), tmp_path)
    true = [sides.get("left", 0), sides.get("top", 0)]
    true += [SIZE[0] - true[0] - sides.get("right", 0), SIZE[1] - true[1] - sides.get("bottom", 0)]
    box = list(map(int, (found["crop"] or f"0 0 {SIZE[0]} {SIZE[1]}").split(" of ")[0].split()))
    assert box == pytest.approx(true, abs=8)
    assert found["borders"] == pytest.approx(1 - true[2] * true[3] / (SIZE[0] * SIZE[1]), abs=0.05)
    # What is cropped holds nothing of the border.
    assert box[0] >= true[0]
    assert box[1] >= true[1]


def test_night_has_no_borders(tmp_path):
    lamp = np.zeros((*SIZE[::-1], 3), np.float32)
    cv2.circle(lamp, (160, 120), 30, (255, 240, 200), -1)
    dark = cv2.GaussianBlur(lamp, (0, 0), 40) * 2
    pictures = [np.clip(np.roll(dark, n, 1), 0, 255).astype(np.uint8) for n in range(30)]
    assert graded(film(tmp_path / "a.mp4", pictures), tmp_path)["borders"] == 0


def test_borders_are_those_of_the_span_and_its_dark_frames_hide_none(tmp_path):
    shown = bars(moving(40), top=24, bottom=24) + [np.zeros((240, 320, 3), np.uint8)] * 30 + moving(40)
    path = film(tmp_path / "a.mp4", shown)
    assert graded(path, tmp_path, 0, 70)["borders"] == pytest.approx(0.2, abs=0.05)
    assert graded(path, tmp_path, 40, 110)["borders"] == 0


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_everyone_sees_the_cropped_picture(tmp_path, degrees):
    film(tmp_path / "flat.mp4", bars(moving(50), left=60, top=20))
    path = tmp_path / "a.mp4"
    ffmpeg("-display_rotation", degrees, "-i", tmp_path / "flat.mp4", "-c", "copy", path)
    source = Scanned(path, tmp_path, cut={"crop_borders": True})
    (clip,) = source.clips
    shown = (220, 260) if degrees % 180 == 0 else (260, 220)
    assert (int(clip["height"]), int(clip["width"])) == pytest.approx(shown, abs=6)
    (stored,) = frames.read(source.store, clip, [0.5])
    (cut,) = source.cut()
    assert (cut["cut_height"], cut["cut_width"]) == (int(clip["height"]), int(clip["width"])) == stored.shape[:2]
    label = LabelCamera({"fps": 10, "short_side": 270}, tmp_path, tmp_path, tmp_path, {})
    seen = [picture for _, picture in label.samples(clip)]
    whole = rgb(path, 24)
    x, y, width, height = map(int, clip["crop"].split(" of ")[0].split())
    wanted = whole[y : y + height, x : x + width]
    for picture in (rgb(cut["file"], 24), stored, np.repeat(seen[len(seen) // 2][..., None], 3, 2)):
        assert picture.shape[:2] == pytest.approx((height, width), abs=2)
        grey = [cv2.cvtColor(shown.astype(np.uint8), cv2.COLOR_RGB2GRAY) for shown in (picture, wanted)]
        assert np.abs(cv2.resize(grey[0], (width, height)).astype(int) - grey[1]).mean() < 8
    assert min(rgb(cut["file"], 24)[:, 0].mean(), rgb(cut["file"], 24)[0].mean()) > 16


def test_an_image_is_cropped(tmp_path):
    (picture,) = bars(moving(1), left=60)
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    source = Scanned(tmp_path / "a.png", tmp_path, cut={"crop_borders": True})
    (cut,) = source.cut()
    assert (cut["cut_height"], cut["cut_width"]) == pytest.approx((240, 258), abs=4)
    assert source.clips[0]["frozen"] == source.clips[0]["combed"] == ""


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_blurred_and_sharp_ones_are_told_apart(tmp_path, name):
    sharp = moving(15, name)
    soft = [cv2.GaussianBlur(picture, (0, 0), 3) for picture in sharp]
    found = [graded(film(tmp_path / f"{n}.mp4", shown), tmp_path)["blur"] for n, shown in enumerate((sharp, soft))]
    assert found[0] < 0.5 < found[1]


def test_light_and_clipped_pixels_are_shares(tmp_path):
    picture = np.full((240, 320, 3), 128, np.uint8)
    picture[:, :80], picture[:60, 80:] = 255, 64
    found = graded(film(tmp_path / "a.mp4", [picture] * 15), tmp_path)
    assert found["clipped"] == pytest.approx(0.25, abs=0.02)
    assert found["light"] == pytest.approx(picture.mean() / 255, abs=0.02)


@pytest.mark.parametrize("sigma", [2, 6, 12])
def test_noise_is_its_standard_deviation(tmp_path, sigma):
    rng = np.random.default_rng(0)
    clean = cv2.GaussianBlur(photograph(), (0, 0), 4)[:240, :320].astype(np.float32) * 0.6 + 40
    noisy = [np.clip(clean + rng.normal(0, sigma, (240, 320, 1)), 0, 255).astype(np.uint8) for _ in range(12)]
    found = graded(film(tmp_path / "a.mp4", noisy, crf=1), tmp_path)["noise"]
    assert found == pytest.approx(sigma, rel=0.25)
    quiet = graded(film(tmp_path / "b.mp4", [clean.astype(np.uint8)] * 12, crf=1), tmp_path)["noise"]
    assert quiet < 1


def test_a_frozen_picture_is_told_from_a_slideshow_and_from_film(tmp_path):
    stills = [photograph(name)[:240, :320] for name in PHOTOGRAPHS]
    cases = {
        "film": (moving(100), 0, 0),
        "half": (moving(50) + [stills[0]] * 50, 0.5, 0),
        "slides": ([still for still in stills for _ in range(25)], 1, 1),
        "on threes": ([picture for picture in moving(34) for _ in range(3)], 0, 0),
    }
    for name, (shown, frozen, slideshow) in cases.items():
        found = graded(film(tmp_path / f"{name}.mp4", shown), tmp_path)
        assert (found["frozen"], found["slideshow"]) == pytest.approx((frozen, slideshow), abs=0.05), name


def test_black_and_flashes(tmp_path):
    shown = moving(100)
    for number in (20, 26, 32, 38, 80):
        shown[number] = np.full_like(shown[0], 250)
    path = film(tmp_path / "a.mp4", [*shown, *[np.zeros_like(shown[0])] * 25])
    found = graded(path, tmp_path)
    assert found["black"] == pytest.approx(0.2, abs=0.01)
    assert found["flashes"] == 4
    assert graded(path, tmp_path, 42, 100)["flashes"] == 1
    assert (
        graded(path, tmp_path, 0, 20)["flashes"]
        == graded(film(tmp_path / "b.mp4", moving(60)), tmp_path)["flashes"]
        == 0
    )


def woven(pictures):
    """Interlaced: each picture holds the lines of two moments."""
    out = []
    for now, after in zip(pictures[::2], pictures[1::2], strict=True):
        both = now.copy()
        both[1::2] = after[1::2]
        out.append(both)
    return out


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_combs_are_seen_and_removed(tmp_path, name):
    steady = moving(200, name)[::4]
    assert graded(film(tmp_path / "p.mp4", steady), tmp_path)["combed"] == 0
    picture = photograph(name, (620, 240))
    pan = [picture[:240, 4 * n : 4 * n + 320] for n in range(80)]
    path = film(tmp_path / "i.mp4", woven(pan))
    assert graded(path, tmp_path)["combed"] > 0.7
    source = Scanned(path, tmp_path, cut={"deinterlace": True})
    (cut,) = source.cut()
    assert (source.clips[0]["deinterlace"], cut["cut_num_frames"]) == ("yes", 40)
    assert graded(cut["file"], tmp_path)["combed"] < 0.1


def test_a_variable_rate_is_told_from_the_rounding_of_a_container(tmp_path):
    from numbered_video import write

    write(tmp_path / "a.mkv", 60, 24, timestamps=[round(n / 24, 3) for n in range(60)])
    write(tmp_path / "b.mkv", 60, 24, timestamps=[n / 24 + 0.1 * (n // 10) for n in range(60)])
    assert graded(tmp_path / "a.mkv", tmp_path)["vfr"] == 0
    assert graded(tmp_path / "b.mkv", tmp_path)["vfr"] == pytest.approx(5 / 60, abs=0.02)


def test_the_bitrate_is_that_of_the_pictures(tmp_path):
    path = film(tmp_path / "a.mp4", moving(50))
    with av.open(str(path)) as file:
        size = sum(packet.size for packet in file.demux(file.streams.video[0]))
    assert graded(path, tmp_path)["bitrate"] == pytest.approx(size * 8 / 1000 / 2, rel=0.01)
    halves = [graded(path, tmp_path, first, first + 25)["bitrate"] for first in (0, 25)]
    assert sum(halves) / 2 == pytest.approx(size * 8 / 1000 / 2, rel=0.01)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_blocks_are_told(tmp_path, name):
    found = []
    for number, level in enumerate((95, 8)):
        shown = [cv2.imdecode(cv2.imencode(".jpg", picture, [1, level])[1], 1) for picture in moving(6, name)]
        found.append(graded(film(tmp_path / f"{number}.mp4", shown, crf=4), tmp_path)["blocks"])
    assert found[0] < 1.4 < 2 < found[1]


def test_loudness_is_that_of_the_standard_and_silence_is_told(tmp_path):
    seconds = np.arange(48000 * 4) / 48000
    tone = np.sin(2 * np.pi * 997 * seconds) * (seconds < 2)
    path = film(tmp_path / "a.mkv", moving(100), sound=tone.astype(np.float32))
    found = graded(path, tmp_path, 0, 50, quality={"sound": True})
    # BS.1770-4: a full-scale sine of 997 Hz in one channel is -3.01 LUFS.
    assert found["loudness"] == pytest.approx(-3.01, abs=0.1)
    assert found["silence"] == pytest.approx(0, abs=0.06)
    assert graded(path, tmp_path, quality={"sound": True})["silence"] == pytest.approx(0.5, abs=0.03)
    assert graded(path, tmp_path, 55, 100, quality={"sound": True})["loudness"] is None
    assert Scanned(path, tmp_path).clips[0]["silence"] == ""
    mute = Scanned(film(tmp_path / "b.mp4", moving(20)), tmp_path, quality={"sound": True}).clips[0]
    assert (mute["loudness"], mute["silence"]) == ("", "1")


def test_what_a_span_gets_depends_on_its_own_frames(tmp_path):
    """So `clips` may change without another look at the video."""
    path = film(tmp_path / "a.mp4", moving(50) + [photograph()[:240, :320]] * 50)
    halves = [graded(path, tmp_path, 0, 50), graded(path, tmp_path, 50, 100)]
    assert [half["frozen"] for half in halves] == pytest.approx([0, 1], abs=0.05)
    split = Scanned(
        path, tmp_path, clips={"max_seconds": 2}, detector="content", detectors={"content": {"threshold": 250}}
    )
    assert [float(clip["frozen"]) for clip in split.clips] == pytest.approx([0, 1], abs=0.05)


def test_sound_with_a_gap_keeps_its_place():
    hops = loudness.Hops()
    tone = np.sin(np.arange(48000) / 8).astype(np.float32)[None]
    hops.take(tone, -24000)
    hops.take(tone, 5 * 48000)
    heard = hops.levels() > -60
    assert np.flatnonzero(heard).tolist() == [*range(5), *range(50, 60)]
