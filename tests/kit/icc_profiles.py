"""Small ICC profiles whose colours are known by construction."""

import struct

import numpy as np

# The colours of each space's red, green and blue (rows) as XYZ under D50, as their public profiles hold them.
SRGB = np.array([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]])
DISPLAY_P3 = np.array([[0.5151, 0.2412, -0.0011], [0.2920, 0.6922, 0.0419], [0.1571, 0.0666, 0.7841]])
ADOBE_RGB = np.array([[0.6097, 0.3111, 0.0195], [0.2053, 0.6257, 0.0609], [0.1492, 0.0632, 0.7446]])
WHITE = (0.9642, 1.0, 0.8249)


def profile(kind: bytes, space: bytes, tags: dict[bytes, bytes], connection=b"XYZ ") -> bytes:
    """The bytes of a profile (version 2) of class `kind` for a colour `space`."""
    tags = {b"desc": text(b"made for a test"), b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": xyz(WHITE)} | tags
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", 132 + len(table) - 4 + len(body), b"lcms", 0x02400000, kind, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + xyz(WHITE)[8:] + bytes(48)
    return head + table + body


def text(words: bytes) -> bytes:
    """A description."""
    return b"desc" + bytes(4) + struct.pack(">I", len(words) + 1) + words + bytes(1 + 8 + 70)


def xyz(values) -> bytes:
    """Three numbers as fixed-point XYZ."""
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def gamma(power: float) -> bytes:
    """A tone curve, a power."""
    return b"curv" + bytes(4) + struct.pack(">IH2x", 1, round(power * 256))


def rgb(primaries: np.ndarray, power: float) -> bytes:
    """A profile of an RGB space with `primaries` and a power as its tone curve."""
    columns = {name: xyz(row) for name, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return profile(b"mntr", b"RGB ", columns | {name: gamma(power) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey(power: float) -> bytes:
    """A profile of greys with a power as its tone curve."""
    return profile(b"mntr", b"GRAY", {b"kTRC": gamma(power)})


def inks(first: tuple[int, int, int]) -> bytes:
    """A CMYK profile whose first full ink alone has the colour `first` (L 0-100, a and b -128-127), on white paper; any
    other full ink is black."""
    values = np.zeros((2, 2, 2, 2, 3), np.uint8) + np.uint8([0, 128, 128])
    values[0, 0, 0, 0, 0] = 255
    values[1, 0, 0, 0] = round(first[0] * 2.55), first[1] + 128, first[2] + 128
    ramp = bytes(range(256))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unit + ramp * 4 + values.tobytes() + ramp * 3
    return profile(b"prtr", b"CMYK", {b"A2B0": table}, connection=b"Lab ")


def in_srgb(colours, primaries: np.ndarray, power: float) -> np.ndarray:
    """Colours (N x 3, 0-255) of an RGB space as colours of sRGB, 0-255, clipped to what it holds."""
    light = (np.asarray(colours) / 255) ** power @ primaries @ np.linalg.inv(SRGB)
    return coded(light)


def coded(light: np.ndarray) -> np.ndarray:
    """Linear light (0-1) as codes of sRGB, 0-255."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
