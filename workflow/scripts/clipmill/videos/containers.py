"""Opens a video's container: as one of a list of formats, by the file's own bytes, and nothing else."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import av
from av.stream import Disposition

from clipmill.engine import files
from clipmill.engine.rejects import Reject

FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "gif", "apng", "mxf", "dv", "rm"),
    *("wtv", "ivf", "nut", "obu", "h264", "hevc", "m4v", "yuv4mpegpipe", "jpegxl_anim"),
    *("wav", "mp3", "aac", "flac"),  # so that a sound is told as one
)
"""ffmpeg's names of the demuxers that may open a file. None of them opens another file: playlists, lists of pictures
and devices are not among them."""
OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}

PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<MPD", b"[playlist]", b"v=0", b"<smil", b"<ASX", b"[Reference]", b"<playlist")
PICTURES = (b"<svg", b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6", b"8BPS", b"DDS ", b"#?RAD")
"""What files of other kinds hold within their first bytes."""

PREVIEWS = ("mjpeg", "png", "gif", "bmp")
"""Codecs of a small stream beside a larger one that is a row of thumbnails."""
UNREADABLE = "not a readable video (damaged, truncated, or none at all)"


def opened(path: str | Path) -> av.container.InputContainer:
    """The container of a file, whose name is never taken for a URL (`10:30 shoot/a.mp4`).

    Raises Reject where it is not one of FORMATS, and OSError where the file itself cannot be read.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Reject("not a file", "a folder, a pipe, a socket or a device")
    if status.st_size == 0:
        raise Reject("empty file")
    with bytes_of(path, UNREADABLE):
        try:
            return av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
        except av.error.FFmpegError:
            refuse_other_kinds(path)
            raise


def refuse_other_kinds(path: Path) -> None:
    """Raise Reject where the first bytes of a file tell that it is no video but a playlist or a picture."""
    with open(path, "rb") as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    begins = f"it begins with {head[:24]!r}"
    xml = head.startswith((b"<?xml", b"<!"))
    for kind, marks in (("a playlist", PLAYLISTS), ("a picture", PICTURES)):
        if head.startswith(marks) or (xml and any(mark in head for mark in marks if mark.startswith(b"<"))):
            raise Reject(f"{kind}, not a video", begins)


OF_BYTES = (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, NotImplementedError)
"""What the libraries raise about the bytes of a file."""


@contextlib.contextmanager
def bytes_of(path: Path, reason: str) -> Iterator[None]:
    """Turn what the libraries raise about the bytes of a file into a Reject, as `reject_of` does."""
    try:
        yield
    except OF_BYTES as error:
        raise reject_of(error, path, reason) from error


def reject_of(error: Exception, path: Path, reason: str) -> Reject:
    """The Reject for what a library raised about the bytes of a file, whatever its number.

    ffmpeg reports a file that it will not open, or a size that no memory holds, as the system's errors. The system is
    at fault only where the file cannot be read without ffmpeg as well: that OSError is raised.
    """
    if not isinstance(error, av.error.FFmpegError):
        return Reject(reason, repr(error))
    if isinstance(error, OSError):
        files.read_through(path)
    return Reject(reason, str(error))


def video_stream(container: av.container.InputContainer) -> av.video.VideoStream | None:
    """The stream of moving pictures: the default one, otherwise the largest, as ffmpeg's program chooses; never a
    cover picture, a row of thumbnails (which QuickTime calls default where it is first), nor one without a decoder."""
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context and not stream.disposition & Disposition.attached_pic
    ]
    largest = max(map(area, streams), default=0)
    previews = [stream for stream in streams if stream.codec_context.name in PREVIEWS and area(stream) < largest]
    return max(
        (stream for stream in streams if stream not in previews),
        key=lambda stream: (is_default(stream), area(stream)),
        default=None,
    )


def area(stream: av.video.VideoStream) -> int:
    """Pixels of a stream's pictures by the header."""
    return stream.codec_context.width * stream.codec_context.height


def sound_stream(container: av.container.InputContainer, video: av.video.VideoStream) -> av.audio.AudioStream | None:
    """The sound that goes with a video stream: of the same programme, the default one, otherwise that of most
    channels; None where no sound can be decoded."""
    related = container.streams.best("audio", related=video)
    if related is not None and is_audible(related):
        return related
    streams = [stream for stream in container.streams.audio if is_audible(stream)]
    return max(streams, key=lambda stream: (is_default(stream), stream.codec_context.channels), default=None)


def is_audible(stream: av.audio.AudioStream) -> bool:
    """Whether a stream of sound can be decoded."""
    return bool(stream.codec_context and stream.codec_context.sample_rate)


def is_default(stream: av.stream.Stream) -> bool:
    """Whether the file names this stream as the one to show."""
    return bool(stream.disposition & Disposition.default)
