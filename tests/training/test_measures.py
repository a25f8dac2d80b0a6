"""The arithmetic of distances, on points whose distances are known."""

import pytest
import torch

from training import measures


def points(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_the_frechet_distance_of_a_shift_is_its_square() -> None:
    real = points(500, 4)
    assert measures.frechet(real, real) == pytest.approx(0, abs=1e-6)
    assert measures.frechet(real, real + torch.tensor([3.0, 4.0, 0, 0])) == pytest.approx(25, rel=1e-4)


def test_the_frechet_distance_of_a_stretch_is_the_difference_of_deviations() -> None:
    real = points(500, 4)
    assert measures.frechet(real, 3 * real) == pytest.approx(
        float(4 * real.var(0).sum() + 4 * real.mean(0).square().sum()), rel=1e-3
    )


def test_the_kernel_distance_is_unbiased_and_repeatable() -> None:
    real, same, other = points(1500, 4), points(1500, 4, seed=1), points(1500, 4, seed=2) + 1
    assert abs(measures.kernel(real, same)) < 0.02 < 1 < measures.kernel(real, other)
    state = torch.random.get_rng_state()
    assert measures.kernel(real, other) == measures.kernel(real, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_neighbours_tell_a_lack_of_variety_from_a_lack_of_quality() -> None:
    real, same = points(400, 8), points(400, 8, seed=1)
    alike = measures.neighbours(real, same)
    assert alike["precision"] > 0.6
    assert alike["recall"] > 0.6
    assert alike["density"] == pytest.approx(1, abs=0.2)
    assert alike["coverage"] > 0.9
    mean = measures.neighbours(real, 1e-3 * points(400, 8, seed=1))
    assert mean["precision"] == 1
    assert mean["recall"] == 0
    assert mean["coverage"] < 0.6
    assert measures.neighbours(real, same + 100) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_the_ball_of_a_point_reaches_its_fifth_neighbour() -> None:
    line = torch.arange(12.0)[:, None]
    assert measures.radii(line)[[0, 5]].tolist() == [5, 3]
    with pytest.raises(ValueError, match="5 points have no neighbour number 5"):
        measures.radii(line[:5])


def test_rows_in_parts_are_rows_at_once(monkeypatch) -> None:
    real, fake = points(50, 4), points(60, 4, seed=1)
    whole = measures.neighbours(real, fake)
    monkeypatch.setattr(measures, "ROWS", 7)
    assert measures.neighbours(real, fake) == pytest.approx(whole)


def test_the_unit_of_an_embedding_does_not_matter() -> None:
    real, fake = points(200, 4), points(200, 4, seed=1) + 0.5
    assert measures.distances(40 * real, 40 * fake) == pytest.approx(measures.distances(real, fake), rel=1e-3)
