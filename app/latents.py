"""Seeds to generator inputs: noise, classes, truncation, and paths between latents.

Everything is a pure function of numbers, so sample i of seed s is the same on every replica and in every batch.
Used by the service and, through the contract, by the exporter. numpy only.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import DTypeLike, NDArray

MAX_SEED = 2**53 - 1
"""Largest seed: the largest integer that survives a trip through JSON in every client."""

FLAT = 1e-6
"""The sine of an angle below which vectors count as parallel, or opposite: the difference is below float32's."""

TINY = 1e-12
"""Length below which a vector counts as zero."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Key(ISeedSequence):
    """A key of Philox, as it is.

    `Philox(key=[...])` would first draw a seed from the system, in vain, which takes longer than all else here, and
    round words past 2**63, which numpy lists as floats.
    """

    def __init__(self, *words: int) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[Any]:  # noqa: ARG002 (numpy's)
        return np.array(self.words, dtype)


def _stream(seed: int, index: int) -> np.random.Generator:
    """The random stream of sample `index` of `seed`: Philox (Salmon et al. 2011) keyed by the pair."""
    return np.random.Generator(np.random.Philox(_Key(seed, index)))  # type: ignore[arg-type] # the stubs lack it


def noise(seed: int, indices: range, size: int) -> Floats:
    """Standard normal latents, float32 [len(indices), size]; row j depends on `seed` and `indices[j]` alone."""
    out = np.empty((len(indices), size), np.float32)
    for row, index in zip(out, indices, strict=True):
        _stream(seed, index).standard_normal(dtype=np.float32, out=row)
    return out


def classes(seed: int, indices: range, count: int) -> Ints:
    """Uniform class indices in [0, count), int64 [len(indices)], drawn apart from the noise of the same seed."""
    # The high half of the key's second word keeps this stream apart from every stream of `noise`.
    return np.array([_stream(seed, index | 1 << 63).integers(count) for index in indices], np.int64)


def truncate(latents: Floats, truncation: float) -> Floats:
    """Latents drawn towards the mean: 1 leaves them, 0 gives the mean itself (Karras et al. 2019, app. B, but in z)."""
    return latents if truncation == 1 else (latents * np.float32(truncation)).astype(np.float32)


def lerp(start: Floats, end: Floats, t: float) -> Floats:
    """Straight line from `start` (t = 0) to `end` (t = 1), which it reaches to the bit; same shape and dtype."""
    if t in (0, 1):
        return end if t else start
    a, b = start.astype(np.float64), end.astype(np.float64)
    return (a + (b - a) * t).astype(np.float32)


def slerp(start: Floats, end: Floats, t: float) -> Floats:
    """Great-circle path from `start` (t = 0) to `end` (t = 1) over the last axis (Shoemake 1985; White 2016).

    Keeps a normal latent's norm typical all along the way, and reaches both ends to the bit. Near-parallel vectors are
    joined by the straight line. Of opposite ones, which any great circle joins, the path is that of `_half_turn`: the
    straight line would lead through the mean.
    """
    if t in (0, 1):
        return end if t else start
    a, b = start.astype(np.float64), end.astype(np.float64)
    u, v = _unit(a), _unit(b)
    # The angle by Kahan (2006): the arc cosine of the dot product is rounded away where vectors are nearly parallel.
    angle = 2 * np.arctan2(np.linalg.norm(u - v, axis=-1, keepdims=True), np.linalg.norm(u + v, axis=-1, keepdims=True))
    sine = np.sin(angle)
    flat = sine < FLAT
    path: Doubles = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.where(flat, 1, sine)
    if flat.any():  # hardly ever, and it takes as long again
        path = np.where(flat, np.where(angle > 1, _half_turn(a, b, t), a + (b - a) * t), path)
    return path.astype(np.float32)


def _half_turn(a: Doubles, b: Doubles, t: float) -> Doubles:
    """The path between opposite vectors through `a` turned by a quarter in the plane of each two coordinates.

    That vector is as typical a latent as `a`: its coordinates are the same numbers.
    """
    quarter = np.zeros_like(a)
    paired = a.shape[-1] // 2 * 2
    quarter[..., 0:paired:2], quarter[..., 1:paired:2] = -a[..., 1:paired:2], a[..., 0:paired:2]
    length = (1 - t) * np.linalg.norm(a, axis=-1, keepdims=True) + t * np.linalg.norm(b, axis=-1, keepdims=True)
    turned: Doubles = length * (np.cos(np.pi * t) * _unit(a) + np.sin(np.pi * t) * _unit(quarter))
    return turned


def _unit(vectors: Doubles) -> Doubles:
    """The vectors made as long as 1; the zero vector stays."""
    units: Doubles = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)
    return units


def quantiles(count: int) -> Floats:
    """Values of a standard normal variable, ascending, each of which stands for an equal share: float32 [count].

    Laid along an axis of the latent space, they cover all of it (Kingma & Welling 2014, figure 4).
    """
    return np.array([NormalDist().inv_cdf((step + 0.5) / count) for step in range(count)], np.float32)


def plane(right: Floats, up: Floats, along: Floats, upward: Floats) -> Floats:
    """A grid over a plane through the mean, float32 [rows, columns, size].

    `along` [size] is taken as far as the values of `right` [columns] say, from left to right, and `upward` as those of
    `up` [rows], from below to above: the first row is the uppermost.
    """
    return (right[None, :, None] * along + up[::-1, None, None] * upward).astype(np.float32)
