"""Frames to films: GIF, animated WebP, APNG and MP4, with their recipe inside.

Encoding is a pure function: same frames, rate, recipe and codec versions (`ENCODER`), same bytes. Runs on the encode
pool. Strips and zips of frames are `images.sheet` and `bundles.archive`; `clips` reads films.
"""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import av

from app.media import apng, gif, images, mp4, webp
from app.media.images import MODES, Pixels

Format = Literal["gif", "webp", "apng", "mp4"]

LONGEST_SIDE: dict[Format, int] = {"gif": 65_535, "webp": images.LONGEST_SIDE["webp"], "mp4": 4096}
"""Pixels that a side may have in the formats that have such a limit; of MP4, what most players decode."""

SLOWEST, FASTEST = 0.1, 240.0
"""Frames a second that can be asked for."""

STEPS: dict[Format, int] = {"gif": 100, "webp": 1000}
"""The steps of a second in which these formats count time."""

SHORTEST = 2
"""Of GIF: the hundredths of a second that a frame is shown at least. Browsers show one of fewer for ten."""

ENCODER = f"2 {images.ENCODER} av/{av.__version__}"
"""What the bytes depend on besides frames, rate and recipe. The first number counts changes of options and metadata."""


def encode(
    frames: Pixels, file_format: Format, *, rate: float, loop: bool = True, scale: int = 1, xmp: bytes | None = None
) -> bytes:
    """Frames uint8 [k, h, w, c] with 1, 3 or 4 channels as a film of `rate` frames a second, shown once or in a loop.

    Each pixel is drawn as `scale`×`scale`. `xmp` is what `Recipe.xmp` gives: it says that a machine made the film.

    * WebP and APNG are lossless.
    * GIF is lossless for grey frames and for those of 256 colours or fewer, of 255 beside alpha, which is all or
      nothing; others are reduced to a palette each. Above 50 frames a second, it shows 50.
    * MP4 is visually lossless from a scale of 2 on; at 1, colour has half the resolution. It has no transparency (white
      is laid under it) and no loop, and its sides are even: an odd one is a pixel longer.

    Raises `ValueError` for other shapes, no frame, a rate outside of `SLOWEST` to `FASTEST`, a scale below 1, or a side
    that the format can't hold.
    """
    _check(frames, file_format, rate, scale)
    if scale > 1:
        frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    exact = Fraction(rate).limit_denominator(1001)  # so that 30,000/1,001, television's rate, stays what it is
    match file_format:
        case "gif":
            return gif.encode(frames, _ticks(len(frames), exact, file_format, SHORTEST), loop, xmp)
        case "webp":
            return webp.encode(frames, _ticks(len(frames), exact, file_format, 1), loop, xmp)
        case "apng":
            return apng.encode(frames, 1 / exact, loop, xmp)
        case "mp4":
            return mp4.encode(frames, exact, xmp)


def _ticks(count: int, rate: Fraction, file_format: Format, least: int) -> list[int]:
    """How long each frame is shown, in whole steps: some one longer than others, so that the film keeps its time."""
    ends = [round(number * STEPS[file_format] / rate) for number in range(count + 1)]
    return [max(least, end - start) for start, end in pairwise(ends)]


def _check(frames: Pixels, file_format: Format, rate: float, scale: int) -> None:
    if frames.ndim != 4 or frames.shape[3] not in MODES or 0 in frames.shape:
        shape = list(frames.shape)
        raise ValueError(f"a film is uint8 [k, h, w, c] of at least one frame with 1, 3 or 4 channels, not {shape}")
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"a film has {SLOWEST:g} to {FASTEST:g} frames a second, not {rate:g}")
    if scale < 1:
        raise ValueError(f"a scale is a whole number from 1 on, not {scale}")
    longest = scale * max(frames.shape[1:3])
    if longest > LONGEST_SIDE.get(file_format, math.inf):
        raise ValueError(f"a side of {longest} pixels is too long: {file_format} holds {LONGEST_SIDE[file_format]}")
