"""Long sound in pieces of one size, and the pieces back to sound without seams.

A network of sound takes pieces of a fixed size; a recording has any length. `cut` and `join` are inverse: what comes
back of untouched pieces equals what went in, bit for bit. Used by the service and by the evaluation. numpy only.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


def count(length: int, size: int, overlap: int) -> int:
    """How many pieces `cut` makes of so many samples; ValueError as there."""
    if not 0 <= 2 * overlap <= size:
        raise ValueError(f"pieces of {size} samples can't overlap by {overlap}: at most half a piece")
    return -(-max(length - overlap, 1) // (size - overlap)) if length else 0


def cut(sound: Sound, size: int, overlap: int) -> Sound:
    """Sound [t] as pieces [n, size], each of which shares `overlap` samples with the one before it.

    The last piece ends in silence where the sound does not fill it; empty sound gives no piece. ValueError unless
    0 ≤ overlap ≤ size / 2: more than two pieces must not meet anywhere.
    """
    step, pieces = size - overlap, count(len(sound), size, overlap)
    padded = np.zeros(pieces * step + overlap, np.float32)
    padded[: len(sound)] = sound
    if not pieces:
        return np.empty((0, size), np.float32)
    return np.stack([padded[i * step : i * step + size] for i in range(pieces)])


def join(pieces: Sound, length: int, overlap: int) -> Sound:
    """Pieces [n, size], made of what `cut` gave, as sound [length], crossfaded where they overlap.

    Of each overlap only the middle quarter is a crossfade: the three eighths at the end of a piece, where a network
    knows too little of what comes before or after, are not heard. ValueError unless there are as many as of a sound of
    that length.
    """
    joiner = Joiner(length, pieces.shape[1], overlap)
    if len(pieces) < joiner.left:
        raise ValueError(f"{len(pieces)} pieces are not the {joiner.left} that {length} samples make")
    return joiner.add(pieces)


class Joiner:
    """What `join` does, for pieces that come one after the other: as soon as sound is final, it is given out.

    Holds no more than one overlap of sound meanwhile.
    """

    def __init__(self, length: int, size: int, overlap: int) -> None:
        """Of pieces [size] that `cut` would make of sound [length]; ValueError as there."""
        self.left = count(length, size, overlap)
        """Pieces that have not come yet."""
        self._length = length
        self._overlap = overlap
        self._step = size - overlap
        self._rising = fade(overlap)
        self._ended: NDArray[np.float64] | None = None
        """The end of the piece before, faded out."""

    def add(self, pieces: Sound) -> Sound:
        """The sound [t] that the next pieces [k, size] complete; all of it, once they are the last.

        ValueError if there are more than are left.
        """
        if len(pieces) > self.left:
            raise ValueError(f"{len(pieces)} pieces came where {self.left} were left")
        return np.concatenate([*map(self._add, pieces), np.empty(0, np.float32)])

    def _add(self, piece: Sound) -> Sound:
        # In float64, the two shares of a sample add up to it exactly once rounded.
        sound = piece.astype(np.float64)
        if self._ended is not None:
            sound[: self._overlap] = self._ended + self._rising * sound[: self._overlap]
        self.left -= 1
        if self.left:
            self._ended = (1 - self._rising) * sound[self._step :]
            sound = sound[: self._step]
        else:
            sound = sound[: self._length]
        self._length -= len(sound)
        return sound.astype(np.float32)


def fade(overlap: int) -> NDArray[np.float64]:
    """Weights [overlap] that rise from 0 to 1 as a squared sine over the middle quarter."""
    along = (np.arange(overlap) + 0.5) / max(overlap, 1)
    return np.sin(np.clip(4 * along - 1.5, 0, 1) * np.pi / 2) ** 2


def through(
    sound: Sound, process: Callable[[Sound], Sound], *, size: int, overlap: int, multiple: int = 1, rows: int = 16
) -> Sound:
    """Sound [t] through `process`, which takes pieces [n, size] to pieces [n, size], at most `rows` at once; [t].

    Sound that fits into one piece is given as one that is no longer than it must be, in a `multiple` of samples.
    """
    if 0 < len(sound) < size:
        size = min(size, -(-len(sound) // multiple) * multiple)
        overlap = min(overlap, size // 2)
    pieces, joiner = cut(sound, size, overlap), Joiner(len(sound), size, overlap)
    done = [joiner.add(process(pieces[start : start + rows])) for start in range(0, len(pieces), rows)]
    return np.concatenate([*done, np.empty(0, np.float32)])
