"""From weights to a folder that the service serves: the one path through the whole house, on real digits."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from starlette.testclient import TestClient

from app import contract, latents
from app.engine import model, providers
from app.main import create_app
from app.settings import Settings
from tests.training import runs
from training import cli, export, graphs, recipes, runtime
from training.nets.edges import ToPictures
from training.parity import ExportError

LICENCE = contract.Licence(data="BSD, scikit-learn", weights="MIT")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional model of digits, hardly trained."""
    root = tmp_path_factory.mktemp("house")
    run = runs.train("cgan", root / "run", sheet_every=320)
    return export.export(run, root / "models", name="digits", licence=LICENCE)


def test_the_folder_is_complete_and_checked(folder: Path) -> None:
    manifest = contract.check(folder)
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        "generator.onnx",
        "critic.onnx",
        "samples.png",
        "directions.png",
        "README.md",
    }
    assert manifest.reference == "digits@1"
    assert manifest.classes == tuple("0123456789")
    assert manifest.training.recipe == "cgan"
    curve = dict(manifest.training.curve.points)
    assert list(curve) == [320, 640]
    assert manifest.training.images == min(curve, key=curve.get), "the best weights are those of the lowest point"
    assert len(manifest.golden) == 4


@pytest.mark.parametrize("name", sorted(recipes.names()))
def test_every_recipe_exports_what_the_service_proves(name: str, tmp_path: Path) -> None:
    run = runs.train(name, tmp_path / "run", images=64)
    folder = export.export(run, tmp_path / "models", name=name, licence=LICENCE, half=True)
    manifest, _ = model.prove(folder, providers.device("cpu"), max_batch=4)
    assert manifest.tasks == recipes.find(name).tasks
    for graph in manifest.graphs.values():
        data = (folder / graph.file).read_bytes()
        assert not [node for node in onnx.load_from_string(data).graph.node if node.op_type == "Dropout"]
        for tensor in graph.inputs:
            if tensor.usual is not None:
                _other_sizes(data, graph, tensor)


def _other_sizes(data: bytes, graph: contract.Graph, tensor: contract.Tensor) -> None:
    """The graph takes what is a multiple larger than in training along each open axis."""
    longer = tuple(
        usual + (tensor.multiple if isinstance(side, str) else 0)
        for side, usual in zip(tensor.shape[1:], tensor.usual or (), strict=True)
    )
    given = contract.probe(tensor.model_copy(update={"usual": longer}), 0, range(1))
    (answer, *_) = runtime.load(data).run([graph.outputs[0].name], {tensor.name: given})
    axes = {side: length for side, length in zip(tensor.shape[1:], longer, strict=True) if isinstance(side, str)}
    for side, length in zip(graph.outputs[0].shape[1:], answer.shape[1:], strict=True):
        assert length == axes.get(side, length)


def test_an_exported_recipe_is_served(folder: Path) -> None:
    with TestClient(create_app(Settings(models=folder.parents[1], device="cpu"))) as client:
        while client.get("/readyz").status_code != 200:
            assert not [m for m in client.get("/models").json()["models"] if m["state"] == "failed"]
        answer = client.post("/generate", params={"model": "digits", "seed": 1})
    assert answer.status_code == 200
    assert answer.content.startswith(b"\x89PNG")


def test_the_graph_holds_no_batch_statistics_and_no_dropout(folder: Path) -> None:
    graph = onnx.load(folder / "generator.onnx").graph
    assert not [node for node in graph.node if node.op_type == "Dropout"]
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            assert not [a for a in node.attribute if a.name == "training_mode" and a.i]


@pytest.mark.parametrize(("name", "half"), [("cgan", False), ("stackgan", True)])
def test_weights_of_one_class_draw_the_very_bytes_that_its_index_drew(name: str, half: bool, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path / "run")
    weights, *_ = run.recipe.exports(run.served)
    label = weights.inputs[1].model_copy(update={"dtype": "int64", "shape": ("n",)})
    example = (weights.example[0], torch.tensor([0, 1]))
    index = weights._replace(role="index", inputs=(weights.inputs[0], label), example=example)
    asked = list(range(10)) * 2
    noise = latents.noise(0, range(20), weights.inputs[0].sample[0])
    pictures = []
    for made in (weights, index):
        graph = graphs.write(made, tmp_path, 10, half=half)
        session = runtime.load((tmp_path / graph.file).read_bytes())
        given = {"latent": noise, "label": graph.inputs[1].labels(asked)}
        pictures.append(session.run(["image"], given)[0])
    assert np.array_equal(*pictures)
    assert len({picture.tobytes() for picture in pictures[0]}) == 20


def test_a_mixture_of_classes_is_neither_of_them(folder: Path) -> None:
    manifest = contract.read(folder)
    session = runtime.load(contract.load(folder, manifest, "generator.onnx"))
    one, other, both = (
        session.run(["image"], manifest.inputs(0, range(8), label))[0].astype(float) for label in (3, 5, {3: 1, 5: 1})
    )
    for end in (one, other):
        assert 0 < np.abs(both - end).mean() < np.abs(one - other).mean()


def test_pixels_are_rounded_half_to_even_and_clamped() -> None:
    class Constant(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).view(1, 1, 1, 5)
    assert ToPictures(Constant())(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_a_graph_that_does_not_answer_as_torch_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.train("gan", tmp_path / "run", images=64)
    forward = ToPictures.forward

    def drifting(self: ToPictures, *inputs: torch.Tensor) -> torch.Tensor:
        pictures = forward(self, *inputs)
        return pictures if torch.compiler.is_exporting() else 255 - pictures

    monkeypatch.setattr(ToPictures, "forward", drifting)
    with pytest.raises(ExportError, match="at batch 1 the graph's image differs from torch by up to"):
        export.export(run, tmp_path / "models", name="bad", licence=LICENCE)
    assert not (tmp_path / "models").exists()


def test_a_failed_export_leaves_the_folders_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.train("gan", tmp_path / "run", images=64)
    (tmp_path / "models" / "bad").mkdir(parents=True)
    monkeypatch.setattr(contract, "check", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.export(run, tmp_path / "models", name="bad", licence=LICENCE)
    assert list((tmp_path / "models").rglob("*")) == [tmp_path / "models" / "bad"]


def test_a_run_that_has_no_models_name_is_told_which_names_there_are_before_anything_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = runs.train("gan", tmp_path / "digits.v2", images=64)
    for flags in ([], ["--name", "My_Model!"], ["--name", "ok", "--version", "1000000000"]):
        assert cli.export([str(run), "--to", str(tmp_path / "models"), *flags]) == 2
    assert "'digits.v2' is no model's name: give --name, of at most 64 of a-z, 0-9, - and _" in caplog.text
    assert "'My_Model!' is no model's name" in caplog.text
    assert "1000000000 is no model's version: give --version, from 1 to 999999999" in caplog.text
    assert not (tmp_path / "models").exists()


def test_a_version_is_never_overwritten_and_the_next_one_is_free(folder: Path) -> None:
    run, models = folder.parents[2] / "run", folder.parents[1]
    with pytest.raises(ExportError, match="a version is never overwritten"):
        export.export(run, models, name="digits", version=1, licence=LICENCE)
    assert export.export(run, models, name="digits", licence=LICENCE).name == "2"


def test_measured_numbers_stand_in_manifest_and_card(folder: Path) -> None:
    metric = contract.Metric(name="class accuracy", value=0.5, floor=0.9, protocol="100 pictures, seed 0")
    export.record(folder, [metric])
    export.record(folder, [metric.model_copy(update={"value": 0.6})])
    assert [m.value for m in contract.check(folder).metrics] == [0.6]
    assert "| class accuracy | 0.6 | 0.9 |" in (folder / "README.md").read_text()


def test_golden_samples_are_what_the_graph_draws(folder: Path) -> None:
    manifest = contract.read(folder)
    session = runtime.load(contract.load(folder, manifest, "generator.onnx"))
    for golden in manifest.golden:
        (drawn,) = session.run(["image"], manifest.inputs(golden.seed, range(1), golden.label))
        assert np.array_equal(drawn[0], golden.array())


def test_the_command_says_what_is_wrong_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.export([str(tmp_path / "none"), "--to", str(tmp_path)]) == 2
    assert "there is no checkpoint" in caplog.text
    assert cli.train(["gan", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "r")]) == 2
    assert "nowhere doesn't exist" in caplog.text


@pytest.mark.parametrize(
    ("source", "name"),
    [("digits", "digits"), ("/data/cifar10/train", "cifar10/train"), ("pictures.zip", "pictures.zip")],
)
def test_data_are_named_without_the_path_to_them(source: str, name: str) -> None:
    assert export._data_name(source) == name
