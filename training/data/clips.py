"""Clips: a few frames and those that follow them, cut out of longer films in time and in space, or made of pictures."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from training.data import idx, npz, sequences, source
from training.data.bouncing import Bouncing, fixed, side
from training.data.examples import Drawn, Facts, Labels
from training.data.pictures import DataError, Pixels, Split
from training.data.sequences import Sequence

PICTURES = {"x_train", "x_test", "images"}
"""The arrays in an .npz of single pictures."""
TRIES, BRIGHT, ENOUGH = 8, 32, 0.1
"""Of so many random crops the first is taken in which that share of the values is brighter than that, or the last:
most of a radar's field is dry, and teaches nothing."""


def load(
    path: str,
    *,
    size: int,
    channels: int,
    given: int,
    ahead: int,
    split: Split = "train",
    least: int | None = None,
    mirror: bool = False,
    rotate: bool = False,
) -> "Clips | Bouncing":
    """Clips of `given + ahead` frames of size×size pixels from any source of films; of single pictures in arrays (npz,
    idx, `digits`) two bounce.

    With `least`, fewer frames ahead do where the films are short, but so many. See `sequences.load` for the sources
    and their splits. `DataError` where no clip fits, in time or in space.
    """
    if single(path):
        if mirror or rotate:
            raise DataError(f"{path} holds single pictures, which bounce upright: leave --mirror and --rotate out")
        pictures = source.load(path, size=side(size), channels=channels, split=split)
        return Bouncing(pictures, size, given, ahead)
    shortest = given + (least or ahead)
    films = sequences.load(Path(path), channels=channels, least=shortest, split=split)
    for film in films:
        height, width = film.frames.shape[1:3]
        if min(height, width) < size:
            raise DataError(
                f"{film.name} in {path} is {width}×{height} px, smaller than a clip of {size}×{size}: "
                f"use a --size of at most {min(height, width)}"
            )
    ahead = min(ahead, max(len(film.frames) for film in films) - given)
    return Clips(films, size, given, ahead, f"{Path(path).name} {split}", mirror, rotate)


def single(path: str) -> bool:
    """Whether a source holds arrays of single pictures, and not films."""
    file = Path(path)
    if path == "digits":
        return True
    if not file.exists():
        raise DataError(
            f"{file} doesn't exist: expected {sequences.READABLE}, or pictures to bounce: an .npz, idx files"
        )
    if file.suffix.lower() == ".npz":
        with npz.opened(file) as content:
            return bool(PICTURES & set(content.files))
    return idx.holds(file)


@dataclass(frozen=True, eq=False)
class Clips:
    """Every window of `given + ahead` frames in every film, cut to size×size where something is to be seen.

    Example i is a window, and one of as many places as the film has room for side by side.
    """

    films: tuple[Sequence, ...]
    size: int
    given: int
    ahead: int
    name: str
    mirror: bool = False
    rotate: bool = False

    @property
    def source(self) -> str:
        """The name of the source, the split and its films."""
        names = [film.name for film in self.films]
        return f"{self.name} ({', '.join(names[:5])}{' …' if len(names) > 5 else ''})"

    @property
    def facts(self) -> Facts:
        """The frames' size and channels."""
        return Facts(self.size, self.films[0].frames.shape[3])

    @cached_property
    def _ends(self) -> list[int]:
        """The number of examples up to the end of each film."""
        return list(accumulate(self._windows(film) * self._places(film) for film in self.films))

    def _windows(self, film: Sequence) -> int:
        return max(0, len(film.frames) - self.given - self.ahead + 1)

    def _places(self, film: Sequence) -> int:
        height, width = map(int, film.frames.shape[1:3])
        return (height // self.size) * (width // self.size)

    def __len__(self) -> int:
        return self._ends[-1]

    def require(self, batch: int) -> None:
        """`DataError` unless there are at least `batch` clips."""
        if len(self) < batch:
            raise DataError(
                f"{self.source} has {len(self)} clips of {self.given + self.ahead} frames, fewer than a batch of "
                f"{batch}: use a batch of at most {len(self)}, or add frames"
            )

    def require_classes(self) -> None:
        """A film has no class."""
        raise DataError(f"{self.source}: clips have no classes")

    def draw(self, indices: Labels, rng: np.random.Generator | None) -> Drawn:
        """Frames uint8 [n, given, size, size, c] and those that follow, [n, ahead, size, size, c].

        With `rng`, the place is anywhere, and the clip is mirrored and turned by quarters, if it may be.
        """
        clips = np.stack([self._clip(int(index), rng) for index in indices])
        return Drawn(clips[:, self.given :], None, clips[:, : self.given])

    def windows(self) -> Iterator[Pixels]:
        """Every window of every film, whole: uint8 [given + ahead, h, w, c], in order."""
        for film in self.films:
            for start in range(self._windows(film)):
                yield film.frames[start : start + self.given + self.ahead]

    def _clip(self, index: int, rng: np.random.Generator | None) -> Pixels:
        number = bisect_right(self._ends, index)
        film = self.films[number]
        start = (index - (self._ends[number - 1] if number else 0)) // self._places(film)
        window = film.frames[start : start + self.given + self.ahead]
        clip = _crop(window, self.size, self.given - 1, fixed(index) if rng is None else rng)
        return clip if rng is None else _turn(clip, rng, self.mirror, self.rotate)


def _crop(window: Pixels, size: int, now: int, rng: np.random.Generator) -> Pixels:
    """A crop in which enough is bright in frame `now`, if one is found soon."""
    height, width = window.shape[1:3]
    for _ in range(TRIES):
        top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        clip = window[:, top : top + size, left : left + size]
        if (clip[now] > BRIGHT).mean() >= ENOUGH:
            break
    return clip


def _turn(clip: Pixels, rng: np.random.Generator, mirror: bool, rotate: bool) -> Pixels:
    """The clip, by chance mirrored left to right and turned by quarters, all frames alike."""
    if mirror and rng.random() < 0.5:
        clip = clip[:, :, ::-1]
    if rotate:
        clip = np.rot90(clip, int(rng.integers(4)), axes=(1, 2))
    return clip
