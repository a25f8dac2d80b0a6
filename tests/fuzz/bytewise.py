"""Uploads that are almost right: a real file with bytes changed, numbers at the ends of their ranges, or a piece of
another file; checksums right again in half of them, so that what lies behind the checksum is reached too.
"""

import random
import struct
import zlib
from dataclasses import dataclass

from app.media import headers, sound_files
from tests.fuzz import files
from tests.fuzz.mutation import mutated

SEEDS: dict[str, list[bytes]] = {
    "picture": [*files.PICTURES, *files.RARER_PICTURES],
    "recipe": files.RARER_PICTURES[-3:],
    "clip": [*files.CLIPS, *files.ZIPS, *files.RARER_CLIPS, *files.ARRAYS[1:2]],
    "sound": [*files.SOUNDS, *files.RARER_SOUNDS],
    "codes": files.ARRAYS,
}
"""Files by what they are read as."""

DRAWN = ("picture", "picture", "picture", "clip", "clip", "sound", "sound", "codes", "recipe")
"""How often each is drawn: by how much there is to get wrong."""

EXTREMES = [struct.pack(form, number) for form in ("<I", ">I") for number in (0, 1, 2**31 - 1, 2**31, 2**32 - 1)]
EXTREMES += [struct.pack(form, number) for form in ("<H", ">H") for number in (1, 2**15 - 1, 2**15, 2**16 - 1)]
EXTREMES += [b"\0" * 8, b"\xff" * 8]


@dataclass(frozen=True)
class Upload:
    """A file of which something was changed, and what it is sent as."""

    kind: str
    data: bytes


def upload(seed: int, number: int) -> Upload:
    """The upload of that number."""
    draw = random.Random(f"{seed}-{number}")
    kind = draw.choice(DRAWN)
    data = draw.choice(SEEDS[kind])
    how = draw.random()
    if how < 0.6:
        data = mutated(data, draw)
    elif how < 0.85:
        data = _overwritten(data, draw)
    else:
        data = _spliced(data, draw.choice(SEEDS[draw.choice(DRAWN)]), draw)
    return Upload(kind, _mended(data) if draw.random() < 0.5 else data)


def _overwritten(data: bytes, draw: random.Random) -> bytes:
    """The bytes with one to three numbers set to an end of their range; most of them near the front, as headers are."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3))):
        number = draw.choice(EXTREMES)
        at = draw.randrange(draw.choice((64, 256, len(data))))
        changed[at : at + len(number)] = number
    return bytes(changed)


def _spliced(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """The beginning of one file and the end of another, which may be of another kind."""
    return data[: draw.randrange(len(data))] + other[draw.randrange(len(other)) :]


def _mended(data: bytes) -> bytes:
    """The file with the checksums of what it holds now, where it is a PNG or an Ogg."""
    if data[:4] == b"\x89PNG":
        return data[:8] + b"".join(_chunk(chunk) for _, chunk in headers.png_chunks(data))
    if data[:4] == b"OggS":
        pages = data.split(b"OggS")[1:]
        return b"".join(_page(b"OggS" + page) for page in pages)
    return data


def _chunk(chunk: bytes) -> bytes:
    """A chunk of a PNG (third edition, section 5.3), unless it is cut off."""
    length = int.from_bytes(chunk[:4])
    return chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4])) if len(chunk) == 12 + length else chunk


def _page(page: bytes) -> bytes:
    """A page of an Ogg (RFC 3533, section 6), unless its head is cut off."""
    if len(page) < 27:
        return page
    return page[:22] + sound_files.checksum(page) + page[26:]
