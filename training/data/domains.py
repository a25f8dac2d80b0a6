"""Two domains of pictures without pairs: photos and paintings, each in a folder, or a class, of its own name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.data.examples import Drawn, Facts
from training.data.pictures import DataError, Labels, NoSplit, Pictures, Pixels, Split
from training.data.source import load as load_pictures

HELD_OUT = 5
"""Where the data have no test split, every fifth picture of each domain, in the order of file names, is kept for it."""


@dataclass(frozen=True, eq=False)
class Domains:
    """Pictures of the domain to leave and of the one to reach; those of one know nothing of those of the other.

    Both are kept at 9/8 of `size`: training sees a random crop, everything else the middle.
    """

    given: Pictures
    real: Pictures
    size: int
    source: str
    """What it is, for people: the name of the source and the split."""
    mirror: bool = False

    @property
    def facts(self) -> Facts:
        """Their size; there are no classes, since a picture's domain is its place."""
        return Facts(self.size, self.given.images.shape[3])

    def __len__(self) -> int:
        return len(self.given)

    def require(self, batch: int) -> None:
        """`DataError` unless each domain has at least `batch` pictures."""
        for pictures in (self.given, self.real):
            pictures.require(batch)

    def require_classes(self) -> None:
        """`DataError` always: no recipe of two domains asks for classes within them."""
        raise DataError(f"{self.source} has two domains and no classes within them, which a conditional model needs")

    def draw(self, indices: Labels, rng: np.random.Generator | None = None) -> Drawn:
        """The pictures to leave from at int64 `indices`, and as many to arrive at, uint8 [n, size, size, channels].

        With `rng` the partner is any picture of the other domain; without, the i-th has the same one each time, by
        turns where the other domain is smaller.
        """
        partners = indices % len(self.real) if rng is None else rng.integers(len(self.real), size=len(indices))
        return Drawn(real=self._view(self.real, partners, rng), given=self._view(self.given, indices, rng))

    def reversed(self) -> "Domains":
        """The same domains, the other way round."""
        return replace(self, given=self.real, real=self.given)

    def _view(self, pictures: Pictures, indices: Labels, rng: np.random.Generator | None) -> Pixels:
        """The window of each picture that is seen, mirrored or not."""
        spare = pictures.images.shape[1] - self.size
        middle = np.full((len(indices), 2), spare // 2)
        corners = middle if rng is None else rng.integers(spare + 1, size=middle.shape)
        views = np.stack(
            [
                pictures.images[index, top : top + self.size, left : left + self.size]
                for index, (top, left) in zip(indices, corners, strict=True)
            ]
        )
        if self.mirror and rng is not None:
            chosen = rng.random(len(views)) < 0.5
            views[chosen] = views[chosen, :, ::-1]
        return views


def load(
    data: str | Path,
    *,
    source: str,
    target: str,
    size: int,
    channels: int,
    split: Split = "train",
    mirror: bool = False,
) -> Domains:
    """The domains `source` (to leave) and `target` (to reach): two folders, or two classes, of what `data.load` reads.

    Where the data have a train and a test split, those are meant; otherwise see `HELD_OUT`. Raises `DataError` where a
    domain isn't there or both are one.
    """
    if source == target:
        raise DataError(f"{source!r} is both the domain to leave and the one to reach: name two")
    whole, take = _split(lambda part: load_pictures(data, size=size * 9 // 8, channels=channels, split=part), split)
    for name in (source, target):
        if name not in whole.classes:
            found = ", ".join(whole.classes[:10]) or "pictures that are in no folder of a domain"
            raise DataError(
                f"{data} has no domain {name!r}: expected the folders {source}/ and {target}/, found {found}"
            )
    given, real = (take(_domain(whole, name, split)) for name in (source, target))
    return Domains(given, real, size, f"{Path(data).name} {split}", mirror)


def _split(read: Callable[[Split], Pictures], split: Split) -> tuple[Pictures, Callable[[Pictures], Pictures]]:
    """Pictures with those of the split among them, and what takes the split out of a domain."""
    try:
        test = read("test")
    except NoSplit:
        return read("train"), lambda domain: domain.take(_turn(len(domain), split))
    return (test if split == "test" else read("train")), lambda domain: domain


def _turn(count: int, split: Split) -> Labels:
    """Which of `count` pictures are in the split."""
    return np.flatnonzero((np.arange(count) % HELD_OUT == HELD_OUT - 1) == (split == "test"))


def _domain(pictures: Pictures, name: str, split: Split) -> Pictures:
    """The pictures of one domain, in the order of their names."""
    rows = pictures.rows(pictures.classes.index(name))
    return replace(pictures.take(rows), labels=None, classes=(), source=f"{name} {split}")
