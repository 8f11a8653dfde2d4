"""Still images as people see them: upright, transparency laid over white, colours in sRGB, 8 bits."""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from clipmill.engine.rejects import Reject

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of what may be opened: pictures that no other program has to draw (as EPS has)."""
ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
"""Formats whose further pictures are an animation. Those of an MPO or a TIFF are previews, depths or pages."""
PLAYED = ("GIF", "PNG")
"""Those whose animations ffmpeg plays."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation."""
ORIENTATION, WIDTH, HEIGHT, BITS, SIGN, PROFILE = 274, 256, 257, 258, 339, 34675
"""Tags of EXIF and TIFF."""
SAME_COLOUR = 2
"""Levels of 255 by which a profile may differ from sRGB and still be taken for it: the rounding of its many makers."""


@dataclass(frozen=True)
class Still:
    """A still image: `codec`, its format in lower case; `picture`, RGB as people see it; `plain`: whether Pillow's
    `convert("RGB")`, as trainers call it, gives the same pixels of the file."""

    codec: str
    picture: Image.Image
    plain: bool


def read(path: Path) -> Still:
    """The image of a file. Raises Reject where its bytes are no still image, and OSError where they cannot be read."""
    content = path.read_bytes()
    if not content:
        raise Reject("empty file")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            return decoded(opened)
    except (Reject, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise Reject("an image of too many pixels", str(error)) from error
    except UnidentifiedImageError as error:
        picture = deep_tiff(content)
        if picture is None:
            raise Reject("not a readable image", f"it begins with {content[:12]!r}") from error
        return Still("tiff", picture, plain=False)
    except Exception as error:  # Pillow raises errors of any kind about damaged bytes
        raise Reject("a damaged or truncated image", f"{type(error).__name__}: {error}") from error


def plays(path: Path) -> bool:
    """Whether a file with an image's name is an animation that is read as a video."""
    try:
        with Image.open(path, formats=PLAYED) as opened:
            return opened.is_animated
    except Exception:  # damaged bytes, which `read` tells, or another format
        return False


def decoded(opened: Image.Image) -> Still:
    """The still image that Pillow opened."""
    if opened.format in ANIMATED and getattr(opened, "is_animated", False):
        raise Reject("an animated image", f"{opened.n_frames} pictures of {opened.format}; convert it to a video")
    codec = opened.format.lower()
    opened.load()
    picture = photograph(opened)
    if picture is opened:
        return Still(codec, picture, plain=True)
    picture.info = {}  # what was said of the file's own pixels, and a profile that carries the time of its making
    plain = picture.size == opened.size and np.array_equal(picture, opened.convert("RGB"))
    return Still(codec, picture, plain)


def photograph(image: Image.Image) -> Image.Image:
    """A decoded image as people see it, RGB; the same object where it is that already."""
    picture = in_srgb(eight_bits(image), image.info.get("icc_profile"))
    if image.has_transparency_data:
        picture = on_white(picture, opacity(image))
    return turned(picture, orientation(image))


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """A picture turned upright; the same object where its EXIF orientation says that it is."""
    turn = TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def on_white(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """An RGB picture laid over white by its alpha, an image of mode L."""
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 (upright) where it has none or its EXIF is damaged."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises errors of any kind about damaged EXIF, which the picture itself does not need
        return 1


def opacity(image: Image.Image) -> Image.Image:
    """The alpha of an image that has any, as an image of mode L."""
    if image.mode.startswith("I"):  # 16-bit grey, one value of which is transparent
        return Image.fromarray(np.where(np.asarray(image) == image.info["transparency"], 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def eight_bits(image: Image.Image) -> Image.Image:
    """The colours of an image without its alpha, in mode L, RGB, CMYK or LAB, 8 bits a channel."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(scaled(numbers(image)))
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    return image.convert("RGBA").convert("RGB")


def numbers(image: Image.Image) -> np.ndarray:
    """The values of a deep grey image, HxW, in the type that its file declares."""
    values = np.asarray(image)
    if image.mode == "I" and image.format == "PPM":
        return values.astype(np.uint16)
    unsigned = image.format == "TIFF" and image.tag_v2.get(SIGN, (1,)) == (1,)
    if image.mode == "I" and unsigned and image.tag_v2[BITS] == (32,):
        return values.view(np.uint32)
    return values


def scaled(values: np.ndarray) -> np.ndarray:
    """Whole numbers or floats of any range as uint8, never clipped.

    Unsigned numbers of 16 bits and floats from 0 to 1 keep their range; all others, whose white no file tells, are
    stretched from their darkest (0 where none is negative) to their brightest.
    """
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8)
    floats = np.where(np.isfinite(values), values, 0).astype(np.float64)
    low, high = min(0.0, floats.min()), floats.max()
    if values.dtype.kind != "f" or low < 0 or high > 1:
        floats = (floats - low) / max(high - low, 1e-12)
    return (floats * 255 + 0.5).astype(np.uint8)


def in_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """An image of mode L, RGB, CMYK or LAB in the RGB of sRGB, by its ICC profile where that fits it."""
    transform = image.mode == "LAB" and to_srgb(b"", "LAB")
    if icc and not transform:
        mode = profile_mode(icc)
        if mode == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        transform = mode == image.mode and to_srgb(icc, mode)
    if transform:
        return ImageCms.applyTransform(image, transform)
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=32)
def profile_mode(icc: bytes) -> str:
    """The mode of the images that an ICC profile is for; "" where the profile is damaged, which viewers ignore."""
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return ""
    return {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space, "")


@lru_cache(maxsize=32)
def to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns images of `mode` with an ICC profile (LAB: with none) into sRGB; None where it would change nothing
    or where the profile is damaged."""
    try:
        profile = ImageCms.createProfile("LAB") if mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return None
    if mode == "RGB":
        steps = np.linspace(0, 255, 18, dtype=np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, -1, 3)
        changed = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform)).astype(int)
        if np.abs(changed - grid).max() <= SAME_COLOUR:
            return None
    return transform


def deep_tiff(content: bytes) -> Image.Image | None:
    """A TIFF of several deep channels, which Pillow does not read, as RGB; None where it is none, or OpenCV fails too.

    Raises Reject where it has so many pixels that Pillow would warn.
    """
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(content[:8])
        file = io.BytesIO(content)
        file.seek(tags.next)
        tags.load(file)
        pixels = int(tags[WIDTH]) * int(tags[HEIGHT])
    except Exception:  # as for Pillow's other readers
        return None
    if pixels > Image.MAX_IMAGE_PIXELS:
        raise Reject("an image of too many pixels", f"{pixels} pixels")
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None:
        return None
    values = np.atleast_3d(values)
    colours = scaled(values[..., 2::-1] if values.shape[2] > 2 else values[..., [0, 0, 0]])
    picture = in_srgb(Image.fromarray(np.ascontiguousarray(colours)), tags.get(PROFILE))
    if values.shape[2] == 4:
        full = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
        alpha = np.nan_to_num(values[..., 3] / full).clip(0, 1) * 255
        picture = on_white(picture, Image.fromarray(alpha.astype(np.uint8)))
    return turned(picture, tags.get(ORIENTATION, 1))
