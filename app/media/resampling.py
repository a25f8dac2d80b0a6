"""Sound at another rate: the one that a network takes, and back to a recording's own, exactly as long as it was.

Whole or block by block, with the same result bit for bit. Knows soxr.
"""

import math

import numpy as np
import soxr

from app.media.audio import Samples

QUALITY = "VHQ"
"""soxr's best: what lies below 0.91 of half the lower rate comes through, with an error under the last of 24 bits."""

BLOCK = 2**18
"""Frames resampled at a time, so that a long recording isn't copied."""


class Resampler:
    """Sound [channels, `frames`] at rate `source`, which comes in blocks, to [channels, `wanted`] at rate `target`.

    Without delay, and without a change where the rates are the same. Beyond its end the sound counts as silent, so
    `wanted` may be rounded up. Values may go a little beyond those that came, as a filter's do.
    """

    def __init__(self, channels: int, source: int, target: int, frames: int, wanted: int) -> None:
        self._left = frames
        self._wanted = wanted
        # Of so much silence comes at least one frame.
        self._silence = np.zeros((source // target + 1, channels), np.float32)
        self._stream = None
        if source != target:
            self._stream = soxr.ResampleStream(source, target, channels, dtype="float32", quality=QUALITY)

    def add(self, samples: Samples) -> Samples:
        """What the next frames [channels, k] complete, [channels, j]; all that is left, once they are the last."""
        self._left -= samples.shape[1]
        if self._stream is not None:
            came = [self._stream.resample_chunk(np.ascontiguousarray(samples.T))]
            if not self._left:
                came.append(self._stream.resample_chunk(self._silence, last=True))
            samples = np.concatenate(came).T
        samples = samples[:, : self._wanted]
        self._wanted -= samples.shape[1]
        return samples


def resampled(samples: Samples, source: int, target: int) -> Samples:
    """Sound [channels, t] of rate `source` at rate `target`, as long as `length` says."""
    channels, frames = samples.shape
    if source == target:
        return samples
    wanted = length(frames, source, target)
    resampler = Resampler(channels, source, target, frames, wanted)
    result = np.empty((channels, wanted), np.float32)
    done = 0
    for start in range(0, frames, BLOCK):
        block = resampler.add(samples[:, start : start + BLOCK])
        result[:, done : done + block.shape[1]] = block
        done += block.shape[1]
    return result


def length(frames: int, source: int, target: int) -> int:
    """Frames at rate `target` of so many at rate `source`, rounded up: none is lost on the way back."""
    return math.ceil(frames * target / source)
