"""Pictures as the world makes them, and as nobody should: files, profiles and headers, made from their parts."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from app.media import pictures
from app.media.images import Pixels


def decode(data: bytes, *, max_pixels: int = 100_000, max_frames: int = 10, **options: Any) -> Pixels:
    return pictures.decode(data, max_pixels=max_pixels, max_frames=max_frames, **options)


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def smooth(height: int, width: int) -> Pixels:
    """Colours that a lossy format keeps nearly as they are."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, np.full_like(rows, 90)], -1).astype(np.uint8)


def saved(picture: Image.Image | Pixels, file_format: str, **options: Any) -> bytes:
    out = BytesIO()
    opened = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    opened.save(out, file_format, **options)
    return out.getvalue()


def animated(file_format: str, count: int, **options: Any) -> bytes:
    first, *others = (Image.fromarray(smooth(24, 32 + k)[:, k:]) for k in range(count))
    return saved(first, file_format, save_all=True, append_images=others, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of PNG."""
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, data: bytes, *chunks: bytes) -> bytes:
    """A PNG of compressed rows `data`, with further chunks before them."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def deep_png(values: np.ndarray, colour: int, *chunks: bytes) -> bytes:
    """A PNG of 16 bits a channel: uint16 [h, w, c]."""
    rows = values.astype(">u2").reshape(len(values), -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(values.shape[1], values.shape[0], 16, colour, zlib.compress(data), *chunks)


def zeros(count: int) -> bytes:
    """That many zeros, compressed a thousandfold by zlib (RFC 1950) without ever being there."""
    packer = zlib.compressobj(9, wbits=-15)
    mebibyte = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % 2**20)) + packer.flush()
    checksum = count % 65521 << 16 | 1
    return b"\x78\xda" + count // 2**20 * mebibyte + rest + checksum.to_bytes(4)


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF: by tag its type, count and value or offset; `data` begins at 8."""
    entries = b"".join(
        struct.pack("<HHI", tag, kind, count)
        + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, (kind, count, value) in sorted(tags.items())
    )
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def grey_tiff(width: int, height: int) -> dict[int, tuple[int, int, int]]:
    """The tags of an uncompressed grey picture whose rows begin at 8."""
    return {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8),
        277: (3, 1, 1),
        279: (4, 1, width * height),
    }


def profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04, sections 6.1 and 6.2)."""
    table, body = b"", b""
    for tag, content in tags.items():
        table += struct.pack(">4s2I", tag, 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 132 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s12s4s", size, b"", 0x02400000, b"mntr", space, connection, bytes(12), b"acsp")
    header += struct.pack(">24xI3i", 0, *fixed(0.9642, 1.0, 0.8249))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def fixed(*numbers: float) -> list[int]:
    """As s15Fixed16Number."""
    return [round(65536 * number) for number in numbers]


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *fixed(*values))


def gamma(power: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * power))


# Colour spaces by their primaries in CIE XYZ, adapted to D50, one a row.
DISPLAY_P3 = np.array([[0.51512, 0.2412, -0.00105], [0.29198, 0.69225, 0.04189], [0.1571, 0.06657, 0.78407]])
SRGB = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.7141]])


def rgb_profile(primaries: np.ndarray, power: float) -> bytes:
    curves = {tag: gamma(power) for tag in (b"rTRC", b"gTRC", b"bTRC")}
    colours = {tag: xyz(*row) for tag, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return profile(b"RGB ", {b"wtpt": xyz(0.9642, 1, 0.8249), **colours, **curves})


def grey_profile(power: float) -> bytes:
    return profile(b"GRAY", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(power)})


def inks_profile() -> bytes:
    """Of a press whose every ink is black: a table of two steps each (lut8Type), to grey in CIELAB."""
    ramp = bytes(range(256))
    corners = [bytes([0 if node else 255, 128, 128]) for node in range(16)]
    matrix = struct.pack(">9i", *fixed(1, 0, 0, 0, 1, 0, 0, 0, 1))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + 4 * ramp + b"".join(corners) + 3 * ramp
    return profile(b"CMYK", {b"wtpt": xyz(0.9642, 1, 0.8249), b"A2B0": table}, b"Lab ")


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """Light in [0, 1] as sRGB values in [0, 255] (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
