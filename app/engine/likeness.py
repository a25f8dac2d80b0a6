"""What pictures look like in numbers, and how unlike two of them are. Pure functions of arrays; sound is measured, too.

All is measured on a thumbnail of at most 32 × 32 of a picture's pixels, so that the size of a picture costs nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.contract import Tensor

Floats = NDArray[np.float32]

SIDE = 32
"""Rows and columns of a thumbnail: every k-th pixel, not a mean of several, which would hide what is burnt out."""

VALUES = 4096
"""Of sound."""

FLAT = 1e-9
"""Variance below which a picture has one colour: a thousandth of that of a single value that is off by a level."""

CONTRAST = 1e-4
"""Variance below which what went in says too little for what comes out to differ: two levels and a half; sound of -34
decibels."""

APART = 0.25
"""What went in is far apart from this on. Latents that are drawn by themselves are at 1, truncated to half at 0.25, and
neighbours of a walk below; photos of two things are at 0.5 to 1.5, and two frames of a still camera far below."""


@dataclass(frozen=True)
class Likeness:
    """A thumbnail, float32 [k] in [0, 1], with its mean, variance and saturation.

    Saturation is twice the lesser of the shares of values at 0 and at 1: 1 for a picture of black and white in equal
    parts, as of a generator whose weights have grown without bound. The ground of a digit is at one of the ends only.
    """

    values: Floats
    mean: float
    variance: float
    saturation: float


def thumbnails(tensor: Tensor, values: NDArray[np.generic]) -> Floats:
    """Thumbnails float32 [n, k] in [0, 1] of what a tensor means: pictures, the newest of frames, or sound."""
    if tensor.meaning == "audio":
        step = -(-values.shape[1] // VALUES)
        return values[:, ::step].astype(np.float32) * np.float32(0.5) + np.float32(0.5)
    if tensor.meaning == "frames":
        values = values[:, -1]
    rows, columns = (-(-side // SIDE) for side in values.shape[1:3])
    small = values[:, ::rows, ::columns]
    return small.reshape(len(small), -1).astype(np.float32) / np.float32(255)


def measured(thumbnails: Floats) -> list[Likeness]:
    """Each row with its numbers."""
    variances = thumbnails.var(axis=1)
    means = thumbnails.mean(axis=1)
    least, most = (thumbnails <= 0).mean(axis=1), (thumbnails >= 1).mean(axis=1)
    saturations = 2 * np.minimum(least, most)
    # Copies: whoever keeps one picture must not keep the batch.
    values = [row.copy() for row in thumbnails]
    columns = zip(values, means.tolist(), variances.tolist(), saturations.tolist(), strict=True)
    return [Likeness(*row) for row in columns]


def diversity(one: Likeness, other: Likeness) -> float:
    """Squared distance of two pictures over twice the variance of their values together.

    0 if they are the same, whatever their contrast; 1 on average if they have nothing in common but mean and variance;
    2 at most, for a picture and its negative.
    """
    variance = _together(one, other)
    if variance < FLAT:
        return 0.0
    return float(np.square(one.values - other.values).mean()) / (2 * variance)


def far_apart(one: Likeness, other: Likeness) -> bool:
    """Whether two pictures that went in differ so much that what comes of them must differ, too."""
    return _together(one, other) >= CONTRAST and diversity(one, other) >= APART


def drawn_apart(one: Floats, other: Floats) -> bool:
    """Whether two latents, float32 [d], are so far apart that their pictures must differ."""
    return float(np.square(one - other).mean()) / 2 >= APART


def _together(one: Likeness, other: Likeness) -> float:
    """The variance of the values of both."""
    return (one.variance + other.variance) / 2 + (one.mean - other.mean) ** 2 / 4
