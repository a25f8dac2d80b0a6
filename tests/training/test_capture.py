"""Steps as CUDA graphs: where they are refused, and on a GPU, that they are the steps that they replay."""

from pathlib import Path

import pytest
import torch

from tests.training import runs
from training.capture import WARM
from training.config import ConfigError

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA GPU")


def test_a_processor_captures_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--captured needs a GPU"):
        runs.run("gan", tmp_path, captured=True, device="cpu")


@gpu
@pytest.mark.gpu
def test_a_recipe_that_draws_on_the_processor_is_not_captured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="steps can't be captured"):
        runs.run("cyclegan", tmp_path, captured=True)


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("recipe", ["gan", "cgan", "stackgan"])
def test_replayed_steps_lose_as_the_steps_themselves_do(recipe: str, tmp_path: Path) -> None:
    same = {"images": 32 * 60, "precision": "fp32", "lazy": 4, "r1": 0.1, "augment": 0.5}
    plain = runs.run(recipe, tmp_path / "plain", **same)
    captured = runs.run(recipe, tmp_path / "captured", captured=True, **same)
    for step in range(60):
        expected = {name: float(value) for name, value in plain.step().items()}
        got = {name: float(value) for name, value in captured.step().items()}
        # Sums in another order, some by atomic additions: equal but for rounding, which grows with the steps.
        assert got == pytest.approx(expected, rel=1e-3 if step < 5 * WARM else 0.2, abs=0.02), step
    assert plain.done == captured.done == 1
