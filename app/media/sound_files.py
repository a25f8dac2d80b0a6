"""Sound files by their bytes: of which kind they are, and whether they are whole.

What libsndfile does not tell: it reads 25 kinds of files where four are wanted, takes a file that breaks off as a
shorter one, and of some hears only the first part. Used by `audio`. Standard library only.
"""

import struct
import zlib
from typing import Literal

Kind = Literal["wav", "flac", "ogg", "mp3"]

NAMES: dict[Kind, str] = {"wav": "WAV", "flac": "FLAC", "ogg": "Ogg", "mp3": "MP3"}

ENDLESS = 0x7FFF0000
"""The size from which on a WAV header says that it was written before the size was known, to a pipe."""


REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte read from its other end."""


def kind(data: bytes) -> Kind | None:
    """What a file claims to be, by its first bytes; None for what isn't read here."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    # Eleven bits that are set, any version, layer III: other layers, and AAC, begin likewise.
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0b1110_0110 == 0b1110_0010
    return "mp3" if frame or data[:3] == b"ID3" else None


def flaw(data: bytes, kind: Kind) -> str | None:
    """Why a file that libsndfile opens would be read in part only, and what to do; None if it would not.

    FLAC needs no look here: its header says how long it is, and libsndfile holds it to that.
    """
    if kind == "wav":
        return _wav(data)
    if kind == "ogg":
        return _ogg(data)
    return _mp3(data) if kind == "mp3" else None


def _wav(data: bytes) -> str | None:
    """Whether the data chunk is as long as it says (Microsoft & IBM 1991; EBU Tech 3306 for RF64)."""
    large = 0
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"ds64" and at + 16 <= len(data):
            (large,) = struct.unpack_from("<Q", data, at + 8)
        if name == b"data":
            promised = large or (size if size < ENDLESS else 0)
            there = len(data) - at
            return f"has {there} of {promised} bytes of sound; send all of it" if there < promised else None
        at += size + size % 2
    return None


def _ogg(data: bytes) -> str | None:
    """Whether all pages are there, as they were written, of one stream (RFC 3533, section 6)."""
    at = streams = 0
    while data[at : at + 4] == b"OggS" and at + 27 <= len(data):
        streams += data[at + 5] >> 1 & 1
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        page = data[at : at + 27 + data[at + 26] + sum(lengths)]
        at += 27 + data[at + 26] + sum(lengths)
        if at <= len(data) and checksum(page) != page[22:26]:
            return "is damaged: a page isn't what its checksum is of; send the file again"
    if at > len(data) or data[at : at + 4] == b"OggS":
        return "breaks off within a page; send all of it"
    return f"holds {streams} streams; send one by itself" if streams > 1 else None


def checksum(page: bytes) -> bytes:
    """That of a page of an Ogg, whatever stands in its place: by zlib's polynomial, read from its other end."""
    blank = page[:22] + bytes(4) + page[26:]
    register = zlib.crc32(blank.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return register.to_bytes(4).translate(REVERSED)


def _mp3(data: bytes) -> str | None:
    """Whether it says how long it is: else that is guessed from the first frame, far off where the rate varies."""
    start = 0
    if data[:3] == b"ID3" and len(data) >= 10:
        # Four groups of seven bits (ID3v2.4, section 3.1).
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    head = data[start : start + 1024]
    if b"Xing" in head or b"Info" in head:
        return None
    return "has no Xing or Info header, so that nothing says how long it is; encode it again, or send WAV or FLAC"
