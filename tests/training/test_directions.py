"""Directions are found in the graph alone: planted ones are found again, and real ones lead from picture to picture."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from app import contract, latents
from app.directions import Direction
from app.foreign import Foreign
from tests import toy
from tests.training import runs
from training import cli, directions, export, graphs
from training.interior import Generator
from training.parity import ExportError

SHIPPED = Path(__file__).resolve().parents[2] / "models"
LICENCE = contract.Licence(data="BSD, scikit-learn", weights="MIT")


def altered(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """The folder of a toy whose first layer's weight [8, 16, 4, 4] is changed, its samples as they come out then."""
    path = folder / "generator.onnx"
    model = onnx.load(path)
    (stem,) = (tensor for tensor in model.graph.initializer if tensor.name == "stem")
    stem.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(stem)).astype(np.float32), "stem"))
    path.write_bytes(model.SerializeToString())
    toy.regild(folder)
    return folder


def planted(folder: Path) -> Path:
    """A toy that sees 3/5 of axis 2 and 4/5 of axis 5 much more than anything else."""
    way = np.zeros(toy.LATENT)
    way[[2, 5]] = 0.6, 0.8

    def plant(stem: np.ndarray) -> np.ndarray:
        pattern = stem[0] * 3
        return stem * 0.1 + way[:, None, None, None] * pattern

    return altered(folder, plant)


def generator(folder: Path) -> Generator:
    return Generator(contract.read(folder), folder)


@pytest.mark.parametrize("classes", [(), ("cat", "dog")])
def test_a_planted_direction_is_the_first_in_closed_form_and_by_components(tmp_path: Path, classes: tuple) -> None:
    found = generator(planted(toy.build(tmp_path, classes=classes)))
    for way in (directions.closed_form(found), directions.principal(found)):
        np.testing.assert_allclose(way[0], [0, 0, 0.6, 0, 0, 0.8, 0, 0], atol=0.1)


@pytest.mark.parametrize("weighs", [False, True])
def test_what_tells_classes_apart_is_no_direction(tmp_path: Path, weighs: bool) -> None:
    folder = planted(toy.build(tmp_path, weighs=weighs))
    model = onnx.load(folder / "generator.onnx")
    (embedding,) = (tensor for tensor in model.graph.initializer if tensor.name == "embedding")
    apart = np.zeros((2, toy.LATENT), np.float32)
    apart[:, 0] = -40, 40
    embedding.CopyFrom(numpy_helper.from_array(apart, "embedding"))
    (folder / "generator.onnx").write_bytes(model.SerializeToString())
    (first, *_) = directions.principal(generator(folder))
    np.testing.assert_allclose(first, [0, 0, 0.6, 0, 0, 0.8, 0, 0], atol=0.1)


@pytest.mark.parametrize(("recipe", "half"), [("gan", True), ("cgan", False)])
def test_the_closed_form_is_that_of_the_networks_first_weight_however_it_is_stored(
    recipe: str, half: bool, tmp_path: Path
) -> None:
    run = runs.run(recipe, tmp_path / "run", latent=16, width=16)
    made, *_ = run.recipe.exports(run.served)
    graph = graphs.write(made, tmp_path, 10, half=half)
    manifest = contract.Manifest.model_construct(graphs={"generator": graph}, classes=run.source.classes)
    found = directions.closed_form(Generator(manifest, tmp_path))
    weight = run.served["generator"].first.weight[:, :16].double()
    _, _, right = torch.linalg.svd(weight)
    # But for the sign, and for the rounding of what is stored in halves.
    cosines = (torch.from_numpy(found) * right[: len(found)]).sum(1).abs()
    assert (cosines > (0.99 if half else 0.9999)).all()


def test_the_first_layer_is_found_behind_a_condition_that_scales_the_latent(tmp_path: Path) -> None:
    run = runs.run("stackgan", tmp_path / "run")
    augmentation = run.served["stage1"].augmentation
    torch.nn.init.constant_(augmentation.log_deviation.weight, -20)
    made, *_ = run.recipe.exports(run.served)
    graph = graphs.write(made, tmp_path, 10)
    manifest = contract.Manifest.model_construct(graphs={"generator": graph}, classes=run.source.classes)
    (first, *_) = directions.closed_form(Generator(manifest, tmp_path))
    # The second half of the latent is noise of the condition, of which next to nothing is left.
    assert np.abs(first[4:]).max() < 1e-6


def test_a_layer_that_bends_the_latent_first_has_no_closed_form(tmp_path: Path) -> None:
    folder = toy.build(tmp_path, classes=())
    model = onnx.load(folder / "generator.onnx")
    model.graph.node.insert(0, onnx.helper.make_node("Tanh", ["z"], ["bent z"]))
    model.graph.node[1].input[0] = "bent z"
    (folder / "generator.onnx").write_bytes(model.SerializeToString())
    assert len(directions.closed_form(generator(folder))) == 0
    assert len(directions.principal(generator(folder))) > 0


@pytest.fixture(scope="module")
def fashion() -> tuple[Direction, ...]:
    folder = SHIPPED / "fashion" / "1"
    return directions.find(contract.read(folder), folder)


def test_directions_are_of_length_1_apart_and_the_same_at_every_call(fashion: tuple[Direction, ...]) -> None:
    assert 4 <= len(fashion) <= directions.COUNT
    vectors = np.stack([direction.array() for direction in fashion])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(vectors @ vectors.T - np.eye(len(vectors))).max() < directions.SAME
    assert all(vector[np.abs(vector).argmax()] > 0 for vector in vectors)
    folder = SHIPPED / "fashion" / "1"
    assert directions.find(contract.read(folder), folder) == fashion


def test_those_in_closed_form_are_orthogonal() -> None:
    vectors = directions.closed_form(generator(SHIPPED / "cifar10" / "1"))
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(vectors)), atol=1e-9)


@pytest.mark.parametrize("name", ["cifar10", "fashion", "fashion-vae", "fashion-ae"])
def test_the_further_along_a_shipped_direction_the_further_the_picture_is_from_its_start(name: str) -> None:
    folder = SHIPPED / name / "1"
    manifest, found = contract.read(folder), generator(folder)
    draw, start = found.ask(found.image), latents.noise(3, range(12), found.size)
    assert manifest.directions
    for direction in manifest.directions:
        for end in direction.range:
            way = [
                draw(direction.move(start, end * step), [0] * len(start)).astype(float)
                for step in (0, 0.25, 0.5, 0.75, 1)
            ]
            distances = [np.sqrt(np.square(pictures - way[0]).mean()) for pictures in way]
            assert distances == sorted(distances)
            assert distances[0] == 0
            assert distances[-1] > 10, f"{direction.name} changes nothing that is seen"


def test_an_exported_model_has_directions_and_a_sheet_of_them(tmp_path: Path) -> None:
    run = runs.train("cgan", tmp_path / "run")
    folder = export.export(run, tmp_path / "models", name="digits", licence=LICENCE)
    manifest = contract.check(folder)
    assert manifest.directions == directions.find(manifest, folder)
    with Image.open(folder / "directions.png") as sheet:
        assert sheet.height == len(manifest.directions) * (2 * 16 + 2)
    card = (folder / "README.md").read_text()
    assert "![directions](directions.png)" in card
    assert all(f"| `{direction.name}` | " in card for direction in manifest.directions)


def test_directions_are_added_to_a_folder_whose_graph_and_samples_stay_as_they_were(tmp_path: Path) -> None:
    folder = toy.build(tmp_path)
    before = json.loads((folder / "model.json").read_text())
    graph = (folder / "generator.onnx").read_bytes()
    assert cli.directions([str(folder)]) == 0
    after = json.loads((folder / "model.json").read_text())
    assert (folder / "generator.onnx").read_bytes() == graph
    added = {"directions", "files"}
    assert {key: after[key] for key in after if key not in added} == {
        key: before[key] for key in before if key not in added
    }
    assert set(after["files"]) == {"generator.onnx", "README.md", "directions.png"}
    assert len(contract.check(folder).directions) >= 2


def test_directions_are_kept_and_named_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy.build(tmp_path)
    every = {direction.name: direction for direction in export.find_directions(folder).directions}
    first, second = list(every)[:2]
    assert cli.directions([str(folder), "--keep", f"{second}=hue", "--keep", f"{first}={first}"]) == 0
    assert capsys.readouterr().out == f"hue, {first}\n"
    hue, other = contract.check(folder).directions
    assert hue == every[second].model_copy(update={"name": "hue"})
    assert other == every[first]
    with Image.open(folder / "directions.png") as sheet:
        assert sheet.height == 2 * (2 * toy.SIDE + 2)


def test_what_cannot_be_kept_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = toy.build(tmp_path)
    before = (folder / "model.json").read_bytes()
    with pytest.raises(ExportError, match=r"toy@1 has no direction pca-99: it has \w+-1, "):
        export.find_directions(folder, {"pca-99": "hue"})
    first, second, *_ = (direction.name for direction in directions.find(contract.read(folder), folder))
    with pytest.raises(ExportError, match="two directions can't have one name: hue, hue"):
        export.find_directions(folder, {first: "hue", second: "hue"})
    assert cli.directions([str(folder), "--keep", f"{first}=A hue"]) == 2
    assert f"--keep.{first}: String should match pattern" in caplog.text
    assert (folder / "model.json").read_bytes() == before
    assert not (folder / "directions.png").exists()


def test_a_generator_that_ignores_its_latent_has_no_directions(tmp_path: Path) -> None:
    folder = altered(toy.build(tmp_path), lambda stem: stem * 0)
    with pytest.raises(ExportError, match="toy@1 has no directions: it draws no pictures of a latent, or no way"):
        export.find_directions(folder)


def test_a_model_that_draws_from_no_latent_has_no_directions() -> None:
    folder = SHIPPED / "monet" / "1"
    with pytest.raises(ExportError, match="monet@1 has no directions: it draws no pictures of a latent"):
        export.find_directions(folder)


def test_a_graph_made_elsewhere_is_not_looked_into(tmp_path: Path) -> None:
    folder = toy.build(tmp_path, classes=())
    graph = contract.read(folder).graphs["generator"]
    foreign = Foreign(dtype="float32", shape=("n", toy.LATENT, 1, 1))
    held = graph.inputs[0].model_copy(update={"foreign": foreign})
    toy.rewrite(folder, graphs={"generator": graph.model_copy(update={"inputs": (held,)})})
    with pytest.raises(contract.ContractError, match=r"generator\.onnx was made elsewhere: only native graphs can be"):
        export.find_directions(folder)
