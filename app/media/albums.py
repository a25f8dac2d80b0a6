"""A reader of files that hold pictures apart: a zip of them, the pages of a TIFF. `pictures` decodes each.

Nothing is unpacked to disk, and nothing in memory before the file has said how much there is.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from app.errors import ClipTooLong, TooManyFrames, UnreadableClip, UnreadablePicture, UnsupportedPicture
from app.media import pictures, tiff
from app.media.colour import RGB
from app.media.frames import Frame, Limits

ENTRY = b"PK\x01\x02"
"""What begins each entry of a zip's directory."""

SPARE = 100
"""Folders that a zip may have, besides its frames and what a Mac leaves beside each."""

ENCRYPTED = 1
"""The flag of an entry that a password locks."""

LEFTOVERS = re.compile(r"(^|/)(\.|__MACOSX/|Thumbs\.db$|desktop\.ini$)")
"""What systems leave in folders, by the paths of it."""

ASTRAY = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|[\\\0]")
"""Paths that lead out of the archive on some system."""


def read_zip(data: bytes, limits: Limits, last: int | None, background: RGB) -> Iterator[Frame]:
    """The pictures in a zip by their paths in natural order, so that 10.png comes after 9.png; or the `last` of them.

    Folders, hidden files and what systems leave beside them are passed over. Raises `ClipTooLong` by the directory,
    before anything is unpacked, and `UnreadableClip` for a file that is no picture, locked, or astray.
    """
    # As many entries as the directory has, whatever it says, and before Python makes an object of each.
    if data.count(ENTRY) > 2 * limits.frames + SPARE:
        raise ClipTooLong("frames", limits.frames)
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _is_frame(entry)]
            if len(entries) > limits.frames:
                raise ClipTooLong("frames", limits.frames)
            entries = sorted(entries, key=lambda entry: _natural(entry.filename))[-(last or 0) :]
            if sum(entry.file_size for entry in entries) > limits.bytes:
                raise ClipTooLong("bytes", limits.bytes)
            for entry in entries:
                yield _still("zip", entry.filename, archive.read(entry), limits, background)
    except (BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError, OSError) as error:
        raise UnreadableClip("zip", f"it is truncated or damaged ({error})") from error


def read_tiff(data: bytes, limits: Limits, last: int | None, background: RGB) -> Iterator[Frame]:
    """The pages of a TIFF, or the `last` of them. Raises `ClipTooLong` and `UnreadableClip`."""
    order, big = tiff.SIGNATURES[data[:4]]
    offset, start = struct.Struct(order + ("Q" if big else "I")), 8 if big else 4
    try:
        pages = _pages(data, order, big, limits.frames + 1)
    except (OverflowError, struct.error) as error:
        raise UnreadableClip("TIFF", "it is truncated or damaged") from error
    if len(pages) > limits.frames:
        raise ClipTooLong("frames", limits.frames)
    for number, page in list(enumerate(pages, start=1))[-(last or 0) :]:
        # The same file, in which this page is the first.
        alone = data[:start] + offset.pack(page) + data[start + offset.size :]
        yield _still("TIFF", f"page {number}", alone, limits, background)


def _still(kind: str, name: str, data: bytes, limits: Limits, background: RGB) -> Frame:
    try:
        return Frame(pictures.decode(data, max_pixels=limits.pixels, max_frames=1, background=background), None)
    except (UnsupportedPicture, UnreadablePicture, TooManyFrames) as problem:
        flaw = problem.detail.removeprefix(f"The {kind} can't be read: ").rstrip(".")
        raise UnreadableClip(kind, f"{name}: {flaw}") from problem


def _is_frame(entry: ZipInfo) -> bool:
    """Whether an entry is one of the frames; raises `UnreadableClip` if it should be, but can't be read."""
    # As it stands in the file: Python cuts names at a zero, and turns the backslashes of some systems.
    name = entry.orig_filename
    if ASTRAY.search(name):
        raise UnreadableClip("zip", f"the path {name!r} may lead out of it: name files by plain relative paths")
    if entry.is_dir() or LEFTOVERS.search(name):
        return False
    if entry.flag_bits & ENCRYPTED:
        raise UnreadableClip("zip", f"{name} is encrypted: pack it without a password")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise UnreadableClip("zip", f"{name} is neither stored nor deflated: pack it by the usual method")
    return True


def _natural(path: str) -> list[tuple[int, str]]:
    """A key by which numbers in a path are compared as numbers, however long, and letters without their case."""
    pieces = re.split(r"0*([0-9]+)", path.casefold())
    return [(len(piece) if place % 2 else 0, piece) for place, piece in enumerate(pieces)]


def _pages(data: bytes, order: str, big: bool, most: int) -> list[int]:
    """Where the directories of a TIFF's pages lie, `most` of them at most (TIFF 6.0, section 2)."""
    offset, count = struct.Struct(order + ("Q" if big else "I")), struct.Struct(order + ("Q" if big else "H"))
    pages: list[int] = []
    (at,) = offset.unpack_from(data, 8 if big else 4)
    while at and at not in pages and len(pages) < most:
        pages.append(at)
        (fields,) = count.unpack_from(data, at)
        (at,) = offset.unpack_from(data, at + count.size + fields * (20 if big else 12))
    return pages
