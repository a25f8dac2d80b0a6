"""The endless shuffle: a pure function of how many pictures have been seen."""

import numpy as np
import pytest

from training.data import Sampler


def test_every_epoch_shows_every_picture_once_in_an_order_of_its_own() -> None:
    sampler = Sampler(100, seed=3)
    epochs = [sampler.indices(100 * epoch, 100) for epoch in range(3)]
    assert all(sorted(epoch.tolist()) == list(range(100)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], Sampler(100, seed=4).indices(0, 100))


def test_a_resumed_run_sees_what_the_unbroken_one_would() -> None:
    unbroken = Sampler(50, seed=0)
    seen = [unbroken.indices(position, 16) for position in range(0, 320, 16)]
    resumed = Sampler(50, seed=0)
    assert np.array_equal(seen[13:], [resumed.indices(position, 16) for position in range(13 * 16, 320, 16)])


def test_what_is_seen_does_not_depend_on_the_batch_size() -> None:
    whole = Sampler(50, seed=0).indices(0, 240)
    parts = Sampler(50, seed=0)
    assert np.array_equal(whole, np.concatenate([parts.indices(position, 24) for position in range(0, 240, 24)]))


def test_ranks_share_each_step_between_them() -> None:
    alone = Sampler(50, seed=0)
    ranks = [Sampler(50, seed=0, rank=rank, world=4) for rank in range(4)]
    for position in (0, 32, 64):
        shares = [sampler.indices(position, 8) for sampler in ranks]
        assert np.array_equal(np.concatenate(shares), alone.indices(position, 32))


def test_a_batch_may_be_larger_than_the_set() -> None:
    assert np.bincount(Sampler(3, seed=0).indices(1, 12)).tolist() == [4, 4, 4]


def test_impossible_samplers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        Sampler(0, seed=0)
    with pytest.raises(ValueError, match="rank 2 of 2 processes: expected 0 to 1"):
        Sampler(5, seed=0, rank=2, world=2)
