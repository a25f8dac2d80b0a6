"""Long sound in pieces of one size, and the pieces back to sound without seams.

A network of sound takes pieces of a fixed size; a recording has any length. `cut` and `join` are inverse: what comes
back of untouched pieces equals what went in, bit for bit. Used by the service and by the evaluation. numpy only.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


def cut(sound: Sound, size: int, overlap: int) -> Sound:
    """Sound [t] as pieces [n, size], each of which shares `overlap` samples with the one before it.

    The last piece ends in silence where the sound does not fill it; empty sound gives no piece. ValueError unless
    0 ≤ overlap ≤ size / 2: more than two pieces must not meet anywhere.
    """
    _require(size, overlap)
    step = size - overlap
    count = -(-max(len(sound) - overlap, 1) // step) if len(sound) else 0
    padded = np.zeros(count * step + overlap, np.float32)
    padded[: len(sound)] = sound
    return np.stack([padded[i * step : i * step + size] for i in range(count)]) if count else np.empty((0, size), "f4")


def join(pieces: Sound, length: int, overlap: int) -> Sound:
    """Pieces [n, size], made of what `cut` gave, as sound [length], crossfaded where they overlap.

    Of each overlap only the middle quarter is a crossfade: the three eighths at the end of a piece, where a network
    knows too little of what comes before or after, are not heard.
    """
    size = pieces.shape[1]
    _require(size, overlap)
    step = size - overlap
    # In float64, the two shares of a sample add up to it exactly once rounded.
    sound = np.zeros(len(pieces) * step + overlap, np.float64)
    rising = fade(overlap)
    for i, piece in enumerate(pieces):
        weights = np.ones(size)
        if i:
            weights[:overlap] = rising
        if i + 1 < len(pieces):
            weights[step:] = 1 - rising
        sound[i * step : i * step + size] += weights * piece
    return sound[:length].astype(np.float32)


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
    pieces = cut(sound, size, overlap)
    done = [process(pieces[start : start + rows]) for start in range(0, len(pieces), rows)]
    return join(np.concatenate(done) if done else pieces, len(sound), overlap)


def _require(size: int, overlap: int) -> None:
    if not 0 <= 2 * overlap <= size:
        raise ValueError(f"pieces of {size} samples can't overlap by {overlap}: at most half a piece")
