"""What a data set is once it is loaded, and what a run may ask of it. Knows no files."""

import tempfile
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Drawn, Facts

Split = Literal["train", "test"]
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

IN_MEMORY = 4 * 2**30
"""The most bytes of pixels that are kept in memory; more go to an unnamed file in the folder for temporary files."""


class DataError(ValueError):
    """A data set that can't be used; the message says what is wrong, what was expected and what to do."""


class NoSplit(DataError):  # noqa: N818  # it says what is missing, as StopIteration does
    """The source holds pictures, but not the split asked for."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures of one size: images uint8 [N, H, W, C], C = 1 or 3; labels int64 [N] into `classes`, or None."""

    images: Pixels
    labels: Labels | None
    classes: tuple[str, ...]
    source: str
    """What it is, for people: the name of the source and the split."""
    mirror: bool = False
    """Whether half of those drawn for training are mirrored left to right."""

    @property
    def facts(self) -> Facts:
        """Their size and classes."""
        return Facts(self.images.shape[1], self.images.shape[3], self.classes)

    def draw(self, indices: Labels, rng: np.random.Generator | None = None) -> Drawn:
        """The pictures at int64 `indices`, uint8 [n, size, size, channels], and their labels."""
        images = self.images[indices]
        if self.mirror and rng is not None:
            chosen = rng.random(len(images)) < 0.5
            images[chosen] = images[chosen, :, ::-1]
        return Drawn(images, None if self.labels is None else self.labels[indices])

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Labels) -> "Pictures":
        """The pictures at int64 `indices`, in that order."""
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, images=self.images[indices], labels=labels)

    def rows(self, label: int) -> Labels:
        """Where the pictures of a class are, int64; nowhere without labels."""
        return np.empty(0, np.int64) if self.labels is None else np.flatnonzero(self.labels == label)

    def require(self, batch: int) -> None:
        """`DataError` unless there are at least `batch` pictures."""
        if len(self) < batch:
            raise DataError(
                f"{self.source} has {len(self)} pictures, fewer than a batch of {batch}: "
                f"use a batch of at most {len(self)}, or add pictures"
            )

    def require_classes(self) -> None:
        """`DataError` unless every picture has a label, there are two classes or more, and none is empty."""
        if self.labels is None:
            raise DataError(
                f"{self.source} has no classes, which a conditional model needs: "
                "put the pictures of each class into a folder of its own, or give labels beside the arrays"
            )
        if len(self.classes) < 2:
            raise DataError(
                f"{self.source} has the one class {self.classes[0]!r}, a conditional model needs two or more: "
                "add a class folder, or train an unconditional model"
            )
        counts = np.bincount(self.labels, minlength=len(self.classes))
        empty = [name for name, count in zip(self.classes, counts, strict=True) if count == 0]
        if empty:
            raise DataError(f"{self.source} has no pictures of {', '.join(empty)}: add some, or remove the class")


def allocate(count: int, size: int, channels: int) -> Pixels:
    """Room for `count` pictures, uint8 [count, size, size, channels], in memory up to `IN_MEMORY` bytes."""
    shape = (count, size, size, channels)
    if count * size * size * channels <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    # The mapping outlives the file object, and the file has no name: it goes when the array goes.
    with tempfile.TemporaryFile(prefix="ganymede-") as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
