"""Which picture comes when: an endless shuffle that is a pure function of how many pictures have been seen."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Sampler:
    """Shuffles `count` pictures epoch after epoch, each epoch by a permutation of its own.

    It has no state that a checkpoint would have to keep: a run that resumes at a position sees what the unbroken run
    would have seen (after EDM2's InfiniteSampler, which also starts at a count).
    """

    def __init__(self, count: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if count < 1:
            raise ValueError("a sampler needs at least one picture")
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} of {world} processes: expected 0 to {world - 1}")
        self.count, self.seed, self.rank, self.world = count, seed, rank, world
        self._orders: dict[int, Indices] = {}

    def indices(self, position: int, size: int) -> Indices:
        """The next `size` pictures of this rank, int64 [size] in [0, count).

        `position` counts the pictures that all ranks together have taken; this step takes the `size · world` after
        it, and rank r the r-th run of `size` of those.
        """
        start = position + self.rank * size
        epochs, offsets = np.divmod(np.arange(start, start + size), self.count)
        needed = np.unique(epochs).tolist()
        self._orders = {epoch: self._order(epoch) for epoch in needed}
        taken = np.empty(size, np.int64)
        for epoch in needed:
            here = epochs == epoch
            taken[here] = self._orders[epoch][offsets[here]]
        return taken

    def _order(self, epoch: int) -> Indices:
        """The permutation of one epoch, kept while the epoch lasts; Philox keyed by (seed, epoch)."""
        if epoch in self._orders:
            return self._orders[epoch]
        return np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.count)
