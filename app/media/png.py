"""A PNG writer for pictures that were drawn a moment ago: lossless, quick, and nearly as small as can be.

Pillow weighs five filters for each row, then looks for repetitions, of which generated pictures have hardly any. One
filter for all rows, and nothing but runs and Huffman codes, take a fifth to a half of its time at level 1: 54 against
245 µs for 32×32 pixels drawn by a model of CIFAR-10, 4 % larger; 2.2 against 12.4 ms for 256×256 noisy ones, 5 %
smaller; 2.5 against 6.1 ms for smooth ones, 16 % larger. zlib lets other threads run meanwhile.
"""

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""PNG's colour type by number of channels: grey, RGB, RGBA."""

SUB = 1
"""The filter that stores each value less that of the pixel to its left (PNG, third edition, section 9.2)."""


def encode(pixels: NDArray[np.uint8], texts: Mapping[str, bytes]) -> bytes:
    """A picture, uint8 [h, w, c] with 1, 3 or 4 channels, as a PNG with these texts, UTF-8 by keyword."""
    height, width, channels = pixels.shape
    header = struct.pack(">2I5B", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    packer = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    data = packer.compress(_filtered(pixels).data) + packer.flush()
    chunks = [_chunk(b"IHDR", header)]
    # Keyword, not compressed, no language, no translated keyword (section 11.3.3.4).
    chunks += [_chunk(b"iTXt", key.encode("latin-1") + bytes(5) + text) for key, text in texts.items()]
    chunks += [_chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def _filtered(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows, uint8 [h, 1 + w·c]: the filter's number, then the differences, modulo 256."""
    height, width, channels = pixels.shape
    values = pixels.reshape(height, width * channels)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = SUB
    rows[:, 1 : 1 + channels] = values[:, :channels]
    np.subtract(values[:, channels:], values[:, :-channels], out=rows[:, 1 + channels :])
    return rows


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))])
