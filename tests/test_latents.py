"""A sample is a function of seed and index: the same for ever, alone or among others, and unlike its neighbours.

A path between two of them starts and ends at the very same numbers.
"""

from itertools import pairwise

import numpy as np
import pytest

from app import latents
from app.latents import MAX_SEED
from app.walks import Between


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


BETWEEN = pytest.mark.parametrize("between", [latents.lerp, latents.slerp])


@BETWEEN
@pytest.mark.parametrize("end", [1, -1, 1 + 1e-7, -1 - 1e-7, 0])
def test_a_path_reaches_both_ends_to_the_bit(between: Between, end: float) -> None:
    start = latents.noise(3, range(2), 7)
    other = latents.noise(4, range(2), 7) if end == 0 else start * np.float32(end)
    start[0, 0] = -0.0
    for t, reached in ((0, start), (1, other), (0.0, start), (1.0, other)):
        assert between(start, other, t).tobytes() == reached.tobytes()


@BETWEEN
def test_the_path_between_equal_latents_stays_there(between: Between) -> None:
    latent = latents.noise(3, range(4), 128)
    for t in np.linspace(0, 1, 11):
        np.testing.assert_array_equal(between(latent, latent, float(t)), latent)


def test_lerp_goes_straight_and_slerp_along_the_great_circle() -> None:
    east, north = np.array([[2, 0]], np.float32), np.array([[0, 2]], np.float32)
    np.testing.assert_allclose(latents.lerp(east, north, 0.25), [[1.5, 0.5]])
    np.testing.assert_allclose(latents.slerp(east, north, 1 / 3), [[2 * np.cos(np.pi / 6), 2 * np.sin(np.pi / 6)]])


def test_slerp_keeps_latents_as_long_as_they_typically_are() -> None:
    start, end = latents.noise(1, range(50), 128), latents.noise(2, range(50), 128)
    lengths = np.linalg.norm(latents.slerp(start, end, 0.5), axis=1)
    assert abs(lengths.mean() - np.sqrt(128)) < 0.5
    assert np.linalg.norm(latents.lerp(start, end, 0.5), axis=1).mean() < 0.75 * np.sqrt(128)


@pytest.mark.parametrize("angle", [1e-9, 1e-7, 1e-5, 1e-3])
def test_slerp_of_nearly_parallel_latents_moves_evenly(angle: float) -> None:
    start = np.array([[3, 0]], np.float32)
    end = np.array([[3 * np.cos(angle), 3 * np.sin(angle)]], np.float32)
    for t in (0.25, 0.5, 0.75):
        x, y = latents.slerp(start, end, t)[0]
        assert x == pytest.approx(3, rel=1e-6)
        assert y == pytest.approx(3 * np.sin(t * angle), rel=1e-6)


@pytest.mark.parametrize("size", [2, 7, 128])
@pytest.mark.parametrize("stretch", [1, 1.5, 1 + 1e-7])
def test_slerp_of_opposite_latents_goes_around_the_mean(size: int, stretch: float) -> None:
    start = latents.noise(5, range(3), size)
    end = (-stretch * start).astype(np.float32)
    length = np.linalg.norm(start.astype(float), axis=1)
    steps = [latents.slerp(start, end, t).astype(float) for t in np.linspace(0, 1, 9)]
    for t, step in zip(np.linspace(0, 1, 9), steps, strict=True):
        np.testing.assert_allclose(np.linalg.norm(step, axis=1), length * (1 + t * (stretch - 1)), rtol=1e-5)
    turns = [cosine(one, other) for one, other in pairwise(steps)]
    np.testing.assert_allclose(turns, np.cos(np.pi / 8), rtol=1e-5)


@pytest.mark.parametrize("angle", [1e-5, 1e-4, 1e-2])
def test_slerp_of_nearly_opposite_latents_is_on_their_great_circle(angle: float) -> None:
    start = np.array([[1, 0]], np.float32)
    end = np.array([[-np.cos(angle), np.sin(angle)]], np.float32)
    x, y = latents.slerp(start, end, 0.5)[0]
    assert abs(x) <= angle  # float32 rounds the end to a hair longer than 1
    assert y == pytest.approx(np.cos(angle / 2), abs=1e-6)


@BETWEEN
def test_a_path_from_the_mean_is_finite(between: Between) -> None:
    mean, other = np.zeros((1, 4), np.float32), latents.noise(1, range(1), 4)
    for start, end in ((mean, other), (other, mean), (mean, mean)):
        assert np.isfinite(between(start, end, 0.3)).all()


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sum(one * other, axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
