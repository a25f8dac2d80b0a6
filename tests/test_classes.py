"""Classes as generators take them: by an index or by weights; where both say the same, the picture is the same."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from app import classes, contract
from app.contract import ContractError
from app.engine import providers
from app.foreign import Foreign
from app.main import create_app
from app.settings import Settings
from tests import toy

INDEX = contract.Tensor(name="label", meaning="label", dtype="int64", shape=("n",))
WEIGHTS = contract.Tensor(name="label", meaning="label", dtype="float32", shape=("n", 3))


def test_an_index_is_a_row_with_a_single_1_where_weights_are_taken() -> None:
    assert INDEX.labels([2, 0]).tolist() == [2, 0]
    assert WEIGHTS.labels([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert INDEX.labels([2]).dtype == np.int64
    assert WEIGHTS.labels([2]).dtype == np.float32


def test_the_weights_of_a_mixture_sum_to_1_in_whatever_unit_they_come() -> None:
    rows = WEIGHTS.labels([{0: 0.7, 2: 0.3}, {0: 70, 2: 30}, {0: 7e307, 2: 3e307}])
    np.testing.assert_allclose(rows, [[0.7, 0, 0.3]] * 3, rtol=1e-6)


@pytest.mark.parametrize("alone", [{1: 0.3}, {1: 5, 0: 0}])
def test_a_mixture_of_one_class_is_that_class(alone: Mapping[int, float]) -> None:
    assert np.array_equal(INDEX.labels([alone]), INDEX.labels([1]))
    assert np.array_equal(WEIGHTS.labels([alone]), WEIGHTS.labels([1]))


def test_a_label_tells_the_class_of_each_row_that_has_a_single_one() -> None:
    assert classes.single(INDEX.labels([2, 0])) == [2, 0]
    assert classes.single(WEIGHTS.labels([2, {0: 1, 1: 1}, 0])) == [2, None, 0]


@pytest.mark.parametrize(
    ("asked", "tensor", "message"),
    [
        ({0: 0.7, 2: 0.3}, INDEX, "a mixture of classes 0, 2: this generator draws one at once"),
        (3, WEIGHTS, "there is no class 3: the generator knows 0 to 2"),
        ({-1: 1.0}, WEIGHTS, "there is no class -1: the generator knows 0 to 2"),
        ({0: -1.0, 1: 2.0}, WEIGHTS, "the weight of a class is a finite number of at least 0"),
        ({0: float("nan")}, INDEX, "the weight of a class is a finite number of at least 0"),
        ({0: 0.0}, WEIGHTS, "one at least needs a weight above 0"),
        ({}, INDEX, "one at least needs a weight above 0"),
    ],
)
def test_what_is_no_class_is_refused(asked: classes.Class, tensor: contract.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tensor.labels([asked])


def test_the_seed_draws_the_same_classes_in_either_form(tmp_path: Path) -> None:
    names = ("cat", "dog", "eel")
    index = contract.read(toy.build(tmp_path, "index", classes=names)).inputs(4, range(30))["label"]
    weights = contract.read(toy.build(tmp_path, "weights", classes=names, weighs=True)).inputs(4, range(30))["label"]
    assert classes.single(weights) == index.tolist()


def test_a_graph_of_weights_draws_the_very_bytes_that_the_one_of_indices_drew(tmp_path: Path) -> None:
    pictures = []
    for weighs in (False, True):
        folder = toy.build(tmp_path / str(weighs), weighs=weighs)
        manifest = contract.read(folder)
        session = providers.load(contract.load(folder, manifest, "generator.onnx"))
        pictures.append(session.run(["image"], manifest.inputs(0, range(20)))[0])
    assert np.array_equal(*pictures)


def test_a_model_of_weights_is_served_as_one_of_indices_is(tmp_path: Path) -> None:
    toy.build(tmp_path, "index")
    toy.build(tmp_path, "weights", weighs=True)
    with TestClient(create_app(Settings(models=tmp_path, device="cpu"))) as client:
        while client.get("/readyz").status_code != 200:
            assert not [m for m in client.get("/models").json()["models"] if m["state"] == "failed"]
        for given in ({"class": "dog"}, {}):
            one, other = (
                client.post("/generate", params={"model": name, "seed": 1, "n": 6, "format": "npy", **given})
                for name in ("index", "weights")
            )
            assert one.status_code == other.status_code == 200
            assert one.content == other.content
            assert one.headers.get("X-Class") == other.headers.get("X-Class") == given.get("class")


@pytest.mark.parametrize(("dtype", "shape"), [("float32", ("n",)), ("float32", ("n", 3)), ("int64", ("n", 2))])
def test_a_label_of_another_shape_is_no_label(tmp_path: Path, dtype: str, shape: tuple[str | int, ...]) -> None:
    folder = toy.build(tmp_path)
    graph = contract.read(folder).graphs["generator"]
    label = graph.inputs[1].model_copy(update={"dtype": dtype, "shape": shape})
    toy.rewrite(folder, graphs={"generator": graph.model_copy(update={"inputs": (graph.inputs[0], label)})})
    with pytest.raises(ContractError, match=r"a label of 2 classes must be int64 \[n\] or float32 \[n, 2\], label is"):
        contract.read(folder)


def test_weights_can_not_be_held_otherwise_by_a_graph_made_elsewhere() -> None:
    foreign = Foreign(dtype="float16", shape=("n", 3))
    with pytest.raises(ValidationError, match="label is foreign: a graph made elsewhere can't hold weights of classes"):
        contract.Tensor(**WEIGHTS.model_dump() | {"foreign": foreign})
