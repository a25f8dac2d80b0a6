"""How much an AVIF file has its decoder unpack: the sizes in the AV1 streams themselves, which its header may belie.

libavif allocates what a stream says, up to 16,384×16,384, and Pillow can't lower that: a file of one kilobyte that
calls itself 64×64 may cost more than a gigabyte. So the streams are found and measured here before Pillow sees them.
Boxes are those of ISO/IEC 14496-12 and 23008-12. Used by `headers`.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from app.errors import UnreadablePicture
from app.media.av1 import largest_frame

LARGEST = {b"meta": 2**20, b"moov": 2**20, b"ipma": 2**16}
"""Bytes of the boxes of which libavif makes structures many times as large."""

MAX_EXIF = 2**20
MAX_ITEMS = 2048
MAX_PARTS = 64
MAX_BOXES = 4096


class Measured(NamedTuple):
    """The size of the largest stream, the pixels of all streams together, and the number of frames."""

    width: int
    height: int
    pixels: int
    frames: int


def measure(data: bytes) -> Measured:
    """What the streams of an AVIF file unpack to: those of its still pictures, and the first sample of each track.

    Raises `UnreadablePicture` for what no picture needs; ValueError, IndexError or `struct.error` if it isn't whole.
    """
    sizes, frames = [], 1
    boxes = _boxes(data, slice(0, len(data)))
    moov = _only(boxes, b"moov")
    tracks = [box for kind, box in _boxes(data, moov) if kind == b"trak"] if moov else []
    for meta in [_only(boxes, b"meta"), *(_only(_boxes(data, track), b"meta") for track in tracks)]:
        sizes += [largest_frame(stream) for stream in _pictures(data, meta)] if meta else []
    for track in tracks:
        stream, samples = _first_sample(data, track)
        sizes.append(largest_frame(stream))
        frames = max(frames, samples)
    if not sizes:
        raise ValueError("it holds no picture")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Measured(width, height, sum(size[0] * size[1] for size in sizes), frames)


def _boxes(data: bytes, within: slice) -> list[tuple[bytes, slice]]:
    """The boxes that fill a part of the file, in order: their types, and where their contents lie."""
    boxes: list[tuple[bytes, slice]] = []
    at = within.start
    while at + 8 <= within.stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        at = at + size if size else within.stop
        if not start <= at <= within.stop:
            raise ValueError(f"its box {kind.decode('latin-1')!r} is cut off")
        if at - start > LARGEST.get(kind, at):
            raise UnreadablePicture("AVIF", f"its box {kind.decode()!r} is larger than any picture needs")
        if len(boxes) == MAX_BOXES:
            raise UnreadablePicture("AVIF", f"it has more than {MAX_BOXES} boxes in one place")
        boxes.append((kind, slice(start, at)))
    return boxes


def _only(boxes: list[tuple[bytes, slice]], kind: bytes) -> slice | None:
    """The one box of a type. Of two, the decoder might take the other."""
    found = [box for name, box in boxes if name == kind]
    if len(found) > 1:
        raise ValueError(f"it has two boxes {kind.decode()!r}")
    return found[0] if found else None


def _needed(boxes: list[tuple[bytes, slice]], kind: bytes) -> slice:
    box = _only(boxes, kind)
    if box is None:
        raise ValueError(f"it has no box {kind.decode()!r}")
    return box


def _pictures(data: bytes, meta: slice) -> Iterator[bytes]:
    """The AV1 streams among the items that a box `meta` lists."""
    boxes = _boxes(data, slice(meta.start + 4, meta.stop))
    # For the limits on what lies in there.
    _boxes(data, _only(boxes, b"iprp") or slice(0, 0))
    kinds = _kinds(data, _needed(boxes, b"iinf"))
    for item, stream in _items(data, _needed(boxes, b"iloc"), _only(boxes, b"idat")):
        if kinds.get(item) == b"av01":
            yield stream
        elif kinds.get(item) == b"Exif" and len(stream) > MAX_EXIF:
            raise UnreadablePicture("AVIF", "its EXIF block is larger than any picture needs")


def _kinds(data: bytes, iinf: slice) -> dict[int, bytes]:
    """The types of the items by their numbers."""
    kinds = {}
    entries = _boxes(data, slice(iinf.start + (8 if data[iinf.start] else 6), iinf.stop))
    for entry in (box for kind, box in entries if kind == b"infe"):
        version = data[entry.start]
        item, kind = struct.unpack_from(">I2x4s" if version == 3 else ">H2x4s", data, entry.start + 4)
        if version not in (2, 3) or item in kinds:
            raise ValueError("its list of items can't be followed")
        kinds[item] = kind
    return kinds


def _items(data: bytes, iloc: slice, idat: slice | None) -> Iterator[tuple[int, bytes]]:
    """The items' numbers and contents, joined from wherever a box `iloc` says that their parts lie."""
    at = iloc.start

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > iloc.stop:
            raise ValueError("its list of places is cut off")
        return int.from_bytes(data[at - size : at])

    version = number(4) >> 24
    sizes = number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    count = number(4 if version == 2 else 2)
    if version > 2 or count > MAX_ITEMS or (version and index_size):
        raise ValueError("its list of places can't be followed")
    total = 0
    for _ in range(count):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        if number(2) or method > 1:
            raise ValueError("it refers to other files or items")
        base = number(base_size)
        extents = number(2)
        if extents > MAX_PARTS:
            raise UnreadablePicture("AVIF", f"it has a picture in more than {MAX_PARTS} parts")
        parts = [(base + number(offset_size), number(length_size)) for _ in range(extents)]
        total += sum(length for _, length in parts)
        # Equal parts may be there once for several items.
        if total > 4 * len(data):
            raise ValueError("its items are larger than it is itself")
        inside = data[idat or slice(0)] if method else data
        yield item, b"".join(inside[offset : offset + length] for offset, length in parts)


def _first_sample(data: bytes, track: slice) -> tuple[bytes, int]:
    """The first sample of a track, which must be decoded for its first frame, and the number of samples."""
    box = track
    for kind in (b"mdia", b"minf", b"stbl"):
        box = _needed(_boxes(data, box), kind)
    table = _boxes(data, box)
    sizes = _needed(table, b"stsz")
    size, samples = struct.unpack_from(">2I", data, sizes.start + 4)
    if not size:
        (size,) = struct.unpack_from(">I", data, sizes.start + 12)
    wide = _only(table, b"co64")
    if wide is None:
        (at,) = struct.unpack_from(">I", data, _needed(table, b"stco").start + 8)
    elif _only(table, b"stco") is None:
        (at,) = struct.unpack_from(">Q", data, wide.start + 8)
    else:
        raise ValueError("it has two lists of places")
    return data[at : at + size], samples
