"""A picture as a clip's file shows it: upright, in square pixels, as 8-bit 4:2:0 of limited range."""

import av
import numpy as np

from clipmill.videos import pictures

BT709 = 1
"""AVColorPrimaries and AVColorTransferCharacteristic of ITU-R BT.709."""
UNSPECIFIED, LIMITED = 0, 1
"""AVColorRange of YUV that is not of full range."""


def describe(context: av.VideoCodecContext, picture: av.VideoFrame, size: tuple[int, int]) -> None:
    """Tell an encoder of one thread what its pictures are: of `size` (height, width), with the colours of `picture`."""
    context.height, context.width, context.pix_fmt, context.thread_count = *size, "yuv420p", 1
    # Without these tags a decoder would read the colours of most HD sources with the wrong matrix.
    colours, hdr = converted(picture, size), int(picture.color_trc) in pictures.HDR
    context.colorspace, context.color_range = colours.colorspace, colours.color_range
    context.color_primaries = BT709 if hdr else picture.color_primaries
    context.color_trc = BT709 if hdr else picture.color_trc


def plain(picture: av.VideoFrame, size: tuple[int, int]) -> bool:
    """Whether a picture is shown as it was decoded: then it need not even be copied."""
    return (
        picture.format.name == "yuv420p"
        and picture.color_range in (UNSPECIFIED, LIMITED)
        and (picture.height, picture.width) == size
        and int(picture.colorspace) in pictures.MATRICES
        and int(picture.color_trc) not in pictures.HDR
        and pictures.pose(picture) == pictures.UPRIGHT
    )


def shown(picture: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """The picture that a clip of `size` (height, width) shows; the same object where nothing is to be done."""
    return picture if plain(picture, size) else converted(picture, size)


def converted(picture: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """The same, always through ffmpeg's scaler, which sets the tags of its colours."""
    if int(picture.color_trc) in pictures.HDR:
        image = av.VideoFrame.from_ndarray(pictures.upright(picture, size), format="bgr24")
        return image.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    pose = pictures.pose(picture)
    height, width = size[::-1] if pose.transposed else size
    options = {"format": "yuv420p", "interpolation": "BICUBIC", "dst_color_range": "MPEG"}
    if picture.format.is_rgb or picture.format.has_palette:
        options["dst_colorspace"] = "ITU601"  # a tag of RGB, or none, would let players take another matrix
    return turned(pictures.reformatted(picture, width=width, height=height, **options), pose)


def turned(picture: av.VideoFrame, pose: pictures.Pose) -> av.VideoFrame:
    """A yuv420p picture turned upright plane by plane, its values untouched; the same object where it is upright."""
    if pose == pictures.UPRIGHT:
        return picture
    height, width = picture.height, picture.width
    planes = np.split(picture.to_ndarray().ravel(), [height * width, height * width * 5 // 4])
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    upright = [pictures.turn(plane.reshape(shape), pose) for plane, shape in zip(planes, shapes, strict=True)]
    turned = np.concatenate([plane.ravel() for plane in upright]).reshape(-1, upright[0].shape[1])
    out = av.VideoFrame.from_ndarray(turned, format="yuv420p")
    out.colorspace, out.color_range = picture.colorspace, picture.color_range
    return out
