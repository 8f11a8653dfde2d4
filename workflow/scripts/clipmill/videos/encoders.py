"""The encoders of clips: x264, or the one on an NVIDIA card (NVENC) where the card has one."""

import contextlib
import threading
from fractions import Fraction
from functools import cache
from pathlib import Path

import av

X264 = "x264"
CODECS = {X264: "libx264", "h264_nvenc": "h264_nvenc", "hevc_nvenc": "hevc_nvenc"}
"""ffmpeg's codec of each `cut.encoder`."""
FORMATS = {X264: "h264", "h264_nvenc": "h264", "hevc_nvenc": "hevc"}
"""What each of them encodes, as ffmpeg names it."""
PRESETS = {
    "ultrafast": "p1", "superfast": "p1", "veryfast": "p2", "faster": "p3", "fast": "p3", "medium": "p4",
    "slow": "p5", "slower": "p6", "veryslow": "p7",
}  # fmt: skip
"""NVENC's preset for x264's of about the same effort."""
LEAST, MOST = (160, 64), {"h264_nvenc": 4096, "hevc_nvenc": 8192}
"""Smallest (width, height) that the encoders of all cards take, and their largest side (NVIDIA's Video Codec SDK)."""
SESSIONS = threading.BoundedSemaphore(8)
"""Clips that one process encodes on a card at a time: cards for desktops refuse more (NVIDIA's support matrix)."""


def usable(wanted: str) -> tuple[str, str]:
    """The encoder to use where `wanted` is asked for, and why it is another one; "" where it is not."""
    fault = "" if wanted == X264 else _fault(wanted)
    return (X264, fault) if fault else (wanted, "")


def fitting(encoder: str, size: tuple[int, int]) -> str:
    """The encoder for pictures of (height, width): x264 where the card's takes none so small or so large."""
    height, width = size
    fits = encoder == X264 or (width >= LEAST[0] and height >= LEAST[1] and max(size) <= MOST[encoder])
    return encoder if fits else X264


def options(encoder: str, settings: dict, device: str = "cpu") -> dict[str, str]:
    """The encoder's options for `cut.preset` and `cut.crf`; `device`: the GPU of this process, if it has one."""
    if encoder == X264:
        return {"preset": settings["preset"], "crf": str(settings["crf"]), **x264_options()}
    # A card takes 0 for "choose yourself", x264 for lossless.
    quality = {"rc": "vbr", "cq": str(settings["crf"]), "b": "0"} if settings["crf"] else {"tune": "lossless"}
    card = {"gpu": device.partition(":")[2]} if device.startswith("cuda:") else {}
    return {"preset": PRESETS[settings["preset"]], **quality, **card}


def session(encoder: str):
    """A context in which a clip is encoded: it waits where the card encodes as many as it can."""
    return contextlib.nullcontext() if encoder == X264 else SESSIONS


@cache
def x264_options() -> dict[str, str]:
    """Options with which x264 gives the same bytes for the same frames.

    With its code for AVX-512 they depend on what lay in memory before, so it may use AVX2 at most there.
    """
    known = Path("/proc/cpuinfo")
    return {"x264-params": "asm=AVX2"} if known.exists() and "avx512f" in known.read_text() else {}


@cache
def _fault(encoder: str) -> str:
    """Why an encoder on a card does not work here, by opening it; "" where it works."""
    try:
        context = av.CodecContext.create(CODECS[encoder], "w")
        context.width, context.height, context.pix_fmt, context.time_base = 640, 360, "yuv420p", Fraction(1, 25)
        context.options = options(encoder, {"preset": "fast", "crf": 23})
        context.open()
        return ""
    except (av.error.FFmpegError, ValueError) as error:
        return (
            f"cut.encoder: {encoder} does not work here: there is no NVIDIA card with its driver, or the card has no "
            f"encoder (A100 and H100 have none). Clips are encoded by x264. (ffmpeg says: {error})"
        )
