"""What is pix2pix's own: patches of a stated size, a U-Net for any size, and ablations that are flags."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from torch import nn

from app import contract
from tests.training import networks
from training import config, evaluation, features, graphs, runtime
from training.config import ConfigError
from training.data import NoSplit
from training.evaluation import EvaluationError, Request
from training.nets.blocks import Pair
from training.nets.patchgan import PatchDiscriminator, patch_depth
from training.nets.unet import UNet
from training.recipes.pix2pix import Pix2pix
from training.run import Run


def facades(folder: Path, splits: dict[str, int], size: int = 32) -> Path:
    """Pairs of noise on the left and the same turned round on the right."""
    rng = np.random.default_rng(0)
    for split, count in splits.items():
        (folder / split).mkdir(parents=True)
        for index in range(count):
            left = rng.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(np.concatenate([left, 255 - left], axis=1)).save(folder / split / f"{index}.png")
    return folder


def run(data: Path, **changed: object) -> Run:
    values = {"recipe": "pix2pix", "data": str(data), "out": data / "run", "threads": 1, **Pix2pix.presets["smoke"]}
    return Run({**values, **changed})


def identity(folder: Path, data: Path, **settings: str) -> Request:
    """A model that answers with the picture that it is given, to be measured on `data`."""
    node = helper.make_node("Identity", ["picture"], ["image"])
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("picture", "image")]
    graph = helper.make_graph([node], "identity", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    (folder / "generator.onnx").write_bytes(model)
    picture, image = (
        contract.Tensor(name=name, meaning="image", dtype="uint8", shape=("n", "h", "w", 3), usual=(32, 32, 3))
        for name in ("picture", "image")
    )
    trained = {"recipe": "", "data": "", "images": 0, "seed": 0, "revision": "", "device": "", "seconds": 0, "date": ""}
    manifest = contract.Manifest.model_construct(
        name="identity",
        version=1,
        tasks=("translate",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=(picture,), outputs=(image,))},
        training=contract.Training(**trained, settings=settings),
        files={"generator.onnx": contract.digest(model)},
    )
    network = features.load(networks.squeezenet(folder))
    return Request(folder, manifest, str(data), features=[network])


class Witness(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Pair] = []

    def forward(self, pair: Pair) -> torch.Tensor:
        self.shown.append(pair)
        return pair.candidate.mean((1, 2, 3))


@pytest.mark.parametrize(("size", "field"), [(32, 16), (64, 16), (128, 34), (256, 70), (512, 142)])
def test_a_logit_sees_the_patch_that_the_receptive_field_states_and_no_pixel_beyond(size: int, field: int) -> None:
    critic = PatchDiscriminator(channels=3, width=4, depth=patch_depth(size)).eval()
    assert critic.receptive_field == field
    pictures = torch.randn(1, 3, size, size, requires_grad=True)
    logits = critic(pictures)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], pictures)
    rows, columns = gradient[0].abs().sum(0).nonzero().unbind(1)
    for seen in (rows, columns):
        assert int(seen.max() - seen.min()) + 1 == field


def test_the_discriminator_judges_candidate_and_condition_together() -> None:
    critic = PatchDiscriminator(channels=3, given=1, width=4).eval()
    candidate, condition = torch.randn(2, 3, 64, 48), torch.randn(2, 1, 64, 48)
    logits = critic(Pair(candidate, condition))
    assert logits.shape == (2, 1, 14, 10)
    assert logits.dtype == torch.float32
    assert not torch.allclose(logits, critic(Pair(candidate, -condition)))


def test_a_patch_is_judged_by_nothing_beyond_it_in_its_picture_or_in_another() -> None:
    critic = PatchDiscriminator(channels=3, width=4).eval()
    pictures = torch.randn(2, 3, 128, 128)
    altered = pictures.clone()
    altered[0, :, :, 64:] = 0
    altered[1] = 0
    before, after = critic(pictures), critic(altered)
    left = (64 - critic.receptive_field) // 4
    assert torch.equal(before[0, :, :, :left], after[0, :, :, :left])
    assert not torch.equal(before[0, :, :, -left:], after[0, :, :, -left:])


@pytest.mark.parametrize("given", [0, 3])
def test_a_pair_where_a_picture_is_expected_is_refused_and_the_other_way_round(given: int) -> None:
    critic = PatchDiscriminator(channels=3, given=given, width=4)
    picture = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match="judges pairs" if given else "judges pictures alone"):
        critic(picture if given else Pair(picture, picture))


def test_a_picture_of_any_size_in_multiples_comes_out_at_its_size_alone_as_in_a_batch() -> None:
    generator = UNet(size=32, given=3, channels=1, width=4).eval()
    assert generator.multiple == 16
    pictures = torch.randn(3, 3, 48, 64)
    drawn = generator(pictures)
    assert drawn.shape == (3, 1, 48, 64)
    assert drawn.abs().max() <= 1
    torch.testing.assert_close(generator(pictures[1:2]), drawn[1:2])


def test_the_deepest_level_counts_even_where_it_is_a_single_pixel() -> None:
    generator = UNet(size=32, given=3, channels=3, width=4)
    generator(torch.randn(2, 3, 16, 16)).square().sum().backward()
    deepest = generator.down[-1].weight.grad
    assert deepest is not None
    assert deepest.abs().max() > 0


def test_each_skip_connection_carries_the_picture_across() -> None:
    generator = UNet(size=32, given=3, channels=3, width=4).eval()
    for level in range(generator.depth):
        cut = copy.deepcopy(generator)
        across = cut.down[level].in_channels
        with torch.no_grad():
            # What comes from below is cut off: only what goes across at this level is left.
            cut.up[level].weight[:, :-across] = 0
        assert not torch.allclose(cut(torch.randn(1, 3, 32, 32)), cut(torch.randn(1, 3, 32, 32)))


def test_the_noise_that_comes_with_a_picture_is_the_same_each_time_and_gives_a_plain_one_texture() -> None:
    plain = torch.zeros(2, 3, 160, 160)
    smooth, grained = (UNet(size=32, given=3, channels=3, width=4, grain=grain).eval() for grain in (0, 2))
    drawn = grained(plain)
    assert torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(grained(plain[:1]), drawn[:1])
    flat, rough = (pictures[..., 72:88, 72:88].std((2, 3)).min() for pictures in (smooth(plain), drawn))
    assert flat < 1e-3 < rough


def test_the_discriminator_is_shown_real_and_drawn_each_as_candidate_beside_what_was_given(tmp_path: Path) -> None:
    trained = run(facades(tmp_path, {"train": 8}))
    batch, witness = trained.fetch(np.arange(4)), Witness()
    shown = {**trained.networks, "critic": witness}
    drawn = trained.networks["generator"](batch.given)
    trained.recipe.terms("critic", shown, batch)
    trained.recipe.terms("generator", shown, batch)
    for pair, candidate in zip(witness.shown, (batch.real, drawn, drawn), strict=True):
        assert torch.equal(pair.condition, batch.given)
        torch.testing.assert_close(pair.candidate, candidate)
    assert [pair.candidate.requires_grad for pair in witness.shown] == [False, False, True]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {"critic": {"tell"}, "generator": {"l1", "fool"}}),
        ({"adversarial": 0}, {"generator": {"l1"}}),
        ({"l1": 0}, {"critic": {"tell"}, "generator": {"fool"}}),
    ],
)
def test_either_of_the_two_terms_can_be_left_away(tmp_path: Path, flags: dict, expected: dict) -> None:
    trained = run(facades(tmp_path, {"train": 8}), **flags)
    batch = trained.fetch(np.arange(4))
    phases = [phase.name for phase in trained.recipe.phases()]
    assert {name: set(trained.recipe.terms(name, trained.networks, batch)) for name in phases} == expected
    assert ("critic" in trained.networks) == ("critic" in phases)
    assert trained.observe(trained.recipe.health, 8)["error"] > 0


def test_without_both_terms_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="l1 and adversarial are both 0: the generator would learn nothing"):
        config.build({"recipe": "pix2pix", "data": "d", "out": tmp_path, "l1": 0, "adversarial": 0})


def test_training_sees_windows_of_the_side_asked_for_and_the_test_split_is_seen_whole(tmp_path: Path) -> None:
    data = facades(tmp_path, {"train": 8, "test": 3})
    trained = run(data, given="left")
    assert trained.examples.draw(np.arange(2), None).real.shape == (2, 32, 32, 3)
    batch = trained.fetch(np.arange(8), np.random.default_rng(0))
    torch.testing.assert_close(batch.given, -batch.real, atol=0.05, rtol=0)
    drawn = trained.recipe.examples(trained.settings, "test").draw(np.array([1]), None)
    file = np.asarray(Image.open(data / "test" / "1.png"))
    assert np.array_equal(np.concatenate([drawn.given[0], drawn.real[0]], axis=1), file)


@pytest.mark.parametrize("grain", [0, 2])
def test_the_exported_graph_draws_other_sizes_too_and_says_which(tmp_path: Path, grain: int) -> None:
    trained = run(facades(tmp_path, {"train": 8}), grain=grain)
    (made,) = trained.recipe.exports(trained.networks)
    graph = graphs.write(made, tmp_path, 0, half=True)
    assert (graph.inputs[0].multiple, graph.inputs[0].sample) == (16, (32, 32, 3))
    assert graph.outputs[0].shape == ("n", "h", "w", 3)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 144, 3), np.uint8)
    (image,) = runtime.load((tmp_path / graph.file).read_bytes()).run(["image"], {"picture": pictures})
    assert (image.shape, image.dtype) == (pictures.shape, np.uint8)
    with torch.no_grad():
        expected = made.module.eval()(torch.from_numpy(pictures)).numpy()
    assert np.abs(image.astype(int) - expected).max() <= 2  # the graph's weights are rounded to half precision


def test_translations_are_measured_pair_by_pair_and_as_a_set(tmp_path: Path) -> None:
    data = facades(tmp_path, {"train": 20, "test": 12})
    metrics = {metric.name: metric for metric in evaluation.evaluate(identity(tmp_path, data, given="right"))}
    files = [np.asarray(Image.open(path)).astype(float) for path in (data / "test").iterdir()]
    error = np.mean([np.abs(file[:, :32] - file[:, 32:]).mean() for file in files])
    assert metrics["L1"].value == pytest.approx(error, rel=1e-3)
    assert metrics["SSIM"].value < 0
    (distance,) = (metric for name, metric in metrics.items() if name.startswith("kernel distance on squeezenet1_1-"))
    assert distance.floor is not None
    assert abs(distance.value) < 1
    assert "12 pairs of the test split at 32 px; real: 12 of the training split" in distance.protocol
    # The model changes nothing, so what was given is as far from the real ones as what it draws.
    assert all(metric.others == {"untouched": metric.value} for metric in metrics.values())


def test_a_perfect_translation_has_no_error_and_full_similarity(tmp_path: Path) -> None:
    data = tmp_path / "same"
    for split in ("train", "test"):
        (data / split).mkdir(parents=True)
        for index in range(10):
            half = np.random.default_rng(index).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(np.concatenate([half, half], axis=1)).save(data / split / f"{index}.png")
    metrics = {metric.name.split()[0]: metric for metric in evaluation.evaluate(identity(tmp_path, data, given="left"))}
    assert metrics["L1"].value == 0
    assert metrics["SSIM"].value == pytest.approx(1)
    assert metrics["kernel"].value <= 1e-6


def test_what_can_not_be_measured_is_said(tmp_path: Path) -> None:
    data = facades(tmp_path, {"train": 12, "test": 4})
    with pytest.raises(EvaluationError, match=r"there are 4 pairs of .* test and .* train to compare, at least 10"):
        evaluation.evaluate(identity(tmp_path, data, given="right"))
    with pytest.raises(EvaluationError, match="identity@1 doesn't say which side of a pair it is given"):
        evaluation.evaluate(identity(tmp_path, data))
    with pytest.raises(NoSplit, match="has no test split"):
        evaluation.evaluate(identity(tmp_path, facades(tmp_path / "more", {"train": 12}), given="left"))
