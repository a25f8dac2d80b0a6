"""What an upload says of itself, read before any decoder sees it: its kind, its size, its frames.

A few bytes can ask a decoder for gigabytes or for minutes. What would is refused here or left out of what the decoder
is given; the size of the picture is known before a pixel is unpacked. Used by `pictures` and `clips`; knows bytes only.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.errors import UnreadablePicture, UnsupportedPicture
from app.media import avif, tiff

HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}

PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"IDAT", b"IEND"}
"""Those that bear on the pixels of the first frame. Compressed texts can unpack to four thousand times their size."""

JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""A marker other than those that stand within a scan: stuffed bytes and restarts (ITU-T T.81, B.1.1)."""

SCAN, END, EXIF, FRAMES = 0xDA, 0xD9, 0xE1, {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PLAIN = {0x01, 0xC8, 0xD8, 0xD9, *range(0xF0, 0xFE)}
"""Markers that Pillow doesn't skip the content of."""

MAX_SCANS = 100
"""libtiff's limit. A progressive JPEG has about ten; each of some 40 bytes is a pass over all pixels."""

MAX_SEGMENTS = 1000
MAX_EXIF_SEGMENTS = 16
"""Pillow joins them one by one, in quadratic time. The standard allows one."""

MOST_FRAMES = 10_000
"""How far the frames of a GIF are counted."""


GIF_FRAME, GIF_EXTENSION, GIF_CONTROL, GIF_END = 0x2C, 0x21, 0xF9, 0x3B
"""What begins a frame, an extension, in which the second byte says that it is a frame's control, and the end."""


@dataclass(frozen=True)
class Header:
    """A picture before it is decoded: `data` is what its decoder needs of the file.

    `unpacked` are the pixels that a decoder may make in all: of tiles, of planes apart, of thumbnails.
    """

    kind: str
    data: bytes
    width: int
    height: int
    frames: int = 1
    unpacked: int = 0


def read(data: bytes) -> Header:
    """The header of an upload. Raises `UnsupportedPicture` for other kinds of file, `UnreadablePicture` for flaws."""
    kind = kind_of(data)
    try:
        return READERS[kind](data)
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        # What the checks of this package raise says what is wrong; Python's own messages would tell a client nothing.
        flaw = str(error) if type(error) is ValueError else "its header is cut off or damaged"
        raise UnreadablePicture(kind, flaw) from error


def kind_of(data: bytes) -> str:
    """Which of `READERS` the bytes are for, whatever their name. Raises `UnsupportedPicture` if none is."""
    for signature, kind in SIGNATURES.items():
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        brands = data[8 : max(16, min(int.from_bytes(data[:4]), 256))]
        names = {brands[at : at + 4] for at in range(0, len(brands), 4)}
        if names & {b"avif", b"avis"}:
            return "AVIF"
        if names & HEIC:
            raise UnsupportedPicture("The upload is HEIC", list(READERS))
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<") and b"<svg" in start:
        raise UnsupportedPicture("The upload is SVG, a vector picture: draw it to pixels first", list(READERS))
    raise UnsupportedPicture("The upload is empty" if not data else "The upload is no known picture", list(READERS))


def _jpeg(data: bytes) -> Header:
    """Walks the segments (ITU-T T.81, B.1 and B.2) up to the end of the first picture."""
    width = height = scans = segments = exifs = at = 0
    while found := JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == END and scans:
            break
        if marker in FRAMES and not scans:
            height, width = struct.unpack_from(">2H", data, at + 3)
        scans += marker == SCAN
        segments += 1
        exifs += marker == EXIF and data.startswith(b"Exif\0\0", at + 2)
        if scans > MAX_SCANS or segments > MAX_SEGMENTS or exifs > MAX_EXIF_SEGMENTS:
            flaw = f"it has more than {MAX_SCANS} scans, {MAX_SEGMENTS} segments or {MAX_EXIF_SEGMENTS} blocks of EXIF"
            raise UnreadablePicture("JPEG", flaw)
        if marker not in PLAIN:
            at += int.from_bytes(data[at : at + 2])
    return Header("JPEG", data, width, height)


def _png(data: bytes) -> Header:
    """Keeps the chunks that the first frame needs, each kind but IDAT once."""
    if data[12:16] != b"IHDR":
        raise ValueError("it doesn't begin with its size")
    width, height = struct.unpack_from(">2I", data, 16)
    kept = [data[:8]]
    seen: set[bytes] = set()
    frames = 1
    for kind, chunk in png_chunks(data):
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", chunk, 8)
        if kind == b"IDAT" or kind in PNG_CHUNKS - seen:
            kept.append(chunk)
        seen.add(kind)
    return Header("PNG", b"".join(kept), width, height, frames)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG (third edition, section 5), each whole, after its kind."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at : at + 12 + length]
        at += 12 + length


def _gif(data: bytes) -> Header:
    """Keeps the first frame and what says how it is shown."""
    width, height = struct.unpack_from("<2H", data, 6)
    blocks = gif_blocks(data)
    kept, frames = [next(blocks)], 0
    for block in blocks:
        if not frames and (block[0] == GIF_FRAME or block[1] == GIF_CONTROL):
            kept.append(block)
        if block[0] == GIF_FRAME:
            if not frames:
                # A frame may reach beyond the screen, which then grows.
                left, top, wide, high = struct.unpack_from("<4H", block, 1)
                width, height = max(width, left + wide), max(height, top + high)
            frames += 1
        if frames == MOST_FRAMES:
            break
    return Header("GIF", b"".join(kept), width, height, frames)


def gif_blocks(data: bytes) -> Iterator[bytes]:
    """The head of a GIF (GIF89a, sections 17 to 19), then its frames and extensions (20 to 26), each whole."""
    at = 13 + _table(data[10])
    yield data[:at]
    while at < len(data) and data[at] != GIF_END:
        start, kind = at, data[at]
        if kind == GIF_FRAME:
            at = _blocks_end(data, at + 11 + _table(data[at + 9]))
            yield data[start:at]
        elif kind == GIF_EXTENSION:
            at = _blocks_end(data, at + 2)
            yield data[start:at]
        else:
            at += 1


def _table(flags: int) -> int:
    """The bytes of the table of colours that a descriptor's flags announce."""
    return 6 << (flags & 7) if flags & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    """Where blocks that begin with their length, up to one of none, end; beyond the file if they are cut off."""
    try:
        while length := data[at]:
            at += length + 1
    except IndexError:
        pass
    return at + 1


def _webp(data: bytes) -> Header:
    """Reads the canvas (RFC 9649, section 2.7), which its decoder makes room for before anything else."""
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise ValueError("it is truncated")
    frames, at = 0, 12
    while at + 8 <= len(data):
        frames += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<2H", data, 26))
    return Header("WebP", data, width, height, max(frames, 1))


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height = struct.unpack_from("<2H", data, 18)
        return Header("BMP", data, width, height)
    width, height, compression = struct.unpack_from("<2i4xI", data, 18)
    if compression in (1, 2):
        # Pillow unpacks it in Python, for seconds during which nothing else runs.
        raise UnreadablePicture("BMP", "it is compressed (RLE): save it without compression, or as PNG")
    return Header("BMP", data, width, abs(height))


def _tiff(data: bytes) -> Header:
    width, height = tiff.measure(data)
    return Header("TIFF", data, width, height)


def _avif(data: bytes) -> Header:
    width, height, pixels, frames = avif.measure(data)
    return Header("AVIF", data, width, height, frames, pixels)


READERS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "TIFF": _tiff,
    "AVIF": _avif,
}
"""By kind. TIFF has pages rather than frames; the first is taken."""

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    **dict.fromkeys(tiff.SIGNATURES, "TIFF"),
}
