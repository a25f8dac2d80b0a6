"""A recording as the pieces that a network of sound takes, and what it made of them as a recording again.

Whole, or piece by piece, so that a long one can be sent while the network is still at it. On top of `app.overlap`,
which cuts and joins one channel at the network's rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app import overlap
from app.contract import Tensor
from app.media.audio import Samples, Sound
from app.media.resampling import Resampler, length, resampled

LONG = 4
"""Pieces are so many times as long as a clip of training, and overlap by one clip: so the figures of the model cards
were measured."""

Pieces = NDArray[np.float32]
"""Rows [n, size]: of the first piece the first channel, the second …, then the second piece."""


@dataclass(frozen=True)
class Plan:
    """How a recording of `channels`, `frames` and `rate` goes through a network of rate `native`: in pieces of `size`
    samples which share `overlap` with their neighbours.

    All that it takes to put the pieces together; the recording itself need not be kept.
    """

    channels: int
    frames: int
    rate: int
    native: int
    size: int
    overlap: int

    @property
    def length(self) -> int:
        """Frames at the network's rate."""
        return length(self.frames, self.rate, self.native)

    @property
    def rows(self) -> int:
        """How many pieces there are, of all channels."""
        return self.channels * overlap.count(self.length, self.size, self.overlap)


def plan(sound: Sound, tensor: Tensor) -> Plan:
    """How a recording goes through the network with that input.

    Pieces are `LONG` clips of training and overlap by one; a recording that fits into fewer clips is one piece of so
    many. Where the graph takes one length only, they have that, and overlap by half. They begin at multiples of what
    the manifest says that lengths must be multiples of: a network with strides answers differently in between.
    `ContractError` where the manifest tells no length.
    """
    (clip,) = tensor.sample
    native = tensor.rate or sound.rate
    if isinstance(tensor.shape[1], int):
        size, step = clip, _rounded(clip / 2, tensor.multiple)
    else:
        clip = _rounded(clip, tensor.multiple)
        # Not in a finer grain: only pieces of one size share a batch.
        clips = min(-(-length(sound.frames, sound.rate, native) // clip), LONG)
        size, step = clips * clip, max(clips - 1, 1) * clip
    return Plan(sound.channels, sound.frames, sound.rate, native, size, overlap=size - step)


def pieces(sound: Sound, plan: Plan) -> Pieces:
    """The pieces of a recording, float32 [plan.rows, plan.size] in [-1, 1]; see `Pieces` for their order."""
    native = resampled(sound.samples, plan.rate, plan.native)
    rows = np.empty((plan.rows // plan.channels, plan.channels, plan.size), np.float32)
    for i, channel in enumerate(native):
        rows[:, i] = overlap.cut(channel.clip(-1, 1), plan.size, plan.overlap)
    return rows.reshape(-1, plan.size)


def whole(outputs: Pieces, plan: Plan) -> Samples:
    """What a network made of all pieces, [plan.rows, plan.size], as sound [channels, frames] at the recording's rate.

    Values may lie a little outside [-1, 1]. ValueError if there are more or fewer pieces.
    """
    assembly = Assembly(plan)
    if len(outputs) != plan.rows:
        raise ValueError(f"{len(outputs)} pieces came where the recording has {plan.rows}")
    samples = np.empty((plan.channels, plan.frames), np.float32)
    done = 0
    for start in range(0, plan.rows, plan.channels):
        block = assembly.add(outputs[start : start + plan.channels])
        samples[:, done : done + block.shape[1]] = block
        done += block.shape[1]
    return samples


class Assembly:
    """What `whole` does, for pieces that come one after the other: sound is given out as soon as it is final.

    Holds one overlap, the filter's delay and what has come of an unfinished row of channels, and no more.
    """

    def __init__(self, plan: Plan) -> None:
        self._channels = plan.channels
        self._joiners = [overlap.Joiner(plan.length, plan.size, plan.overlap) for _ in range(plan.channels)]
        self._back = Resampler(plan.channels, plan.native, plan.rate, plan.length, plan.frames)
        self._waiting: list[Pieces] = []

    def add(self, outputs: Pieces) -> Samples:
        """The sound [channels, t] at the recording's rate that the next pieces [k, size] complete; t may be 0.

        Once they are the last, it is all that is left. ValueError if there are more than the recording has.
        """
        self._waiting = [*self._waiting, *outputs]
        ready = len(self._waiting) // self._channels * self._channels
        if not ready:
            return np.empty((self._channels, 0), np.float32)
        rows, self._waiting = np.stack(self._waiting[:ready]), self._waiting[ready:]
        joined = [joiner.add(rows[i :: self._channels]) for i, joiner in enumerate(self._joiners)]
        return self._back.add(np.stack(joined))


def _rounded(samples: float, multiple: int) -> int:
    """The least multiple that is no smaller."""
    return int(-(-samples // multiple) * multiple)
