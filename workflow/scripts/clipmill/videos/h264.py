"""H.264 as files hold it: its units, its parameter sets, and the configuration of a decoder (ISO/IEC 14496-15, 5.3)."""

import re
from typing import NamedTuple

IDR, SPS, PPS = 5, 7, 8
"""nal_unit_type of a slice that refers to nothing before it, and of the two kinds of parameter sets (ITU-T H.264,
table 7-1)."""
START = re.compile(rb"\x00\x00+\x01")
PROFILES = {66: "baseline", 77: "main", 100: "high"}
"""x264's names of the profiles with 8 bits and 4:2:0, by profile_idc."""


class Configuration(NamedTuple):
    """What a decoder must know first. `head`: profile_idc, constraint flags and level_idc."""

    head: bytes
    sps: list[bytes]
    pps: list[bytes]


def by_start_codes(data: bytes) -> list[bytes]:
    """The units of a byte stream (annex B), without the zeros around them."""
    return [unit for unit in START.split(data.rstrip(b"\0")) if unit]


def by_lengths(data: bytes) -> list[bytes]:
    """The units of a packet in a file, each after its length in four bytes. Raises ValueError where none can be so."""
    units, place = [], 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data) or end <= place + 4:
            raise ValueError("a unit is longer than its packet")
        units.append(data[place + 4 : end])
        place = end
    return units


def with_lengths(units: list[bytes]) -> bytes:
    """The packet of a file that holds these units."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def kind(unit: bytes) -> int:
    """nal_unit_type."""
    return unit[0] & 31


def configuration(extradata: bytes | None) -> Configuration:
    """The AVCDecoderConfigurationRecord of a file, or the parameter sets of an encoder's byte stream.

    Raises ValueError where it is neither, or where lengths do not take four bytes.
    """
    data = extradata or b""
    if data[:3] == b"\0\0\1" or data[:4] == b"\0\0\0\1":
        units = by_start_codes(data)
        sets = [[unit for unit in units if kind(unit) == wanted] for wanted in (SPS, PPS)]
        if all(sets):
            return Configuration(sets[0][0][1:4], *sets)
    if len(data) < 8 or data[0] != 1 or data[4] & 3 != 3:
        raise ValueError("no configuration of H.264 with lengths of four bytes")
    found, place = [], 5
    for mask in (31, 255):
        count, sets = data[place] & mask, []
        place += 1
        for _ in range(count):
            size = int.from_bytes(data[place : place + 2], "big")
            sets.append(data[place + 2 : place + 2 + size])
            place += 2 + size
        if not sets or place > len(data) or not all(sets) or place + (mask == 31) > len(data):
            raise ValueError("a configuration of H.264 that is cut short")
        found.append(sets)
    return Configuration(data[1:4], *found)


def record(one: Configuration) -> bytes:
    """The AVCDecoderConfigurationRecord of 8-bit 4:2:0."""
    data = b"\1" + one.head + b"\xff" + bytes([0xE0 | len(one.sps)])
    data += b"".join(len(unit).to_bytes(2, "big") + unit for unit in one.sps) + bytes([len(one.pps)])
    data += b"".join(len(unit).to_bytes(2, "big") + unit for unit in one.pps)
    return data + (b"\xfd\xf8\xf8\0" if one.head[0] == 100 else b"")


def joined(one: Configuration, other: Configuration) -> Configuration:
    """One configuration for the pictures of both, of the profile of the first and of the higher level."""
    head = one.head[:2] + bytes([max(one.head[2], other.head[2])])
    return Configuration(head, one.sps + other.sps, one.pps + other.pps)


def free_id(one: Configuration) -> int:
    """The least number that none of its parameter sets has: for those of another encoder."""
    taken = {number(unit[4:]) for unit in one.sps} | {number(unit[1:]) for unit in one.pps}
    return next(free for free in range(32) if free not in taken)


def number(data: bytes) -> int:
    """The unsigned Exp-Golomb number at the start of bytes (ITU-T H.264, 9.1): an id of at most 255."""
    bits = f"{int.from_bytes(data[:4].ljust(4, bytes(1)), 'big'):032b}"
    zeros = bits.index("1") if "1" in bits else 0
    return int(bits[zeros : 2 * zeros + 1], 2) - 1 if zeros < 16 else 0
