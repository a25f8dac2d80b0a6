"""The models that the repository ships: complete, unaltered, small, and drawing what their exporter saw."""

from pathlib import Path

import pytest

from app import card, contract
from app.engine import model, providers

MODELS = Path(__file__).resolve().parents[1] / "models"
FOLDERS = sorted(path.parent for path in MODELS.glob("*/*/model.json"))
MIB = 2**20


def test_a_conditional_and_an_unconditional_model_are_shipped() -> None:
    manifests = {folder.parent.name: contract.read(folder) for folder in FOLDERS}
    assert "dog" in manifests["cifar10"].classes
    assert not manifests["fashion"].classes


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}@{folder.name}")
def test_every_file_is_as_its_manifest_says_and_the_golden_samples_come_out(folder: Path) -> None:
    contract.check(folder)
    manifest, graphs = model.prove(folder, providers.device("cpu"), max_batch=8)
    assert len(manifest.golden) >= (4 if manifest.latent else 2)
    assert all(cost.seconds(1) > 0 for _, cost in graphs.values())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}@{folder.name}")
def test_the_card_is_the_manifest_told_to_people(folder: Path) -> None:
    manifest = contract.read(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == card.render(manifest)
    assert ("a class in one of its two stages" in text) == ("stage1" in manifest.graphs)
    assert manifest.metrics, "a shipped model states its numbers"
    assert all(metric.protocol for metric in manifest.metrics)


def test_the_models_stay_small() -> None:
    sizes = {folder: sum(path.stat().st_size for path in folder.iterdir()) for folder in FOLDERS}
    assert all(size < 12 * MIB for size in sizes.values())
    assert sum(sizes.values()) < 40 * MIB
