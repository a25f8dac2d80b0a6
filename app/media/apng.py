"""A writer of animated PNG (PNG, third edition, section 11.3.7), of whole frames, with the PNG writer's compression.

Pillow's leaves out a frame that equals the one before it, so that a film of a dry sky becomes a still. Here k frames
stay k. Against Pillow at level 1, a film of 32 frames takes 1.7 and not 21 ms drawn by a model of CIFAR-10, 30 and not
237 ms of a drive through streets at 256×192 pixels, and is 8 to 25 % larger.
"""

import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from app.media import png

SHORT = 65_535
"""The largest number in the fraction that says how long a frame is shown."""


def encode(frames: NDArray[np.uint8], seconds: Fraction, loop: bool, xmp: bytes | None) -> bytes:
    """Frames uint8 [k, h, w, c] with 1, 3 or 4 channels, each shown for `seconds`, once or for ever; lossless."""
    seconds = seconds.limit_denominator(SHORT)
    parts = [
        png.head(frames[0], {} if xmp is None else {"XML:com.adobe.xmp": xmp}),
        png.chunk(b"acTL", struct.pack(">2I", len(frames), 0 if loop else 1)),
        _control(0, frames.shape, seconds),
        png.chunk(b"IDAT", png.deflated(frames[0])),
    ]
    # The numbers run through both kinds of chunk: control 1, data 2, control 3, data 4 …
    for number, frame in enumerate(frames[1:]):
        data = struct.pack(">I", 2 * number + 2) + png.deflated(frame)
        parts += [_control(2 * number + 1, frames.shape, seconds), png.chunk(b"fdAT", data)]
    return b"".join(parts) + png.END


def _control(number: int, shape: Sequence[int], seconds: Fraction) -> bytes:
    """How a frame is shown: all of it, in place of what was there, nothing done about it afterwards."""
    _, height, width, _ = shape
    timing = (seconds.numerator, seconds.denominator, 0, 0)
    return png.chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, 0, 0, *timing))
