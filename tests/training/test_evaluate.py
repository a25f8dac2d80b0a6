"""Evaluation on exported graphs: what its numbers mean is shown on generators of which it is known how good they are.

Such a generator is a table of pictures in an ONNX graph: the latent and the class choose one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from app import contract
from app.contract import ContractError
from tests import toy
from tests.training import networks, shared
from training import data, evaluation, features
from training.data import DataError, Pictures
from training.evaluation import EvaluationError, Request, table
from training.evaluation.sets import Sets
from training.evaluation.sets import collect as collect_sets
from training.features import FeaturesError

DIGITS = tuple("0123456789")


def generator(folder: Path, pictures: np.ndarray, classes: Sequence[str] = (), **changes: object) -> Path:
    """A model folder that draws from `pictures`, uint8 [classes or 1, entries, h, w, c]: the entry of the class where
    the latent of `entries` values is largest, so each is drawn equally often."""
    kinds, entries, *shape = pictures.shape
    start = "offset" if classes else "zero"
    nodes = [
        helper.make_node("ArgMax", ["latent"], ["entry"], axis=1, keepdims=0),
        helper.make_node("Add", ["entry", start], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["image"]),
    ]
    constants = {"table": pictures.reshape(kinds * entries, *shape), "zero": np.array(0), "entries": np.array(entries)}
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["n", entries])]
    if classes:
        nodes.insert(1, helper.make_node("Mul", ["label", "entries"], ["offset"]))
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
    output = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", *shape])
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "table", inputs, [output], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return _write(folder / "table" / "1", model.SerializeToString(), entries, tuple(classes), shape, changes)


def _write(
    folder: Path, graph: bytes, latent: int, classes: tuple[str, ...], shape: Sequence[int], changes: dict[str, object]
) -> Path:
    folder.mkdir(parents=True)
    inputs = [contract.Tensor(name="latent", meaning="latent", dtype="float32", shape=("n", latent))]
    if classes:
        inputs.append(contract.Tensor(name="label", meaning="label", dtype="int64", shape=("n",)))
    image = contract.Tensor(name="image", meaning="image", dtype="uint8", shape=("n", *shape), layout="NHWC")
    (folder / "generator.onnx").write_bytes(graph)
    manifest = contract.Manifest(
        name="table",
        version=1,
        title="A table",
        tasks=("generate",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=tuple(inputs), outputs=(image,))},
        latent=contract.Latent(size=latent),
        classes=classes,
        training=contract.Training(
            recipe="table", data="digits", images=0, seed=0, revision="0", device="cpu", seconds=0, date="2026-01-01"
        ),
        licence=contract.Licence(data="none", weights="none"),
        exporter=contract.Exporter(runtime="none", processor="none"),
        golden=(contract.Golden.of(0, None, np.zeros(shape, np.uint8)),),
        files={"generator.onnx": contract.digest(graph)},
    )
    contract.write(folder, manifest.model_copy(update=changes))
    return folder


def by_class(pictures: Pictures, entries: int) -> np.ndarray:
    """The first pictures of each class, uint8 [classes, entries, h, w, c]."""
    return np.stack([pictures.images[pictures.rows(label)[:entries]] for label in range(len(pictures.classes))])


@pytest.fixture(scope="module")
def train() -> Pictures:
    return data.load("digits", size=16, channels=1)


@pytest.fixture(scope="module")
def extractor(tmp_path_factory) -> Path:
    return networks.resnet(tmp_path_factory.mktemp("weights"))


def evaluate(
    folder: Path, source: str | Path, extractors: Sequence[Path], classifier: Path | None = None, **more: object
) -> tuple[contract.Metric, ...]:
    """The metrics of a folder, its networks read from files, as the command does it."""
    read = [features.load(path) for path in extractors]
    judge = features.load(classifier) if classifier else None
    return evaluation.evaluate(Request.of(folder, str(source), features=read, classifier=judge, **more))


def collect(folder: Path, manifest: contract.Manifest, source: str | Path, **more: object) -> Sets:
    return collect_sets(Request(folder, manifest, str(source), **more))


def by_name(metrics: Sequence[contract.Metric]) -> dict[str, contract.Metric]:
    """The metrics by their name without the extractor."""
    return {metric.name.partition(" on ")[0]: metric for metric in metrics}


def test_real_pictures_stand_nearer_to_real_ones_than_noise_does(tmp_path, extractor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 200, 16, 16, 1), np.uint8)
    metrics = by_name(evaluate(generator(tmp_path, noise), "digits", [extractor]))
    for name in ("Fréchet distance", "kernel distance"):
        assert metrics[name].value > 10 * abs(metrics[name].floor)
    for name in ("precision", "recall", "density", "coverage"):
        assert metrics[name].value < 0.05
        assert metrics[name].floor > 0.7
    assert "lowest class coverage" not in metrics


def test_a_generator_of_real_pictures_comes_near_the_floor(tmp_path, train, extractor) -> None:
    metrics = by_name(evaluate(generator(tmp_path, by_class(train, 100), DIGITS), "digits", [extractor]))
    assert metrics["coverage"].value > 0.8 * metrics["coverage"].floor
    assert metrics["precision"].value > 0.9 * metrics["precision"].floor
    assert metrics["lowest class coverage"].value > 0.6 * metrics["lowest class coverage"].floor


def test_a_collapsed_generator_covers_nothing(tmp_path, train, extractor) -> None:
    metrics = by_name(evaluate(generator(tmp_path, train.images[None, :1]), "digits", [extractor]))
    assert metrics["coverage"].value < 0.05
    assert metrics["recall"].value < 0.05
    assert metrics["precision"].value == 1


def test_a_collapsed_class_shows_behind_nine_good_ones(tmp_path, train, extractor) -> None:
    entries = by_class(train, 100)
    entries[3] = entries[3, :1]
    metrics = by_name(evaluate(generator(tmp_path, entries, DIGITS), "digits", [extractor]))
    assert metrics["coverage"].value > 0.7
    assert metrics["lowest class coverage"].value < 0.3
    assert metrics["lowest class coverage"].protocol.endswith("within each class alone, lowest of 10: 3")


def test_the_protocol_names_extractor_counts_splits_and_seeds(tmp_path, train, extractor) -> None:
    folder = generator(tmp_path, train.images[None, :100])
    metrics = evaluate(folder, "digits", [extractor], samples=200, seed=7, truncation=0.5)
    on = f"on {features.load(extractor).reference}"
    assert [metric.name for metric in metrics] == [
        f"{name} {on}" for name in ("Fréchet distance", "kernel distance", "precision", "recall", "density", "coverage")
    ]
    assert {metric.protocol for metric in metrics} == {
        "200 drawn (seed 7, truncation 0.5) against 200 of digits test; real: 200 of digits train; "
        f"{on} at 32 px, scaled to mean square 1; k = 5; kernel over 100 subsets of 200"
    }


def test_the_same_question_has_the_same_answer(tmp_path, train, extractor) -> None:
    folder = generator(tmp_path, train.images[None, :100])
    assert evaluate(folder, "digits", [extractor], samples=50) == evaluate(folder, "digits", [extractor], samples=50)


def test_what_is_measured_is_what_is_served(tmp_path) -> None:
    folder = toy.build(tmp_path, classes=())
    manifest = contract.read(folder)
    sets = collect(folder, manifest, "digits", samples=300, seed=5, truncation=0.7)
    session = onnxruntime.InferenceSession(contract.load(folder, manifest, "generator.onnx"))
    (served,) = session.run(["image"], manifest.inputs(5, range(300), truncation=0.7))
    assert np.array_equal(sets.drawn.images, served)


def test_classes_are_asked_for_as_often_as_the_reference_shows_them(tmp_path, train) -> None:
    folder = generator(tmp_path, by_class(train, 10), DIGITS)
    sets = collect(folder, contract.read(folder), "digits", samples=200, seed=0, truncation=1)
    assert np.array_equal(sets.drawn.labels, sets.reference.labels)
    for pictures in sets:
        assert np.bincount(pictures.labels).tolist() == [20] * 10


def test_classes_are_matched_by_name_and_not_by_number(tmp_path, train) -> None:
    folder = generator(tmp_path, by_class(train, 10)[::-1].copy(), DIGITS[::-1])
    sets = collect(folder, contract.read(folder), "digits", samples=100, seed=0, truncation=1)
    for pictures in sets:
        assert pictures.classes == DIGITS[::-1]
    nines = sets.drawn.images[sets.drawn.rows(0)]
    assert {picture.tobytes() for picture in nines} <= {picture.tobytes() for picture in train.images[train.rows(9)]}


def test_other_classes_are_asked_for_equally_often_and_not_compared(tmp_path, train, extractor, caplog) -> None:
    folder = generator(tmp_path, by_class(train, 10)[:4], ("cat", "dog", "eel", "fox"))
    sets = collect(folder, contract.read(folder), "digits", samples=100, seed=0, truncation=1)
    assert np.bincount(sets.drawn.labels).tolist() == [25] * 4
    assert sets.reference.labels is None
    assert "digits test has other classes than table@1: they are not compared" in caplog.text
    assert "lowest class coverage" not in by_name(evaluate(folder, "digits", [extractor], samples=100))


def test_without_a_test_split_the_pictures_are_cut_in_two(tmp_path, train) -> None:
    np.savez(tmp_path / "set.npz", images=train.images[:101])
    folder = generator(tmp_path, train.images[None, :100])
    sets = collect(folder, contract.read(folder), tmp_path / "set.npz", samples=1000, seed=0, truncation=1)
    assert [len(pictures) for pictures in sets] == [50, 50, 50]
    assert sets.reference.source == "half of set.npz train"
    assert sets.other.source == "other half of set.npz train"
    halves = [{picture.tobytes() for picture in half.images} for half in (sets.reference, sets.other)]
    assert not halves[0] & halves[1]


def test_each_half_has_every_class_equally_often(tmp_path, train) -> None:
    rows = np.concatenate([train.rows(label) for label in (0, 1)])
    np.savez(tmp_path / "set.npz", images=train.images[rows], labels=train.labels[rows])
    folder = generator(tmp_path, by_class(train, 10)[:2], ("0", "1"))
    for samples in (40, 1000):
        sets = collect(folder, contract.read(folder), tmp_path / "set.npz", samples=samples, seed=0, truncation=1)
        count = min(samples, min(np.bincount(train.labels[rows])) // 2 * 2)
        for pictures in sets:
            assert np.bincount(pictures.labels)[:2] == pytest.approx(count / 2, abs=2)


def test_colour_and_several_extractors_work_alike(tmp_path, extractor) -> None:
    squeeze = networks.squeezenet(tmp_path)
    metrics = evaluate(toy.build(tmp_path), "digits", [extractor, squeeze], samples=20)
    assert {metric.name.partition(" on ")[2].partition("-")[0] for metric in metrics} == {"resnet8", "squeezenet1_1"}


def test_the_classifier_sees_the_class_asked_for_in_real_pictures_and_not_in_swapped_ones(tmp_path) -> None:
    judge, source = shared.weights("cifar10_resnet56.th"), shared.pictures("cifar10") / "test"
    real = by_class(data.load(source, size=32, channels=3), 60)
    names = features.load(judge).classes
    right = generator(tmp_path / "right", real, names)
    wrong = generator(tmp_path / "wrong", np.roll(real, 1, axis=0), names)
    (good,) = evaluate(right, source, [], judge, samples=300)
    (bad,) = evaluate(wrong, source, [], judge, samples=300)
    assert good.name == "class accuracy by resnet56-4bfd9763"
    assert good.value > 0.75
    assert good.floor > 0.75
    assert bad.value < 0.1
    assert "mean over 10 classes of 300 drawn (seed 0, truncation 1); lowest: " in bad.protocol


def test_the_table_shows_each_number_beside_the_real_one() -> None:
    metrics = [
        contract.Metric(name="coverage on x", value=0.51234, floor=0.95, protocol="so"),
        contract.Metric(name="speed", value=12, protocol="so"),
    ]
    assert table(metrics).splitlines() == [
        "                   model       real",
        "coverage on x     0.5123       0.95",
        "speed                 12",
        "",
        "so",
    ]


def test_nothing_to_measure_with_is_refused(tmp_path) -> None:
    with pytest.raises(EvaluationError, match="nothing to measure with: give an extractor, a classifier or both"):
        evaluate(toy.build(tmp_path), "digits", [])


def test_a_classifier_of_other_classes_is_refused(tmp_path, extractor) -> None:
    with pytest.raises(
        EvaluationError, match=r"resnet8-\w+ knows airplane, .*truck, and toy@1 draws eel: give a classif"
    ):
        evaluate(toy.build(tmp_path, classes=("cat", "eel")), "digits", [], extractor)
    with pytest.raises(EvaluationError, match=r"squeezenet1_1-\w+ knows no class by name, and toy@1 draws cat, eel"):
        evaluate(tmp_path / "toy" / "1", "digits", [], networks.squeezenet(tmp_path))


def test_a_classifier_for_a_model_without_classes_is_refused(tmp_path, extractor) -> None:
    with pytest.raises(EvaluationError, match="toy@1 has no classes to recognise: leave the classifier out"):
        evaluate(toy.build(tmp_path, classes=()), "digits", [], extractor)


def test_too_few_pictures_are_refused(tmp_path, extractor) -> None:
    with pytest.raises(
        EvaluationError, match="there are 3 pictures of digits test to compare with, at least 10 are need"
    ):
        evaluate(toy.build(tmp_path), "digits", [extractor], samples=3)


def test_a_graph_that_is_no_native_generator_is_refused(tmp_path, extractor) -> None:
    pixels = np.zeros((1, 4, 16, 12, 3), np.uint8)
    with pytest.raises(
        EvaluationError, match=r"table@1 draws uint8 \['n', 16, 12, 3\]: expected an exported generator"
    ):
        evaluate(generator(tmp_path / "wide", pixels), "digits", [extractor])


def test_a_graph_that_was_altered_or_does_not_run_is_refused(tmp_path, extractor) -> None:
    folder = toy.build(tmp_path)
    (folder / "generator.onnx").write_bytes(b"no graph")
    with pytest.raises(ContractError, match=r"generator.onnx was altered"):
        evaluate(folder, "digits", [extractor])
    toy.rewrite(folder)
    with pytest.raises(EvaluationError, match=r"generator.onnx can't be run: "):
        evaluate(folder, "digits", [extractor])


def test_missing_things_are_named(tmp_path, extractor) -> None:
    folder = toy.build(tmp_path)
    with pytest.raises(ContractError, match=r"nowhere/model.json can't be read"):
        evaluate(tmp_path / "nowhere", "digits", [extractor])
    with pytest.raises(DataError, match="nowhere doesn't exist"):
        evaluate(folder, "nowhere", [extractor])
    with pytest.raises(FeaturesError, match=r"nowhere.pth can't be read"):
        evaluate(folder, "digits", [Path("nowhere.pth")])
