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

Floats = NDArray[np.float32]
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
    """Straight line from `start` (t = 0) to `end` (t = 1); same shape and dtype."""
    return (start + (end - start) * np.float32(t)).astype(np.float32)


def slerp(start: Floats, end: Floats, t: float) -> Floats:
    """Great-circle path from `start` (t = 0) to `end` (t = 1) over the last axis (Shoemake 1985; White 2016).

    Keeps a normal latent's norm typical all along the way. Near-parallel vectors fall back to `lerp`.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True)
    cosine = np.clip(np.sum(a * b, axis=-1, keepdims=True) / np.maximum(norms, 1e-12), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1, sine)
    weight_a = np.where(near, 1 - t, np.sin((1 - t) * angle) / safe)
    weight_b = np.where(near, t, np.sin(t * angle) / safe)
    return (weight_a * a + weight_b * b).astype(np.float32)


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
