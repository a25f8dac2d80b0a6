"""The objectives against their papers' formulas, and the penalty against a gradient known by hand."""

import math
from typing import get_args

import pytest
import torch

from training import losses
from training.losses import Objective

OBJECTIVES = get_args(Objective)


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_discriminator_pushes_real_scores_up_and_fake_ones_down(objective: Objective) -> None:
    real, fake = logits(0.1, -0.2), logits(0.3, 0.1)
    losses.critic(objective, real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_generator_pushes_its_scores_up(objective: Objective) -> None:
    fake = logits(-1.0, 0.2)
    losses.generator(objective, fake, torch.zeros(2)).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()


def test_minimax_is_goodfellows_value_function() -> None:
    real, fake = torch.tensor([0.7]), torch.tensor([-0.4])
    value = math.log(torch.sigmoid(real).item()) + math.log(1 - torch.sigmoid(fake).item())
    assert losses.critic("minimax", real, fake).item() == pytest.approx(-value, abs=1e-6)
    assert losses.generator("minimax", fake).item() == pytest.approx(math.log(1 - torch.sigmoid(fake).item()), abs=1e-6)


def test_the_minimax_gradient_vanishes_where_the_discriminator_wins_and_the_nonsaturating_one_does_not() -> None:
    gradients = {}
    for objective in ("minimax", "nonsaturating"):
        sure = logits(-10.0)
        losses.generator(objective, sure).backward()
        assert sure.grad is not None
        gradients[objective] = abs(sure.grad.item())
    assert gradients["minimax"] < 1e-4
    assert gradients["nonsaturating"] > 0.99


def test_least_squares_and_hinge_by_hand() -> None:
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-2.0, 0.5])
    assert losses.critic("leastsquares", real, fake).item() == pytest.approx(0.5 * (0.625 + 2.125))
    assert losses.critic("hinge", real, fake).item() == pytest.approx(0.25 + 0.75)


def test_the_relativistic_generator_asks_for_the_real_scores() -> None:
    with pytest.raises(ValueError, match="needs the real scores too"):
        losses.generator("relativistic", torch.zeros(1))


def test_the_gradient_penalty_of_a_linear_score_is_the_square_of_its_slope() -> None:
    slope = torch.randn(3, 4, 4)
    penalty = losses.gradient_penalty(lambda x: (x * slope).sum((1, 2, 3)), torch.randn(5, 3, 4, 4))
    assert penalty.item() == pytest.approx(slope.square().sum().item(), rel=1e-5)


def test_the_gradient_penalty_is_computed_in_float32_under_autocast() -> None:
    seen = []

    def score(x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.conv2d(x, torch.ones(1, 1, 3, 3))
        seen.append(y.dtype)
        return y

    with torch.autocast("cpu", torch.bfloat16):
        losses.gradient_penalty(score, torch.randn(2, 1, 8, 8))
    assert seen == [torch.float32]
