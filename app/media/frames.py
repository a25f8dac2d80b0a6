"""What a clip is once it is read, and how much of one may be read.

The readers behind `clips` give their frames to `gather`. numpy only.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import ClipTooLong, UnreadableClip

Pixels = NDArray[np.uint8]

PAUSE = 2
"""Frames shown longer than so many times the usual are pauses: many a loop rests on its last frame."""


@dataclass(frozen=True)
class Limits:
    """How much is read of a clip: bytes of the file, and of what is packed in it; frames; pixels of all frames.

    Frames count as read where only the last ones are kept, too: most kinds of file must be decoded from the start.
    """

    bytes: int
    frames: int
    pixels: int

    def require(self, frames: int, height: int, width: int) -> None:
        """Raises `ClipTooLong` for more frames, or more pixels in all of them, than are read."""
        if frames > self.frames:
            raise ClipTooLong("frames", self.frames)
        if frames * height * width > self.pixels:
            raise ClipTooLong("pixels", self.pixels)


class Frame(NamedTuple):
    """One frame as it was read, uint8 [h, w, 3], and the seconds that it is shown, None where the file doesn't say."""

    pixels: Pixels
    seconds: float | None


@dataclass(frozen=True)
class Clip:
    """Frames uint8 [k, h, w, 3], the oldest first, and how many are shown in a second, None where the file is mute."""

    frames: Pixels
    rate: float | None


def gather(kind: str, frames: Iterable[Frame], limits: Limits, last: int | None) -> Clip:
    """The clip that these frames make, or the `last` of them. They come one after another; what isn't kept isn't held.

    Raises `ClipTooLong` as soon as there are more than the limits allow, and `UnreadableClip`, with the `kind` of file
    that it is, if their sizes differ or there is none.
    """
    kept: deque[Pixels] = deque(maxlen=last)
    durations: list[float | None] = []
    for number, (pixels, seconds) in enumerate(frames, start=1):
        height, width = pixels.shape[:2]
        limits.require(number, height, width)
        if kept and kept[-1].shape != pixels.shape:
            before = f"{kept[-1].shape[1]}×{kept[-1].shape[0]}"
            raise UnreadableClip(kind, f"frame {number} has {width}×{height} pixels, where those before have {before}")
        kept.append(pixels)
        durations.append(seconds)
    if not kept:
        raise UnreadableClip(kind, "it holds no frame")
    return Clip(np.stack(kept), _rate(durations))


def _rate(durations: list[float | None]) -> float | None:
    """Frames a second, pauses left out; None unless each frame says how long it is shown."""
    shown = [seconds for seconds in durations if seconds is not None]
    if len(shown) < len(durations):
        return None
    longest = PAUSE * median(shown)
    usual = [seconds for seconds in shown if seconds <= longest]
    return 1 / fmean(usual)
