"""What a run draws from, whatever it is: pictures, pairs, two domains, sound, clips. Numpy only."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What networks must know of the data: the side of pictures, or samples of a clip; channels; names of classes."""

    size: int
    channels: int
    classes: tuple[str, ...] = ()


class Drawn(NamedTuple):
    """Examples as they travel to the device: uint8 pictures [n, h, w, c] or float32 sound [n, t].

    `given` is what the generator starts from, where that isn't noise: pictures, frames uint8 [n, k, h, w, c], the
    oldest first, or sound. Labels are int64 [n].
    """

    real: NDArray[Any]
    labels: Labels | None = None
    given: NDArray[Any] | None = None


class Examples(Protocol):
    """A data set that is ready: the loop asks nothing else of it."""

    @property
    def source(self) -> str:
        """What it is, for people: the name of the source and the split."""
        ...

    @property
    def facts(self) -> Facts:
        """Sizes and classes."""
        ...

    def __len__(self) -> int:
        """How many there are: an epoch."""
        ...

    def require(self, batch: int) -> None:
        """`DataError` unless a batch of that size can be drawn."""
        ...

    def require_classes(self) -> None:
        """`DataError` unless every example has a label, of two classes or more."""
        ...

    def draw(self, indices: Labels, rng: np.random.Generator | None) -> Drawn:
        """The examples at int64 `indices`. `rng` varies them as training wants; without it, they are always the same.

        What varies is the data's own affair: mirroring, crops, the noise in which speech drowns, an unpaired partner.
        """
        ...
