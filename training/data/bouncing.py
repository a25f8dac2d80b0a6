"""Films made of single pictures: a few of them cross a dark frame and bounce off its edges.

With MNIST's digits this is Moving MNIST (Srivastava et al. 2015, §4.1): two digits of 28 px on 64 px.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Drawn, Facts, Labels
from training.data.pictures import DataError, Pictures, Pixels

SPEED = 0.1
"""The way of a frame, in units of the room that a picture has to move in: 3.6 px of 36."""


def side(size: int) -> int:
    """The side of the pictures that bounce in a frame of `size` pixels: 28 for 64."""
    return max(1, size * 7 // 16)


@dataclass(frozen=True, eq=False)
class Bouncing:
    """Clips of `given + ahead` frames [size, size, c], each with `count` of the pictures, the brightest on top.

    Example i shows picture i and others; which, from where and whither is drawn from the generator that `draw` is
    given, or follows from i alone.
    """

    pictures: Pictures
    size: int
    given: int
    ahead: int
    count: int = 2

    @property
    def source(self) -> str:
        """The pictures' source, and that they move."""
        return f"{self.pictures.source}, {self.count} bouncing"

    @property
    def facts(self) -> Facts:
        """The frames' size and channels."""
        return Facts(self.size, self.pictures.images.shape[3])

    def __len__(self) -> int:
        return len(self.pictures)

    def require(self, batch: int) -> None:
        """`DataError` unless there are at least `batch` pictures."""
        self.pictures.require(batch)

    def require_classes(self) -> None:
        """A frame with two digits has no class."""
        raise DataError(f"{self.source}: clips have no classes")

    def draw(self, indices: Labels, rng: np.random.Generator | None) -> Drawn:
        """Frames uint8 [n, given, size, size, c] and those that follow, [n, ahead, size, size, c]."""
        clips = np.stack([self._clip(int(index), rng or fixed(int(index))) for index in indices])
        return Drawn(clips[:, self.given :], None, clips[:, : self.given])

    def _clip(self, index: int, rng: np.random.Generator) -> Pixels:
        others = rng.integers(len(self.pictures), size=self.count - 1)
        images = self.pictures.images[np.concatenate([[index], others])]
        length = self.given + self.ahead
        room = self.size - images.shape[1]
        clip = np.zeros((length, self.size, self.size, images.shape[3]), np.uint8)
        for image, path in zip(images, paths(rng, self.count, length), strict=True):
            for frame, (top, left) in zip(clip, (path * room).astype(np.int64).tolist(), strict=True):
                place = frame[top : top + len(image), left : left + len(image)]
                np.maximum(place, image, out=place)
        return clip


def paths(rng: np.random.Generator, count: int, length: int) -> NDArray[np.float64]:
    """Where `count` pictures are in each of `length` frames, [count, length, 2] in [0, 1]: straight on, and back at
    the walls, each in a direction of its own."""
    start, angle = rng.random((count, 1, 2)), rng.random((count, 1)) * 2 * np.pi
    way = SPEED * np.stack([np.sin(angle), np.cos(angle)], axis=-1) * np.arange(length)[:, None]
    # A ball between two walls is a point on a line that is folded at them.
    return 1 - np.abs((start + way) % 2 - 1)


def fixed(index: int) -> np.random.Generator:
    """The randomness of an example that is the same each time."""
    return np.random.Generator(np.random.Philox(key=[0, index]))
