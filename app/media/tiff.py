"""The directories of TIFF, in which EXIF keeps its tags too: what a file claims, read without its values.

Pillow makes a Python object of each number in a tag, up to two hundred bytes for eight of the file, and decodes a tile
as large as it claims to be. So a file is measured here before Pillow sees it. Used by `headers` and `pictures`.
"""

import struct
from typing import NamedTuple

from app.errors import UnreadablePicture

WIDTH, HEIGHT, COMPRESSION, ORIENTATION, TILE_WIDTH, TILE_HEIGHT = 256, 257, 259, 274, 322, 323
SUBDIRECTORIES = (34665, 34853, 40965)
"""Tags that point to a directory of their own, which Pillow reads too: EXIF, GPS, interoperability."""

TEXT_OR_BYTES = {1, 2, 6, 7}
"""Types whose values stay bytes, however many there are: BYTE, ASCII, SBYTE, UNDEFINED."""

SHORT = 3
WHOLE = {False: {SHORT, 4, 13}, True: {SHORT, 4, 13, 16, 18}}
"""Types of a whole number or an offset, by whether it is BigTIFF: SHORT, LONG and IFD, and their kin of 8 bytes."""

SIGNATURES = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True)}
"""Byte order, and whether it is BigTIFF, with its wider offsets. Pillow can't read one of the other byte order."""

COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, the fax codes, LZW, JPEG, Deflate, PackBits. LZMA, Zstandard and others may ask for gigabytes to decode."""

MAX_FIELDS = 4096

MAX_NUMBERS = 2**17
"""In all tags together. One strip for each row, in three planes of 20,000 rows, takes 120,000."""


class Field(NamedTuple):
    """A tag with its type, how many values it claims, and the one value, or where in the file the values lie."""

    tag: int
    kind: int
    length: int
    value: int


def directory(data: bytes, at: int | None = None) -> list[Field]:
    """The fields of the directory at `at`, by default the first one, of a TIFF file or EXIF block; those that it has.

    Raises ValueError or `struct.error` if there is none.
    """
    if data[:4] not in SIGNATURES:
        raise ValueError("it doesn't begin as TIFF does")
    order, big = SIGNATURES[data[:4]]
    if at is None:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    if count > MAX_FIELDS:
        raise ValueError(f"it has a directory of more than {MAX_FIELDS} tags")
    count = min(count, (len(data) - at) // entry.size)
    fields = []
    for tag, kind, values, raw in entry.iter_unpack(data[at : at + count * entry.size]):
        value = raw[:2] if kind == SHORT else raw
        fields.append(Field(tag, kind, values, int.from_bytes(value, "little" if order == "<" else "big")))
    return fields


def measure(data: bytes) -> tuple[int, int]:
    """Width and height that a decoder unpacks at once: the picture's, or its tile's where that is larger.

    Raises `UnreadablePicture` for a method of compression that isn't read, and for more numbers than a picture needs;
    ValueError or `struct.error` if the file isn't whole.
    """
    fields = directory(data)
    compression = _number(data, fields, COMPRESSION, default=1)
    if compression not in COMPRESSIONS:
        flaw = f"its method of compression, {compression}, isn't supported: save it with LZW or Deflate"
        raise UnreadablePicture("TIFF", flaw)
    if _numbers(data, fields) > MAX_NUMBERS:
        raise UnreadablePicture("TIFF", f"its tags hold more than {MAX_NUMBERS} numbers")
    size = _number(data, fields, WIDTH), _number(data, fields, HEIGHT)
    tile = _number(data, fields, TILE_WIDTH, default=0), _number(data, fields, TILE_HEIGHT, default=0)
    return max(size, tile, key=lambda sides: sides[0] * sides[1])


def orientation(exif: bytes) -> int:
    """How an EXIF block says that the picture must be turned, 1 to 8; 1, as it is, where it says nothing sensible."""
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        turned = _number(exif, directory(exif), ORIENTATION, default=1)
    except (ValueError, OverflowError, struct.error):
        return 1
    return turned if 1 <= turned <= 8 else 1


def _number(data: bytes, fields: list[Field], tag: int, default: int | None = None) -> int:
    """The value of a tag that has one. A tag that is there twice or of another type may mean another to a decoder."""
    found = [field for field in fields if field.tag == tag]
    if not found and default is not None:
        return default
    if len(found) != 1 or found[0].length != 1 or found[0].kind not in WHOLE[SIGNATURES[data[:4]][1]]:
        raise ValueError(f"its tag {tag} is missing or makes no sense: it may be truncated")
    return found[0].value


def _numbers(data: bytes, fields: list[Field], depth: int = 2) -> int:
    """How many numbers the tags claim that Pillow would make objects of, in this directory and those below it."""
    total = sum(field.length for field in fields if field.kind not in TEXT_OR_BYTES)
    for tag in SUBDIRECTORIES if depth else ():
        at = _number(data, fields, tag, default=0)
        if 0 < at < len(data) - 8:
            total += _numbers(data, directory(data, at), depth - 1)
    return total
