"""Which version a name means: the only one that is wanted, or one of several, each for its share of the requests."""

from bisect import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from app.engine.entries import Entry
from app.engine.model import LiveModel

GOLDEN = 0.6180339887498949
"""The golden ratio less one: its multiples, less their whole part, lie as evenly between 0 and 1 as any can."""


class Split:
    """Several versions of a model, each for its share of the requests that name none.

    Not drawn at random: the points are a Weyl sequence, so that of any run of requests, however short, each version
    gets its share to within two or three of them (Kuipers & Niederreiter 1974, chapter 2.3).
    """

    def __init__(self, models: Iterable[LiveModel], shares: Iterable[float]) -> None:
        self._models = tuple(models)
        self._ends = tuple(accumulate(shares))
        self._point = 0.0

    def next(self) -> LiveModel:
        """The model of the next request."""
        self._point = point = (self._point + GOLDEN) % 1.0
        # The last end may be a rounding error below 1.
        return self._models[min(bisect(self._ends, point), len(self._models) - 1)]


@dataclass(frozen=True)
class Line:
    """A model's versions that take jobs: what its name means, and all of them, the newest first."""

    meant: LiveModel | Split
    versions: tuple[LiveModel, ...]

    def preferred(self) -> list[LiveModel]:
        """All versions, before the others the one that the name means now."""
        first = self.meant.next() if isinstance(self.meant, Split) else self.meant
        return [first, *(one for one in self.versions if one is not first)]


def effective(entries: Iterable[Entry], wanted: Mapping[int, float]) -> dict[int, float]:
    """The share of each version of one model that takes jobs; `entries` are its versions, the newest first.

    Of the versions that are `wanted` those that take jobs share what there is by their weights; if there is none, the
    newest takes all.
    """
    able = [entry.version for entry in entries if entry.model is not None]
    weights = {version: wanted.get(version, 0.0) for version in able}
    if whole := sum(weights.values()):
        return {version: weight / whole for version, weight in weights.items()}
    return {version: float(version == able[0]) for version in able}


def line(entries: Iterable[Entry], shares: Mapping[int, float]) -> Line | None:
    """The line of one model's entries, by their effective shares; None if none of them takes jobs."""
    models = {entry.version: entry.model for entry in entries if entry.model is not None}
    if not models:
        return None
    meant = [version for version in models if shares[version] > 0]
    alone = models[meant[0]]
    split = Split([models[version] for version in meant], [shares[version] for version in meant])
    return Line(alone if len(meant) == 1 else split, tuple(models.values()))
