"""A still image is stored, scored and kept as people see it; what is no still image is a fault that says why."""

import contextlib
import struct
import zlib

import cv2
import icc_profiles
import numpy as np
import pytest
from clipmill.engine.rejects import Reject
from clipmill.videos import frames, images
from one_file import Scanned
from PIL import Image

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1)


def shown(path, results):
    """What the store holds of an image and what its file in clips/ shows to a trainer: H x W x 3, int."""
    source = Scanned(path, results, frames={"short_side": 4000, "quality": 100})
    (stored,) = frames.read(source.store, source.clips[0], [0.5])
    (row,) = source.cut()
    with Image.open(row["file"]) as kept:
        return stored.astype(int), np.asarray(kept.convert("RGB")).astype(int), row["file"]


def sticker(under):
    """A red disc on a transparent ground under which lies `under`, RGBA; and what people see of it on white."""
    y, x = np.mgrid[:240, :320]
    disc = ((x - 160) ** 2 + (y - 120) ** 2 < 60**2)[..., None]
    image = np.where(disc, np.uint8([200, 40, 40, 255]), np.dstack([under, np.zeros((240, 320), np.uint8)]))
    return image.astype(np.uint8), np.where(disc, [200, 40, 40], 255)


NOISE, BLACK = RNG.integers(0, 256, (240, 320, 3), np.uint8), np.zeros((240, 320, 3), np.uint8)


@pytest.mark.parametrize("under", [NOISE, BLACK], ids=["noise", "black"])
@pytest.mark.parametrize("kind", ["png", "webp", "tif", "palette.png", "LA.png", "keyed.png", "16 bit.png", "avif"])
def test_transparency_is_laid_over_white_in_the_store_and_in_the_clip(tmp_path, kind, under):
    pixels, seen = sticker(under)
    image, options = Image.fromarray(pixels), {}
    if kind == "webp":
        options = {"lossless": True, "exact": True}
    elif kind == "avif":
        options = {"quality": 100, "subsampling": "4:4:4"}
    elif kind == "palette.png":
        image = image.quantize(16)
    elif kind == "LA.png":
        image, seen = image.convert("LA"), np.where(seen == 255, 255, 89)
    elif kind == "keyed.png":  # one colour is transparent
        image = Image.fromarray(np.where(pixels[..., 3:] == 0, np.uint8([1, 2, 3]), pixels[..., :3]))
        options = {"transparency": (1, 2, 3)}
    path = tmp_path / f"a.{kind}"
    if kind == "16 bit.png":
        cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA).astype(np.uint16) * 257)
    else:
        image.save(path, **options)
    stored, kept, file = shown(path, tmp_path / "results")
    assert np.abs(stored - seen).mean() < 2
    assert np.abs(kept - seen).mean() < 1
    assert file.suffix == ".png"


def test_16_bit_grey_with_one_transparent_value_is_laid_over_white(tmp_path):
    values = np.linspace(0, 65535, 80).astype(">u2")[None].repeat(60, 0)
    values[:30] = 777
    chunks = [(b"IHDR", struct.pack(">2I5B", 80, 60, 16, 0, 0, 0, 0)), (b"tRNS", struct.pack(">H", 777))]
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    stored, kept, _ = shown(tmp_path / "a.png", tmp_path / "results")
    for seen in (stored, kept):
        assert seen[:30].min() > 250
        assert seen[40:].mean(axis=(0, 2)) == pytest.approx(np.linspace(0, 255, 80), abs=4)


def test_half_transparent_colours_are_mixed_with_white(tmp_path):
    Image.new("RGBA", (64, 64), (0, 0, 0, 128)).save(tmp_path / "a.png")
    stored, kept, _ = shown(tmp_path / "a.png", tmp_path / "results")
    assert stored.mean() == pytest.approx(127, abs=1)
    assert kept.mean() == pytest.approx(127, abs=1)


SPACES = {
    "Display P3": (icc_profiles.DISPLAY_P3, 2.2),
    "Adobe RGB": (icc_profiles.ADOBE_RGB, 563 / 256),
    "linear": (icc_profiles.SRGB, 1.0),
}
PURPLE = cv2.cvtColor(np.float32([[[60, 40, -30]]]), cv2.COLOR_LAB2RGB)[0, 0] * 255
"""The colour of L 60, a 40 and b -30."""
PATCHES = np.uint8([[200, 80, 80], [80, 200, 80], [80, 80, 200], [128, 128, 128], [230, 220, 40], [255, 255, 255]])


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
def test_colours_of_a_wide_space_become_srgb(tmp_path, space, suffix):
    primaries, power = SPACES[space]
    lossless = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    lossless["avif"] = {"quality": 100, "subsampling": "4:4:4"}
    image = Image.fromarray(PATCHES[None].repeat(32, 0).repeat(32, 1))
    image.save(tmp_path / f"a.{suffix}", icc_profile=icc_profiles.rgb(primaries, power), **lossless.get(suffix, {}))
    stored, kept, file = shown(tmp_path / f"a.{suffix}", tmp_path / "results")
    true = icc_profiles.in_srgb(PATCHES, primaries, power)
    assert np.abs(kept[16, 16::32] - true).max() < 4
    assert np.abs(stored[16, 16::32] - true).max() < 6
    assert not Image.open(file).info.get("icc_profile")


def test_an_alpha_and_a_profile_are_both_seen(tmp_path):
    pixels = np.dstack([PATCHES[None].repeat(32, 0).repeat(32, 1), np.full((32, 192), 128, np.uint8)])
    wide = icc_profiles.rgb(icc_profiles.DISPLAY_P3, 2.2)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=wide)
    _, kept, _ = shown(tmp_path / "a.png", tmp_path / "results")
    true = icc_profiles.in_srgb(PATCHES, icc_profiles.DISPLAY_P3, 2.2)
    assert np.abs(kept[16, 16::32] - (true * 128 + 255 * 127) / 255).max() < 4


def test_greys_follow_their_profile(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(16, 0)
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=icc_profiles.grey(1.0))
    stored, kept, _ = shown(tmp_path / "a.png", tmp_path / "results")
    true = icc_profiles.coded(np.arange(256) / 255)
    for seen in (stored, kept):
        assert np.abs(seen[8].mean(axis=-1) - true)[16:].max() < 4


def test_inks_follow_their_profile(tmp_path):
    image = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (32, 0, 64, 64))
    image.save(tmp_path / "a.tif", icc_profile=icc_profiles.inks((60, 40, -30)))
    stored, kept, _ = shown(tmp_path / "a.tif", tmp_path / "results")
    for seen in (stored, kept):
        assert np.abs(seen[16, 8] - PURPLE).max() < 8
        assert seen[16, 56].max() < 6


def test_a_profile_of_srgb_changes_nothing(tmp_path):
    from PIL import ImageCms

    image = Image.fromarray(COLOURS)
    known = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "a.png", icc_profile=known)
    _, kept, file = shown(tmp_path / "a.png", tmp_path / "results")
    assert (kept == COLOURS).all()
    assert file.read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("icc", [b"no profile", icc_profiles.grey(1.0), icc_profiles.inks((60, 40, -30))[:200]])
def test_a_profile_that_does_not_fit_is_ignored(tmp_path, icc):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=icc)
    _, kept, _ = shown(tmp_path / "a.png", tmp_path / "results")
    assert (kept == COLOURS).all()


def test_an_image_of_the_space_lab_is_read(tmp_path):
    levels = round(60 * 2.55), 40 + 128, -30 + 128
    Image.merge("LAB", [Image.new("L", (64, 64), level) for level in levels]).save(tmp_path / "a.tif")
    _, kept, _ = shown(tmp_path / "a.tif", tmp_path / "results")
    assert np.abs(kept[32, 32] - PURPLE).max() < 8


RAMP = np.linspace(0, 1, 80, dtype=np.float32)[None].repeat(60, 0)
DEEP = {
    "16-bit grey png": (RAMP * 65535).astype(np.uint16),
    "16-bit grey tif": (RAMP * 65535).astype(np.uint16),
    "16-bit grey pgm": (RAMP * 65535).astype(np.uint16),
    "16-bit colour png": (np.dstack([RAMP] * 3) * 65535).astype(np.uint16),
    "16-bit colour tif": (np.dstack([RAMP] * 3) * 65535).astype(np.uint16),
    "floats tif": RAMP,
    "floats beyond one tif": RAMP * 7.5,
    "floats below zero tif": RAMP * 20 - 10,
    "floats of colours tif": np.dstack([RAMP] * 3),
    "floats with holes tif": np.where(np.arange(60)[:, None] == 0, np.nan, RAMP),
    "double floats tif": RAMP.astype(np.float64),
    "32-bit grey tif": (RAMP.astype(np.float64) * 4e9).astype(np.uint32),
    "signed tif": (RAMP * 2e9).astype(np.int32),
    "small whole numbers tif": (RAMP * 100).astype(np.int32),
    "32-bit colour tif": (np.dstack([RAMP] * 3).astype(np.float64) * 4e9).astype(np.uint32),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_images_are_scaled_and_not_clipped(tmp_path, kind):
    path = tmp_path / f"a.{kind.split()[-1]}"
    assert cv2.imwrite(str(path), DEEP[kind])
    stored, kept, _ = shown(path, tmp_path / "results")
    for seen in (stored, kept):
        assert seen[1:].mean(axis=(0, 2)) == pytest.approx(np.linspace(0, 255, 80), abs=4)


def test_deep_colours_keep_their_order_their_alpha_and_their_place(tmp_path):
    values = np.zeros((60, 80, 4), np.float32)
    values[..., 2], values[..., 3] = 0.8, 1  # OpenCV's order: red
    values[:30, :, 3] = 0
    cv2.imwrite(str(tmp_path / "a.tif"), values)
    stored, kept, _ = shown(tmp_path / "a.tif", tmp_path / "results")
    for seen in (stored, kept):
        assert seen[:28].min() > 245
        assert np.abs(seen[34:] - [204, 0, 0]).mean() < 4


def test_many_pixels_are_a_fault_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((60, 80, 3), np.float32))
    for name in ("a.png", "a.tif"):
        with pytest.raises(Reject) as fault:
            Scanned(tmp_path / name, tmp_path / "results")
        assert fault.value.reason == "an image of too many pixels"
        assert "pixels" in fault.value.detail


def marked(size=(80, 60)):
    """An image whose corners differ: red, green, blue, white (left to right, top to bottom) on grey."""
    width, height = size
    image = np.full((height, width, 3), 128, np.uint8)
    for index, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]):
        top, left = index // 2 * height // 2, index % 2 * width // 2
        image[top : top + height // 2, left : left + width // 2] = colour
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_images_are_turned_upright_by_their_orientation(tmp_path, suffix, orientation):
    true = marked()
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    coded = Image.fromarray(true)
    if back in images.TURNS:
        coded = coded.transpose(images.TURNS[back])
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    coded.save(tmp_path / f"a.{suffix}", exif=exif)
    stored, kept, _ = shown(tmp_path / f"a.{suffix}", tmp_path / "results")
    for seen in (stored, kept):
        assert seen.shape == true.shape
        assert np.abs(seen - true).mean() < 5


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff damaged", quality=100)
    stored, _, _ = shown(tmp_path / "a.jpg", tmp_path / "results")
    assert stored.shape == COLOURS.shape


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_a_plain_image_of_any_mode_is_copied(tmp_path, mode):
    suffix = {"CMYK": "jpg", "YCbCr": "tif"}.get(mode, "png")
    image = Image.fromarray(COLOURS)
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    stored, kept, file = shown(tmp_path / f"a.{suffix}", tmp_path / "results")
    assert file.read_bytes() == (tmp_path / f"a.{suffix}").read_bytes()
    assert np.abs(stored - kept).mean() < 6


def test_an_image_without_a_transparent_pixel_is_copied(tmp_path):
    Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / "a.png")
    _, _, file = shown(tmp_path / "a.png", tmp_path / "results")
    assert file.read_bytes() == (tmp_path / "a.png").read_bytes()


GREYS = [Image.fromarray(np.full((60, 80, 3), value, np.uint8)) for value in (0, 80, 160, 250)]


@pytest.mark.parametrize(("suffix", "content"), [("png", "PNG"), ("png", "GIF")])
def test_an_animated_image_is_a_video(tmp_path, suffix, content):
    path = tmp_path / f"a.{suffix}"
    GREYS[0].save(path, content, save_all=True, append_images=GREYS[1:], duration=200)
    source = Scanned(path, tmp_path / "results", clips={"min_seconds": 0})
    assert {name: source.video[name] for name in ("kind", "num_frames", "fps")} == {
        "kind": "video",
        "num_frames": "4",
        "fps": "5",
    }
    assert {clip["kind"] for clip in source.clips} == {"video"}
    assert sum(row["cut_num_frames"] for row in source.cut()) == 4


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_an_animated_image_that_no_video_reader_plays_is_a_fault_that_says_so(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    GREYS[0].save(path, save_all=True, append_images=GREYS[1:], duration=200)
    with pytest.raises(Reject) as fault:
        images.read(path)
    assert fault.value.reason == "an animated image"
    assert "4 pictures" in fault.value.detail


def test_an_image_with_pages_shows_its_first(tmp_path):
    GREYS[3].save(tmp_path / "a.tif", save_all=True, append_images=GREYS[:1])
    stored, _, _ = shown(tmp_path / "a.tif", tmp_path / "results")
    assert stored.mean() == pytest.approx(250, abs=1)


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "empty file"),
    (b"no image at all", "not a readable image"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "not a readable image"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "not a readable image"),
    (b"II*\0\xff\xff\xff\x7f", "not a readable image"),
])  # fmt: skip
def test_what_is_no_image_is_a_fault_that_says_so(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Reject) as fault:
        Scanned(tmp_path / "a.png", tmp_path / "results")
    assert fault.value.reason == reason
    assert "0x" not in fault.value.detail


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "ppm", "gif"])
def test_no_damage_to_an_image_raises_anything_but_a_reject(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOURS[:64, :64]).save(path)
    content, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        mutant = bytearray(content)
        for place in random.integers(0, min(len(mutant), 4000), 8):
            mutant[place] = random.integers(256)
        path.write_bytes(mutant[: random.integers(1, len(mutant))] if random.random() < 0.3 else mutant)
        with contextlib.suppress(Reject):
            assert images.read(path).picture.mode == "RGB"


def test_a_truncated_image_is_a_fault_that_says_so(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:5000])
    with pytest.raises(Reject) as fault:
        Scanned(tmp_path / "a.jpg", tmp_path / "results")
    assert fault.value.reason == "a damaged or truncated image"
    assert "truncated" in fault.value.detail
