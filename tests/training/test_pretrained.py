"""A run that begins with the weights of a model: which it takes, that they draw as there, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from app import contract
from app.contract import ContractError
from tests.training import runs
from training import export, pretrained, runtime
from training.config import ConfigError
from training.nets.blocks import Pair
from training.recipes import Networks, Source

CIFAR = Path("models/cifar10/1")
SHAPE = {"size": 32, "channels": 3, "width": 32, "latent": 128, "critic_width": 48}


def _begun(recipe: str, out: Path, classes: int, **changed: Any) -> tuple[Networks, int]:
    """Fresh networks of a recipe, and how many of their tensors `begin` filled from CIFAR-10's model."""
    run = runs.run(recipe, out, **{**SHAPE, **changed})
    torch.manual_seed(0)
    networks = run.recipe.networks(Source(run.source.size, 3, tuple(map(str, range(classes)))))
    return networks, pretrained.begin(run.recipe, networks, CIFAR)


def _session(role: str) -> Any:
    return runtime.load((CIFAR / f"{role}.onnx").read_bytes())


def test_of_the_same_shape_it_draws_and_judges_as_the_model_does(tmp_path: Path) -> None:
    networks, _ = _begun("cgan", tmp_path, classes=10)
    generator, critic = (networks[name].eval() for name in ("generator", "critic"))
    latent, label = torch.randn(10, 128), torch.arange(10)
    (pictures,) = _session("generator").run(
        ["image"], {"latent": latent.numpy(), "label": np.eye(10, dtype=np.float32)}
    )
    seen = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    realness, match = _session("critic").run(None, {"picture": pictures, "label": label.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(generator(latent, label).clamp(-1, 1), seen, atol=2 / 127.5, rtol=0)
        scores = critic(Pair(seen, label))
    torch.testing.assert_close(scores.realness.mean(1), torch.from_numpy(realness), atol=0.05, rtol=0.1)
    assert scores.match is not None
    torch.testing.assert_close(scores.match.mean(1), torch.from_numpy(match), atol=0.05, rtol=0.1)


def test_each_spectral_norm_knows_its_new_weight(tmp_path: Path) -> None:
    networks, _ = _begun("cgan", tmp_path, classes=10)
    normed = [part for part in networks["critic"].eval().modules() if parametrize.is_parametrized(part, "weight")]
    assert len(normed) == 6
    for part in normed:
        weight = part.weight.detach().flatten(1)
        assert torch.linalg.matrix_norm(weight, 2) == pytest.approx(1, abs=0.15)


def test_of_other_classes_all_but_what_is_the_classes_own_is_taken(tmp_path: Path) -> None:
    same, all_of_it = _begun("cgan", tmp_path / "same", classes=10)
    other, most = _begun("cgan", tmp_path / "other", classes=2)
    assert most == all_of_it - 2
    for name, own in (("generator", "embedding.weight"), ("critic", "head.embedding")):
        fresh = {
            key for key, value in other[name].state_dict().items() if value.shape != same[name].state_dict()[key].shape
        }
        assert fresh
        assert all(key.startswith(own) for key in fresh)


def test_a_stage_begins_as_the_generator_of_a_conditional_gan(tmp_path: Path) -> None:
    # The latent is as long as there the latent and the class's vector together.
    networks, fitted = _begun("stackgan", tmp_path, classes=2, size=64, latent=192)
    there, _ = _begun("cgan", tmp_path, classes=10)
    expected = dict(there["generator"].named_parameters())
    taken = dict(networks["stage1"].generator.named_parameters())
    assert len(taken) > 40
    assert fitted >= len(taken)
    for name, value in taken.items():
        assert torch.equal(value, expected[name]), name


def test_networks_are_left_learning_with_their_statistics_where_the_model_has_none(tmp_path: Path) -> None:
    networks, _ = _begun("cgan", tmp_path, classes=10)
    assert all(part.training for network in networks.values() for part in network.modules())
    assert not networks["generator"].state_dict()["blocks.0.norm2.norm.running_mean"].any()
    assert networks["generator"].state_dict()["blocks.0.norm1.norm.running_mean"].any()


def test_graphs_that_were_exported_under_plain_names_are_read_too(tmp_path: Path) -> None:
    fashion = CIFAR.parents[1] / "fashion/1"
    run = runs.run("gan", tmp_path, size=32, width=24, channels=1, latent=128)
    before = [p.clone() for p in run.networks["generator"].parameters()]
    assert pretrained.begin(run.recipe, run.networks, fashion) > len(before)
    assert not any(map(torch.equal, run.networks["generator"].parameters(), before))


def test_a_model_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--pretrained models/cifar10/1: no weight of cifar10@1 fits"):
        runs.run("vae", tmp_path, pretrained=CIFAR)


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"model\.json"):
        runs.run("cgan", tmp_path, pretrained=tmp_path)


def test_a_run_goes_on_without_the_model_and_its_card_names_it(tmp_path: Path) -> None:
    first = runs.train("cgan", tmp_path / "first")
    start = export.export(first, tmp_path / "models", name="start", licence=contract.Licence(data="", weights=""))
    folder = runs.train("cgan", tmp_path / "run", pretrained=start)
    start.rename(tmp_path / "elsewhere")
    runs.train("cgan", folder, pretrained=start, resume=True)
    made = export.export(folder, tmp_path / "models", name="made", licence=contract.Licence(data="", weights=""))
    assert contract.read(made).training.settings["pretrained"] == "start/1"
