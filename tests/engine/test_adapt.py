"""Graphs made elsewhere at the session's edge: what they are given, what is seen of them, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app import contract
from app.contract import ContractError, Graph, Manifest, Tensor
from app.engine import adapt, cuda, model, providers, warmup
from app.engine.outputs import checked
from app.engine.providers import Cuda, Device
from app.engine.session import Session
from app.errors import InvalidOutput
from app.foreign import Foreign
from tests import toy
from tests.elsewhere.graphs import Sketch, draws, paints
from tests.toy import LATENT, SIDE

CPU = providers.device("cpu")
ONE = Device("cpu", "a GPU that is a CPU", gpus=(0,), cuda=Cuda(streams=1))


def foreign(dtype: str, *shape: int | str, **how: object) -> Foreign:
    return Foreign.model_validate({"dtype": dtype, "shape": shape, **how})


def image(held: Foreign | None, height: int | str = 2, width: int | str = 3, channels: int = 3) -> Tensor:
    return Tensor(
        name="image",
        meaning="image",
        dtype="uint8",
        shape=("n", height, width, channels),
        layout="NHWC",
        usual=(32, 32, channels) if isinstance(height, str) else None,
        foreign=held,
    )


def latent(held: Foreign | None = None) -> Tensor:
    return Tensor(name="z", meaning="latent", dtype="float32", shape=("n", LATENT), foreign=held)


def label(held: Foreign | None = None) -> Tensor:
    return Tensor(name="y", meaning="label", dtype="int64", shape=("n",), foreign=held)


def generator(rows: int | str, z: Foreign | None = None, y: Tensor | None = None, **facts: object) -> Graph:
    picture = image(foreign("float32", rows, 3, SIDE, SIDE, layout="NCHW", range=(-1, 1)), SIDE, SIDE)
    picture = picture.model_copy(update={"name": "picture"})
    inputs = (latent(z), *([y] if y else []))
    return Graph.model_validate({"file": "generator.onnx", "inputs": inputs, "outputs": (picture,), **facts})


def folder(models: Path, sketch: Sketch, graph: Graph) -> Path:
    """A model folder of a graph from elsewhere; its golden samples are what it draws alone."""
    made = toy.build(models, classes=())
    (made / "generator.onnx").write_bytes(sketch.save())
    toy.rewrite(made, graphs={"generator": graph})
    manifest = contract.read(made)
    session = Session(sketch.save(), graph, 1)
    golden = [contract.Golden.of(s, None, session.run(manifest.inputs(s, range(1)))["picture"][0]) for s in range(3)]
    toy.rewrite(made, golden=tuple(golden))
    return made


@pytest.mark.parametrize(("span", "half"), [((-1.0, 1.0), 0.0), ((0.0, 1.0), 0.5), ((0.0, 255.0), 127.5)])
def test_values_are_rounded_half_to_even_and_clipped(span: tuple[float, float], half: float) -> None:
    black, white = span
    seen = image(foreign("float32", "n", 1, 1, 6, layout="NCHW", range=span), 1, 6, 1)
    beyond = (white - black) * 0.1
    step = (white - black) / 255
    values = np.array([black - beyond, black, half, white, white + beyond, half + step], np.float32)
    (levels,) = adapt.seen_as(seen, values.reshape(1, 1, 1, 6))[..., 0]
    assert levels.tolist() == [[0, 0, 128, 255, 255, 128]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("span", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_level_comes_back_as_it_went(dtype: str, span: tuple[float, float], layout: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 8, 8, 4)
    shape = (8, 8, 4) if layout == "NHWC" else (4, 8, 8)
    tensor = image(foreign(dtype, "n", *shape, layout=layout, range=span), 8, 8, 4)
    given = adapt.given_as(tensor, levels)
    assert (given.dtype, given.shape, given.flags.c_contiguous) == (dtype, (1, *shape), True)
    assert given.min() == span[0]
    assert given.max() == span[1]
    assert np.array_equal(adapt.seen_as(tensor, given), levels)


def test_grey_without_an_axis_for_channels_gets_one() -> None:
    tensor = image(foreign("uint8", "n", 2, 3, layout="NHW"), channels=1)
    levels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1)
    assert adapt.given_as(tensor, levels).shape == (1, 2, 3)
    assert np.array_equal(adapt.seen_as(tensor, levels[..., 0]), levels)


@pytest.mark.parametrize(
    ("held", "given"),
    [
        (None, np.array([2, 0])),
        (foreign("int32", "n"), np.array([2, 0], np.int32)),
        (foreign("int64", "n", 1), np.array([[2], [0]])),
        (foreign("float32", "n"), np.array([2, 0], np.float32)),
        (foreign("float32", "n", 3), np.array([[0, 0, 1], [1, 0, 0]], np.float32)),
    ],
)
def test_labels_are_given_as_the_graph_takes_them(held: Foreign | None, given: Any) -> None:
    came = adapt.given_as(label(held), np.array([2, 0]))
    assert came.dtype == given.dtype
    assert np.array_equal(came, given)


def test_what_is_held_natively_passes_untouched() -> None:
    values = np.zeros((1, 2, 3, 3), np.uint8)
    assert adapt.given_as(image(None), values) is values
    assert adapt.seen_as(image(None), values) is values
    loaded = object()
    assert adapt.adapted(loaded, Graph(file="a.onnx", inputs=(latent(),), outputs=(image(None),))) is loaded


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_static_batch_is_run_in_parts(rows: int) -> None:
    graph = generator(rows, foreign("float32", rows, LATENT))
    fixed = Session(draws(rows=rows).save(), graph, 8)
    free = Session(draws().save(), generator("n"), 8)
    for count in range(1, 9):
        z = {"z": np.random.default_rng(count).normal(size=(count, LATENT)).astype(np.float32)}
        assert np.array_equal(fixed.run(z)["picture"], free.run(z)["picture"])


def test_a_static_batch_on_a_gpu_is_its_only_size(tmp_path: Path) -> None:
    graph = generator(4, foreign("float32", 4, LATENT))
    made = folder(tmp_path, draws(rows=4), graph)
    manifest = contract.read(made)
    session = cuda.GpuSession((made / "generator.onnx").read_bytes(), graph, ONE, 32)
    cost = warmup.warm_lanes(session, manifest, "generator", ONE, lambda _, errand: errand())
    assert session.sizes == [4]
    assert set(cost.snapshot()) == {4}
    pictures = session.run(manifest.inputs(1, range(3)))["picture"]
    assert (pictures.shape, pictures.dtype) == ((3, SIDE, SIDE, 3), np.uint8)
    assert np.array_equal(pictures[0], manifest.golden[1].array())


def test_pictures_of_any_size_go_through_a_gpu(tmp_path: Path) -> None:
    nchw = foreign("float32", "n", 3, "h", "w", layout="NCHW", range=(-1, 1))
    photo, painting = (image(nchw, "h", "w").model_copy(update={"name": name}) for name in ("photo", "painting"))
    graph = Graph(file="generator.onnx", inputs=(photo,), outputs=(painting,))
    lanes, plain = cuda.GpuSession(paints().save(), graph, ONE, 4), Session(paints().save(), graph, 4)
    for side in (32, 20):
        given = {"photo": contract.probe(photo.model_copy(update={"usual": (side, side, 3)}), 0, range(2))}
        if side == 32:
            lanes.prepare(0, given)
        assert np.array_equal(lanes.run(given)["painting"], plain.run(given)["painting"])


def test_the_proof_of_a_model_from_elsewhere_is_that_of_any(tmp_path: Path) -> None:
    made = folder(tmp_path, draws(), generator("n"))
    _, graphs = model.prove(made, CPU, 8, threads=2)
    session, cost = graphs["generator"]
    assert set(cost.snapshot()) == {1, 2, 4, 8}
    assert session.wide
    black = contract.Golden.of(0, None, np.zeros((SIDE, SIDE, 3), np.uint8))
    toy.rewrite(made, golden=(black,))
    with pytest.raises(ContractError, match=r"the golden samples, drawn alone, are not the exporter's: "):
        model.prove(made, CPU, 8)


def test_a_random_graph_is_proven_by_its_shapes_alone(tmp_path: Path) -> None:
    made = folder(tmp_path, draws(noise=True), generator("n", random=True))
    assert set(model.prove(made, CPU, 4, threads=2)[1]["generator"][1].snapshot()) == {1, 2, 4}
    manifest = contract.read(made)
    toy.rewrite(made, graphs={"generator": manifest.graphs["generator"].model_copy(update={"random": False})})
    with pytest.raises(ContractError, match=r"draws noise of its own, and the manifest doesn't say"):
        model.prove(made, CPU, 4)


def test_infinity_is_an_invalid_output_and_not_a_picture() -> None:
    sketch = draws(lambda sketch, raw: sketch.add("Div", sketch.add("Tanh", raw), sketch.holds(0)))
    session = Session(sketch.save(), generator("n"), 4)
    counted: list[float] = []
    run = checked("made@1", session.run, generator("n").outputs, counted.append)
    with pytest.raises(InvalidOutput, match=r"made@1.*output picture holds NaN or infinity"):
        run({"z": np.ones((1, LATENT), np.float32)}, False)
    (picture,) = generator("n").outputs
    assert counted == [np.prod(picture.sample)]


DIFFERENT: dict[str, tuple[Sketch, Graph, str]] = {
    "native, as declared": (draws(), generator("n").model_copy(update={"outputs": (image(None),)}), "its outputs are"),
    "another type": (draws(dtype="float16"), generator("n"), r"input z is float16, the manifest says float32"),
    "a static batch that is not declared": (
        draws(rows=2), generator("n"), r"input z has a fixed batch of 2; it must be dynamic; output picture has",
    ),
    "another static batch": (
        draws(rows=2), generator(3, foreign("float32", 3, LATENT)), r"input z is \[2, 8\], the manifest says \[3, 8\]",
    ),
    "another shape of latent": (
        draws(latent=(LATENT, 1, 1)), generator("n"), r"input z is \[n, 8, 1, 1\], the manifest says \[n, 8\]",
    ),
    "an output that it doesn't list": (
        draws().gives("z", "features", ("n", LATENT)), generator("n"), r"its outputs are features, picture, the manif",
    ),
    "an output to leave that isn't there": (
        draws(), generator("n", unread=("features",)), r"it has no output features to leave unread$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_graph_that_is_not_as_its_manifest_says_is_refused(name: str) -> None:
    sketch, graph, said = DIFFERENT[name]
    with pytest.raises(ContractError) as raised:
        Session(sketch.save(), graph, 4)
    assert re.search(f"^generator.onnx does not fit the manifest: .*{said}", str(raised.value)), raised.value


def test_outputs_that_are_left_unread_are_not_seen() -> None:
    graph = generator("n", unread=("features",))
    session = Session(draws().gives("z", "features", ("n", LATENT)).save(), graph, 4)
    assert set(session.run({"z": np.ones((1, LATENT), np.float32)})) == {"picture"}


NCHW = {"layout": "NCHW", "range": (-1, 1)}
STRICT: dict[str, tuple[Callable[[], object], str]] = {
    "a picture without layout": (
        lambda: image(foreign("float32", "n", 3, 2, 3, range=(-1, 1))), r"image is foreign: a picture has a layout: NH",
    ),
    "floats without a range": (
        lambda: image(foreign("float32", "n", 3, 2, 3, layout="NCHW")), r"a picture of floats has a range, one of int",
    ),
    "levels with a range": (lambda: image(foreign("uint8", "n", 3, 2, 3, **NCHW)), r"one of integers has levels from"),
    "a range upside down": (
        lambda: image(foreign("float32", "n", 3, 2, 3, layout="NCHW", range=(1, -1))), r"the value of black, then the",
    ),
    "sides the wrong way round": (
        lambda: image(foreign("float32", "n", 3, 3, 2, **NCHW)), r"it holds pictures of \[3, 2, 3\], the service sees ",
    ),
    "axes that a layout hasn't": (lambda: image(foreign("float32", "n", 2, 3, **NCHW)), r"NCHW has 4 axes, not 3"),
    "a latent of another size": (
        lambda: latent(foreign("float32", "n", 4, 1, 1)), r"it holds \[4, 1, 1\] of a latent that is \[8\]",
    ),
    "a latent of integers": (lambda: latent(foreign("int64", "n", 8)), r"a latent is made of floats, not of int64"),
    "a latent with a range": (lambda: latent(foreign("float32", "n", 8, range=(0, 1))), r"only pictures have"),
    "a label of two axes": (
        lambda: label(foreign("float32", "n", 2, 2)), r"a label is a number, or a row with a value for each class",
    ),
    "no batch": (lambda: foreign("float32"), r"a foreign tensor has the batch as its first axis"),
    "sound": (
        lambda: Tensor(name="a", meaning="audio", dtype="float32", shape=("n", 4), foreign=foreign("float32", "n", 4)),
        r"a graph made elsewhere can't hold audio otherwise",
    ),
    "an unknown field": (lambda: foreign("float32", "n", order="BGR"), r"Extra inputs are not permitted"),
    "two batches": (
        lambda: generator(2, foreign("float32", 4, LATENT)), r"generator.onnx can't have batches of 2 and of 4 only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STRICT)
def test_what_a_graph_can_not_hold_is_no_manifest(name: str) -> None:
    make, said = STRICT[name]
    with pytest.raises(ValidationError, match=said):
        make()


def test_a_manifest_says_where_its_weights_come_from_once(tmp_path: Path) -> None:
    manifest = contract.read(toy.build(tmp_path))
    origin = contract.Origin(file="a.onnx", date="2026-01-01")
    for change in ({"training": None}, {"origin": origin}):
        facts = dict(manifest) | change
        with pytest.raises(ValidationError, match="by `training`, or by `origin` if made elsewhere"):
            Manifest(**facts)
    assert Manifest(**dict(manifest) | {"training": None, "origin": origin}).recipe == "elsewhere"


def test_a_one_hot_label_has_a_value_for_each_class(tmp_path: Path) -> None:
    manifest = contract.read(toy.build(tmp_path))
    graph = generator("n", y=label(foreign("float32", "n", 3)))
    facts = dict(manifest) | {"graphs": {"generator": graph}}
    with pytest.raises(ValidationError, match=r"its label has 3 values, and there are 2 classes"):
        Manifest(**facts)
