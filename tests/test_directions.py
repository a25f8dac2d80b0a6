"""Directions of a latent space, in a manifest: what is written is read again, and what makes no sense is refused."""

from pathlib import Path

import numpy as np
import pytest

from app import contract
from app.contract import ContractError
from app.directions import Direction
from tests import toy

AXES = np.eye(toy.LATENT, dtype=np.float32)


def direction(name: str = "sefa-1", vector: np.ndarray = AXES[2], **changes: object) -> Direction:
    return Direction.of(name, "sefa", vector, (-3, 3)).model_copy(update=changes)


def test_what_a_manifest_says_of_directions_is_what_was_written(tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    vector = np.random.default_rng(0).normal(size=toy.LATENT)
    written = (direction(), direction("hue", vector / np.linalg.norm(vector)))
    toy.rewrite(folder, directions=written)
    read = contract.check(folder).directions
    assert read == written
    np.testing.assert_array_equal(read[1].array(), (vector / np.linalg.norm(vector)).astype(np.float32))


def test_a_manifest_from_before_there_were_directions_is_valid_and_has_none(tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace(' "directions": [],\n', ""))
    assert (folder / "model.json").read_text() != text
    assert contract.check(folder).directions == ()


def test_a_step_along_a_direction_adds_the_vector_by_the_amount_and_by_0_nothing() -> None:
    start = np.random.default_rng(0).normal(size=(4, toy.LATENT)).astype(np.float32)
    moved = direction().move(start, -1.5)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, start - 1.5 * AXES[2])
    np.testing.assert_array_equal(direction().move(start, 0), start)


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ([direction(), direction("hue"), direction()], "two directions are called sefa-1"),
        ([direction(vector=np.eye(9)[0])], "direction sefa-1 is of size 9, the model's latent is of size 8"),
        ([direction(vector=2 * AXES[0])], "direction sefa-1 is no vector of length 1"),
        ([direction(vector=np.nan * AXES[0])], "direction sefa-1 is no vector of length 1"),
        ([direction().model_copy(update={"vector": "?"})], "direction sefa-1 can't be unpacked: "),
        ([direction(range=(1, 3))], "direction sefa-1 leads from 1 to 3: 0 must lie between them"),
        ([direction(range=(0, 0))], "direction sefa-1 leads from 0 to 0: 0 must lie between them"),
        ([direction().model_copy(update={"name": "No Name"})], r"directions.0.name: String should match pattern"),
    ],
)
def test_directions_that_lead_nowhere_are_refused(tmp_path: Path, directions: list[Direction], message: str) -> None:
    folder = toy.build(tmp_path)
    toy.rewrite(folder, directions=tuple(directions))
    with pytest.raises(ContractError, match=message):
        contract.read(folder)


def test_a_model_without_a_latent_has_no_directions(tmp_path: Path) -> None:
    models = Path(__file__).resolve().parents[1] / "models"
    manifest = contract.read(models / "monet" / "1")
    folder = tmp_path / "monet" / "1"
    folder.mkdir(parents=True)
    contract.write(folder, manifest.model_copy(update={"directions": (direction(),)}))
    with pytest.raises(ContractError, match="direction sefa-1 is of size 8, the model's latent has none"):
        contract.read(folder)
