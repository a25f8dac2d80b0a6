"""A sample is a function of seed and index: the same for ever, alone or among others, and unlike its neighbours."""

import numpy as np

from app import latents
from app.latents import MAX_SEED


def test_noise_is_philox_keyed_by_seed_and_index() -> None:
    expected = np.random.Generator(np.random.Philox(key=[7, 3])).standard_normal(5, np.float32)
    np.testing.assert_array_equal(latents.noise(7, range(3, 4), 5)[0], expected)


def test_a_sample_is_the_same_alone_and_among_others() -> None:
    together = latents.noise(MAX_SEED, range(2, 6), 8), latents.classes(MAX_SEED, range(2, 6), 1000)
    for row, index in enumerate(range(2, 6)):
        np.testing.assert_array_equal(latents.noise(MAX_SEED, range(index, index + 1), 8)[0], together[0][row])
        assert latents.classes(MAX_SEED, range(index, index + 1), 1000)[0] == together[1][row]


def test_classes_are_drawn_for_each_sample() -> None:
    drawn = latents.classes(1, range(1000), 10)
    assert (np.bincount(drawn, minlength=10) > 60).all()
    assert len(set(latents.classes(1, range(20), 1000))) > 15


def test_neighbouring_seeds_and_indices_share_nothing() -> None:
    rows = [latents.noise(seed, range(index, index + 1), 64)[0] for seed in (0, 1, MAX_SEED) for index in (0, 1, 2**40)]
    correlation = np.corrcoef(rows)
    assert np.abs(correlation - np.eye(len(rows))).max() < 0.5
