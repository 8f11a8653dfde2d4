"""The pictures of a request as a captioner takes them: scaled down where a frame has too many pixels."""

import io

import numpy as np

from clipmill.videos.frames import Shot

QUALITY = 92
"""JPEG quality of a picture that had to be scaled down, or that never was a JPEG."""


def image(shot: Shot, max_pixels: int | None) -> np.ndarray:
    """A frame as HxWx3 RGB uint8, with at most `max_pixels` pixels, its shape kept."""
    import cv2

    pixels = shot.image
    size = fitting(pixels.shape[1], pixels.shape[0], max_pixels)
    if size == pixels.shape[1::-1]:
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def jpeg(shot: Shot, max_pixels: int | None) -> bytes:
    """A frame as JPEG: the stored bytes themselves, unless it must be scaled down or is not stored as JPEG."""
    import cv2
    from PIL import Image

    if shot.jpeg is not None:
        size = Image.open(io.BytesIO(shot.jpeg)).size  # reads the header only
        if size == fitting(*size, max_pixels):
            return shot.jpeg
    pixels = cv2.cvtColor(image(shot, max_pixels), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def fitting(width: int, height: int, max_pixels: int | None) -> tuple[int, int]:
    """(width, height) of a picture with at most `max_pixels` pixels; never larger than it is."""
    if max_pixels is None or width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    return max(1, int(width * scale)), max(1, int(height * scale))
