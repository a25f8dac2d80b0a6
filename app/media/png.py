"""A PNG writer for pictures that were drawn a moment ago: lossless, quick, and nearly as small as can be.

Pillow weighs five filters for each row. Here one filter serves all rows, and Intel's ISA-L, which works on vectors,
deflates them. Against Pillow at level 1: 26 and 60 µs for 32×32 pixels drawn by a model of CIFAR-10, 5 % larger; 0.8
and 6.0 ms for 256×256 noisy ones, 5 % larger; 0.5 and 4.2 ms for a photograph of 256×256, 14 % larger. It lets other
threads run meanwhile.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""PNG's colour type by number of channels: grey, RGB, RGBA."""

LEVEL = 1
"""Of four: 0 hardly compresses, 2 and 3 gain nothing on such pictures."""

SUB = 1
"""The filter that stores each value less that of the pixel to its left (PNG, third edition, section 9.2)."""


def encode(pixels: NDArray[np.uint8], texts: Mapping[str, bytes]) -> bytes:
    """A picture, uint8 [h, w, c] with 1, 3 or 4 channels, as a PNG with these texts, UTF-8 by keyword."""
    return head(pixels, texts) + chunk(b"IDAT", deflated(pixels)) + END


def head(pixels: NDArray[np.uint8], texts: Mapping[str, bytes]) -> bytes:
    """What comes before the pixels: signature, size and colour type, texts."""
    # Keyword, not compressed, no language, no translated keyword (section 11.3.3.4).
    written = [chunk(b"iTXt", key.encode("latin-1") + bytes(5) + text) for key, text in texts.items()]
    return _opening(pixels.shape) + b"".join(written)


def deflated(pixels: NDArray[np.uint8]) -> bytes:
    """The pixels, filtered and compressed: what an IDAT chunk holds."""
    return isal_zlib.compress(_filtered(pixels), LEVEL)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk: length, kind, data, checksum (section 5.3)."""
    content = kind + data
    return b"%b%b%b" % (len(data).to_bytes(4, "big"), content, isal_zlib.crc32(content).to_bytes(4, "big"))


END = chunk(b"IEND", b"")


@lru_cache(maxsize=64)
def _opening(shape: tuple[int, ...]) -> bytes:
    """Signature and header of a picture [h, w, c]: a model's are all alike."""
    height, width, channels = shape
    return SIGNATURE + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0))


def _filtered(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows, uint8 [h, 1 + w·c]: the filter's number, then the differences, modulo 256."""
    height, width, channels = pixels.shape
    values = pixels.reshape(height, width * channels)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = SUB
    rows[:, 1 : 1 + channels] = values[:, :channels]
    np.subtract(values[:, channels:], values[:, :-channels], out=rows[:, 1 + channels :])
    return rows
