"""StackGAN's own parts: the condition's cloud, the two stages, and that stage 1 answers for its own picture only."""

from pathlib import Path

import pytest
import torch

from tests.training import runs
from training import sheets
from training.nets.blocks import Pair
from training.nets.generators import ResidualGenerator
from training.nets.stages import ConditioningAugmentation, FoldedDiscriminator, Stacked, Stage1, Stage2, enlarged
from training.run import Run


def _shaped(classes: int = 3) -> tuple[Stage1, Stage2]:
    torch.manual_seed(0)
    stage1 = Stage1(latent=8, size=8, channels=3, width=8, classes=classes)
    stage2 = Stage2(latent=8, channels=3, width=8, blocks=1, classes=classes)
    torch.nn.init.normal_(stage2.last.weight)  # as if it had learnt: it starts with zeros
    return stage1.eval(), stage2.eval()


def _panels(run: Run, names: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    batch = run.fetch(run.sampler.indices(0, run.share))
    with torch.no_grad():
        return {panel.label: panel.pictures for panel in run.recipe.preview(names, batch)}


def test_the_code_of_a_class_is_its_mean_and_the_latents_last_part_times_its_deviation() -> None:
    augmentation = ConditioningAugmentation(classes=2, size=3)
    with torch.no_grad():
        augmentation.mean.weight.copy_(torch.tensor([[1.0, 2, 3], [-1, -2, -3]]))
        augmentation.log_deviation.weight.copy_(torch.tensor([[1.0], [3.0]]).log())
    latent = torch.tensor([[5.0, 1, 0, -1], [6.0, 1, 0, -1]])
    expected = torch.tensor([[5.0, 2, 2, 2], [6.0, 2, -2, -6]])
    torch.testing.assert_close(augmentation(latent, torch.tensor([0, 1])), expected)


@pytest.mark.parametrize(
    ("mean", "deviation", "divergence"), [(0.0, 1.0, 0.0), (1.0, 1.0, 0.5), (0.0, 2.0, 0.80685), (2.0, 0.5, 2.31815)]
)
def test_the_divergence_is_that_of_the_textbook(mean: float, deviation: float, divergence: float) -> None:
    augmentation = ConditioningAugmentation(classes=2, size=3)
    torch.nn.init.constant_(augmentation.mean.weight, mean)
    torch.nn.init.constant_(augmentation.log_deviation.weight, float(torch.tensor(deviation).log()))
    told = augmentation.divergence(torch.tensor([0, 1]))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, deviation), normal(0.0, 1.0))
    torch.testing.assert_close(told, expected)
    torch.testing.assert_close(told, torch.tensor(divergence), atol=1e-4, rtol=0)


def test_stage_2_draws_at_twice_the_size_of_stage_1() -> None:
    stage1, stage2 = _shaped()
    latent, label = torch.randn(5, 8), torch.tensor([0, 1, 2, 0, 1])
    assert stage1(latent, label).shape == (5, 3, 8, 8)
    assert Stacked(stage1, stage2)(latent, label).shape == (5, 3, 16, 16)


def test_a_mixture_of_classes_has_the_mean_of_their_clouds() -> None:
    augmentation = ConditioningAugmentation(classes=2, size=3)
    with torch.no_grad():
        augmentation.mean.weight.copy_(torch.tensor([[1.0, 2, 3], [-1, -2, -3]]))
        augmentation.log_deviation.weight.copy_(torch.tensor([[1.0], [4.0]]).log())
    mixed = augmentation(torch.tensor([[5.0, 1, 0, -1]]), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(mixed, torch.tensor([[5.0, 2, 0, -2]]))


def test_checkpoints_of_earlier_runs_still_load() -> None:
    # What the classes' vectors were called while they were plain embeddings.
    stage1, stage2 = (set(stage.state_dict()) for stage in _shaped())
    classes = {"augmentation.mean.weight", "augmentation.log_deviation.weight"}
    assert {name for name in stage1 if name.startswith("augmentation")} == classes
    assert {name for name in stage2 if name.startswith("augmentation")} == classes
    conditional = ResidualGenerator(latent=8, size=8, channels=3, width=8, classes=3)
    assert {name for name in conditional.state_dict() if "embedding" in name} == {"embedding.weight"}


@pytest.mark.parametrize("changed", ["picture", "free part", "noise of the condition", "class"])
def test_stage_2_reads_the_small_picture_the_latent_and_the_class(changed: str) -> None:
    _, stage2 = _shaped()
    small, latent, label = torch.randn(1, 3, 8, 8), torch.randn(1, 8), torch.tensor([0])
    before = stage2(small, latent, label)
    match changed:
        case "picture":
            small = -small
        case "free part":
            latent = torch.cat([-latent[:, :4], latent[:, 4:]], dim=1)
        case "noise of the condition":
            latent = torch.cat([latent[:, :4], -latent[:, 4:]], dim=1)
        case "class":
            label = torch.tensor([1])
    assert not torch.allclose(before, stage2(small, latent, label), atol=1e-3)


def test_stage_2_starts_with_the_small_picture_enlarged() -> None:
    stage2 = Stage2(latent=8, channels=3, width=8, blocks=1, classes=3)
    small = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(stage2(small, torch.randn(2, 8), torch.tensor([0, 1])), enlarged(small))


def test_stage_2_starts_without_the_grid_of_its_unfolding() -> None:
    _, stage2 = _shaped()
    seen: list[torch.Tensor] = []
    stage2.last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    stage2(torch.randn(2, 3, 8, 8), torch.randn(2, 8), torch.tensor([0, 1]))
    blocks = seen[0].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    torch.testing.assert_close(blocks, blocks[..., :1].expand_as(blocks))


def test_the_folded_discriminator_sees_every_pixel_and_the_class() -> None:
    critic = FoldedDiscriminator(size=16, channels=3, width=8, classes=2).eval()
    pictures, label = torch.randn(2, 3, 16, 16, requires_grad=True), torch.tensor([0, 0])
    scores = critic(Pair(pictures, torch.stack([label, 1 - label], dim=1)))
    assert scores.match is not None
    assert not torch.allclose(scores.asked(0).joint, scores.asked(1).joint)
    (seen,) = torch.autograd.grad(scores.realness.sum(), pictures)
    assert (seen != 0).all()


def test_stage_2_learns_without_moving_stage_1_whose_picture_it_reads(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path)
    batch = run.fetch(run.sampler.indices(0, run.share))
    for name, network in run.networks.items():
        network.requires_grad_(name == "stage2")
    sum(run.recipe.terms("generator2", run.networks, batch).values()).backward()
    assert all(p.grad is None for p in run.networks["stage1"].parameters())
    assert any(p.grad is not None and p.grad.any() for p in run.networks["stage2"].parameters())


def test_each_critic_judges_pictures_of_its_stages_size(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path)
    seen: dict[str, set[tuple[int, ...]]] = {"critic1": set(), "critic2": set()}
    for name in seen:
        run.networks[name].register_forward_pre_hook(
            lambda _, given, name=name: seen[name].add(tuple(given[0].candidate.shape[2:]))
        )
    run.step()
    half, full = run.source.size // 2, run.source.size
    assert seen == {"critic1": {(half, half)}, "critic2": {(full, full)}}


def test_the_sheet_shows_for_each_class_what_stage_2_makes_of_stage_1(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path)
    stage1, stage2 = run.served["stage1"].eval(), run.served["stage2"].eval()
    panels = _panels(run, run.served)
    assert list(panels)[:4] == ["0 stage 1", "0 stage 2", "1 stage 1", "1 stage 2"]
    assert len({pictures.shape for pictures in panels.values()}) == 1
    # A model folder's sheet has the exported graphs in the networks' place, and is the same.
    exported = _panels(run, {"generator": Stacked(stage1, stage2), "stage1": stage1})
    for label, pictures in panels.items():
        torch.testing.assert_close(exported[label], pictures)


def test_the_rows_of_a_models_sheet_are_called_by_the_names_of_its_classes() -> None:
    assert sheets._named("1 stage 2", ("cat", "dog")) == "dog stage 2"
    assert sheets._named("1", ("cat", "dog")) == "dog"
    assert sheets._named("as monet", ()) == sheets._named("as monet", ("cat", "dog")) == "as monet"


def test_both_stages_are_served_and_take_the_same_latent_and_class(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path)
    generator, stage1, critic = run.recipe.exports(run.served)
    size = run.source.size
    assert (generator.role, stage1.role, critic.role) == ("generator", "stage1", "critic")
    assert generator.outputs[0].shape == ("n", size, size, 1)
    assert stage1.outputs[0].shape == ("n", size // 2, size // 2, 1)
    assert [tensor.name for tensor in generator.inputs] == ["latent", "label"]
    assert generator.inputs == stage1.inputs
    assert (generator.inputs[1].dtype, generator.inputs[1].shape) == ("float32", ("n", 10))
    assert (critic.inputs[1].dtype, critic.inputs[1].shape) == ("int64", ("n",))
    assert critic.inputs[0].shape == generator.outputs[0].shape
