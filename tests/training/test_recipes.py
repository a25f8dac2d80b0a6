"""What the loop may expect of any recipe: each file in `training/recipes` is tested here without a new test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training import runs
from training import checkpoint, config, recipes
from training.checkpoint import LAST
from training.nets.blocks import Pair
from training.nets.discriminators import ConvolutionalDiscriminator, Scores
from training.recipes import cgan

NAMES = sorted(recipes.names())


def state(network: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a network remembers."""
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_leave_every_term_and_weight_finite(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path)
    for _ in range(2):
        assert all(torch.isfinite(value) for value in run.step().values())
    for network in run.networks.values():
        assert all(torch.isfinite(p).all() for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_phase_moves_the_networks_that_learn_in_it_and_no_other(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path)
    batch = run.fetch(run.sampler.indices(0, run.share), np.random.default_rng(0))
    for phase in run.recipe.phases():
        for key, network in run.networks.items():
            network.requires_grad_(key in phase.learns)
        torch.stack(list(run.recipe.terms(phase.name, run.networks, batch).values())).sum().backward()
        for key, network in run.networks.items():
            moved = any(p.grad is not None and p.grad.any() for p in network.parameters())
            assert moved == (key in phase.learns), f"{key} in phase {phase.name}"
            network.zero_grad(set_to_none=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_sheet_is_the_same_at_each_call_and_leaves_no_trace(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path)
    before = {name: state(network) for name, network in run.networks.items()}
    first, second = (run.observe(run.recipe.preview, 32) for _ in range(2))
    assert first
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.pictures, b.pictures)
    for name, network in run.networks.items():
        assert all(torch.equal(value, before[name][key]) for key, value in network.state_dict().items())
        assert network.training


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    whole, cut = (runs.run(name, tmp_path / kind) for kind in ("whole", "cut"))
    for run in (whole, cut):
        for _ in range(2):
            run.step()
    checkpoint.save(tmp_path / LAST, cut.checkpoint())
    resumed = runs.run(name, tmp_path / "cut")
    resumed.restore(checkpoint.load(tmp_path / LAST))
    for run in (whole, resumed):
        for _ in range(2):
            run.step()
    for kept in ("networks", "averages"):
        for key, network in getattr(whole, kept).items():
            again = getattr(resumed, kept)[key].state_dict()
            assert all(torch.equal(value, again[field]) for field, value in network.state_dict().items()), key


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_the_checkpoint_and_every_preset_is_valid(name: str, tmp_path: Path) -> None:
    recipe, settings = config.build(runs.values(name, tmp_path / "run"))
    again = config.build(config.flat(name, recipe, settings))
    assert again == (recipe, settings)
    kind = recipes.find(name)
    assert set(kind.presets) == {"smoke", "cpu", "gpu"}
    for preset in kind.presets:
        config.build({**runs.values(name, tmp_path / preset), **kind.presets[preset]})


@pytest.mark.parametrize("name", NAMES)
def test_every_phase_alone_learns_one_batch_that_it_sees_again_and_again(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path / "run", batch=8, rate=1e-3, precision="fp32")
    batch = run.fetch(np.arange(8))
    for phase in run.recipe.phases():
        told = []
        for _ in range(40):
            for key, network in run.networks.items():
                network.requires_grad_(key in phase.learns)
            torch.manual_seed(0)
            loss = torch.stack(list(run.recipe.terms(phase.name, run.networks, batch).values())).sum()
            loss.backward()
            run._follow(run.optimisers[phase.name])
            told.append(float(loss))
        assert sum(told[-5:]) < sum(told[:5]), phase.name


@pytest.mark.parametrize("loss", ["minimax", "nonsaturating", "leastsquares", "hinge", "relativistic"])
@pytest.mark.parametrize("heads", ["joint", "split"])
def test_every_objective_trains_with_either_kind_of_heads(loss: str, heads: str, tmp_path: Path) -> None:
    run = runs.run("cgan", tmp_path, loss=loss, heads=heads, r1=0.1, r2=0.1, augment=0.5)
    assert all(torch.isfinite(value) for value in run.step().values())


def test_a_wrong_class_is_never_right_by_chance_and_every_other_one_comes() -> None:
    right = torch.arange(4).repeat(500)
    wrong = cgan.wrong_classes(right, 4)
    assert not (wrong == right).any()
    for label in range(4):
        assert set(wrong[right == label].tolist()) == set(range(4)) - {label}


def test_with_two_classes_the_wrong_one_is_the_other_one() -> None:
    right = torch.tensor([0, 1, 1, 0])
    assert torch.equal(cgan.wrong_classes(right, 2), 1 - right)


def test_the_discriminator_has_three_terms_each_of_which_it_lowers() -> None:
    recipe = cgan.Cgan(heads="joint", loss="hinge")
    zero = torch.zeros(1, 1)
    for better, worse in (((1, -1, 0), (0, -1, 0)), ((0, -1, 0), (0, 0, 0)), ((0, 0, -1), (0, 0, 0))):
        told = [
            sum(recipe._tell(*(Scores(zero, torch.full((1, 1), float(v))) for v in scores)).values())
            for scores in (better, worse)
        ]
        assert told[0] < told[1]


def test_split_heads_judge_realness_without_the_class_and_the_match_of_real_pictures_only() -> None:
    recipe = cgan.Cgan(heads="split")
    realness = torch.zeros(1, 1, requires_grad=True)
    generated = Scores(torch.zeros(1, 1), torch.zeros(1, 1, requires_grad=True))
    right, wrong = (Scores(realness, torch.zeros(1, 1, requires_grad=True)) for _ in range(2))
    sum(recipe._tell(right, generated, wrong).values()).backward()
    assert right.match is not None
    assert wrong.match is not None
    assert generated.match is not None
    assert right.match.grad is not None
    assert wrong.match.grad is not None
    assert right.match.grad < 0 < wrong.match.grad
    assert generated.match.grad is None


def test_a_discriminator_asked_about_two_classes_at_once_answers_as_for_each_alone() -> None:
    critic = ConvolutionalDiscriminator(size=16, channels=1, width=4, classes=3).eval()
    pictures, first, second = (
        torch.randn(5, 1, 16, 16),
        torch.zeros(5, dtype=torch.int64),
        torch.tensor([1, 2, 1, 2, 0]),
    )
    both = critic(Pair(pictures, torch.stack([first, second], dim=1)))
    for question, label in enumerate((first, second)):
        torch.testing.assert_close(both.asked(question).joint, critic(Pair(pictures, label)).joint)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'dcgan': there are .*cgan, .*gan"):
        recipes.find("dcgan")
