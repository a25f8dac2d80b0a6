"""Graphs that others made, of every awkward kind: each is added by what can be seen of it, proven, and served."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image
from starlette.testclient import TestClient

from app import card, contract, inventory
from app.contract import Tensor
from app.engine import model, providers
from app.engine.session import Session
from app.foreign import Foreign
from app.settings import Settings
from tests.api.conftest import start
from tests.elsewhere.conftest import Add
from tests.elsewhere.graphs import Sketch, draws, paints, scaled
from tests.toy import LATENT, SIDE
from training.evaluation import EvaluationError, Request


@dataclass(frozen=True)
class Kind:
    """An awkward graph, the flags that it needs, and how its manifest says that it holds latent and picture."""

    graph: Sketch | bytes
    picture: Foreign | None
    flags: tuple[str, ...] = ()
    latent: Foreign | None = None
    label: Foreign | None = None
    note: str = ""


def held(
    rows: int | str = "n", channels: int = 3, span: tuple[float, float] | None = (-1, 1), **also: object
) -> Foreign:
    shape = (rows, channels, SIDE, SIDE)
    return Foreign.model_validate({"dtype": "float32", "shape": shape, "layout": "NCHW", "range": span} | also)


def vector(*shape: int | str, dtype: str = "float32") -> Foreign:
    return Foreign.model_validate({"dtype": dtype, "shape": shape})


def transposed(sketch: Sketch, raw: str) -> str:
    return sketch.add("Transpose", sketch.add("Tanh", raw), perm=[0, 2, 3, 1])


def levels(sketch: Sketch, raw: str) -> str:
    value = scaled(127.5, 127.5, "Round")(sketch, raw)
    return sketch.add("Transpose", sketch.add("Cast", value, to=TensorProto.UINT8), perm=[0, 2, 3, 1])


def without_channels(sketch: Sketch, raw: str) -> str:
    return sketch.add("Squeeze", sketch.add("Tanh", raw), sketch.holds([1], "int64"))


def two_outputs() -> Sketch:
    sketch = draws()
    mask = sketch.add("Sigmoid", sketch.nodes[-2].output[0])
    return sketch.gives(mask, "mask", ("n", 3, SIDE, SIDE))


def uint8_output() -> Sketch:
    sketch = draws(levels, output=("n", SIDE, SIDE, 3))
    sketch.outputs[0].type.tensor_type.elem_type = TensorProto.UINT8
    return sketch


def one_row_inside() -> Sketch:
    """Declares an open batch, and reshapes to one row."""

    def tail(sketch: Sketch, raw: str) -> str:
        # A one that is known only when the graph is run: that the squares of the latent have a sum above none.
        positive = sketch.add("Greater", sketch.add("ReduceSumSquare", "z", keepdims=0), sketch.holds(0))
        one = sketch.add("Cast", positive, to=TensorProto.INT64)
        shape = sketch.add("Mul", sketch.holds([1, 3, SIDE, SIDE], "int64"), one)
        return sketch.add("Tanh", sketch.add("Reshape", raw, shape))

    return draws(tail, output=("n", 3, SIDE, SIDE))


def fixed_output_only() -> Sketch:
    sketch = draws()
    sketch.outputs[0].type.tensor_type.shape.dim[0].dim_value = 1
    return sketch


KINDS = {
    "a picture of floats": Kind(draws(), held()),
    "opset 9, weights among the inputs": Kind(draws(sketch=Sketch(9)).save(listed=True), held()),
    "a static batch of 1": Kind(draws(rows=1), held(1), latent=vector(1, LATENT)),
    "a static batch of 4": Kind(draws(rows=4), held(4), latent=vector(4, LATENT)),
    "a batch that is static inside": Kind(
        one_row_inside(), held(1), latent=vector(1, LATENT), note="takes one sample at a time: running Reshape node"
    ),
    "a batch that is static at the output": Kind(
        fixed_output_only(), held(1), latent=vector(1, LATENT), note="and picture one of 1: it is run so"
    ),
    "a latent of four axes": Kind(draws(latent=(LATENT, 1, 1)), held(), latent=vector("n", LATENT, 1, 1)),
    "[-1, 1] with overshoot": Kind(draws(scaled(1.04, 0)), held()),
    "[0, 1]": Kind(draws(scaled(0.5, 0.5)), held(span=(0, 1))),
    "[0, 1] with overshoot": Kind(draws(scaled(0.52, 0.5)), held(span=(0, 1))),
    "[0, 255] with overshoot": Kind(draws(scaled(130, 127.5)), held(span=(0, 255))),
    "levels already": Kind(uint8_output(), None),
    "RGBA": Kind(draws(channels=4), held(channels=4)),
    "grey": Kind(draws(channels=1), held(channels=1)),
    "grey without channels": Kind(
        draws(without_channels, channels=1, output=("n", SIDE, SIDE)), held(shape=("n", SIDE, SIDE), layout="NHW")
    ),
    "NHWC": Kind(draws(transposed, output=("n", SIDE, SIDE, 3)), held(shape=("n", SIDE, SIDE, 3), layout="NHWC")),
    "float16": Kind(draws(dtype="float16"), held(dtype="float16"), latent=vector("n", LATENT, dtype="float16")),
    "float64": Kind(draws(dtype="float64"), held(dtype="float64"), latent=vector("n", LATENT, dtype="float64")),
    "an int64 label": Kind(draws(label="int64"), held(), ("--classes", "cat,dog")),
    "an int32 label": Kind(draws(label="int32"), held(), ("--classes", "cat,dog"), label=vector("n", dtype="int32")),
    "a one-hot label": Kind(draws(label="one_hot"), held(), ("--classes", "cat,dog"), label=vector("n", 2)),
    "a one-hot label as long as the latent": Kind(
        draws(label="one_hot", classes=LATENT),
        held(),
        ("--classes", "a,b,c,d,e,f,g,h", "--label", "y"),
        label=vector("n", LATENT),
    ),
    "two outputs": Kind(two_outputs(), held(), ("--output", "picture")),
    "noise of its own": Kind(draws(noise=True), held(), note="random nodes are inside"),
    "pictures that depend on their neighbours": Kind(draws(mixes=True), held(), note="depends on its neighbours"),
    "a label with fewer names than classes": Kind(
        draws(label="int64"), held(), ("--classes", "cat"), note="it also draws class 1, counted from 0"
    ),
}


@pytest.fixture
def served() -> Iterator[Callable[[Path], TestClient]]:
    """Serves a models folder."""
    with ExitStack() as running:
        yield lambda models: start(running, Settings(models=models, device="cpu", threads=1, encode_threads=1))


@pytest.mark.parametrize("name", KINDS)
def test_an_awkward_graph_is_added_and_served(
    name: str, add: Add, models: Path, served: Callable[[Path], TestClient]
) -> None:
    kind = KINDS[name]
    told = add(kind.graph, *kind.flags)
    assert told.code == 0, told.error
    assert kind.note in told.out
    assert ("note:" in told.out) == bool(kind.note)
    manifest = contract.check(models / "made" / "1")
    graph = manifest.graphs["generator"]
    assert graph.output("image").foreign == kind.picture
    assert [tensor.foreign for tensor in graph.inputs] == [kind.latent, kind.label][: len(graph.inputs)]

    client = served(models)
    channels = graph.output("image").shape[3]
    query = "/generate?model=made@1&seed=3&n=5&format=npy"
    answer = client.get(query)
    assert answer.status_code == 200, answer.text
    pictures = np.load(BytesIO(answer.content))
    assert (pictures.shape, pictures.dtype) == ((5, SIDE, SIDE, channels), np.uint8)
    assert pictures.std() > 20
    if manifest.reproducible:
        alone = np.load(BytesIO(client.get("/generate?model=made@1&seed=3&index=4&n=1&format=npy").content))
        assert np.array_equal(alone[0], pictures[4])


def test_a_graph_of_any_size_is_added_with_the_multiple_that_its_sides_must_be(add: Add, models: Path) -> None:
    told = add(paints(halves=2), "--input-range", "signed")
    assert told.code == 0, told.error
    assert "takes image photo: float32 [n, 3, h, w] NCHW in [-1, 1], sides in multiples of 4\n" in told.out
    manifest, graphs = model.prove(models / "made" / "1", providers.device("cpu"), 4)
    (photo,), (painting,) = manifest.graphs["generator"].inputs, manifest.graphs["generator"].outputs
    assert manifest.tasks == ("translate",)
    assert (photo.shape, photo.usual, photo.multiple) == (("n", "h", "w", 3), (128, 128, 3), 4)
    session, _ = graphs["generator"]
    given = contract.probe(photo.model_copy(update={"usual": (36, 20, 3)}), 1, range(3))
    assert session.run({"photo": given})["painting"].shape == (3, 36, 20, 3)
    assert painting.usual == (128, 128, 3)


def test_a_photo_and_a_latent_make_a_translation_that_is_drawn(add: Add, models: Path) -> None:
    sketch = paints(rows=1, size=(24, 40))
    tint = sketch.add("MatMul", sketch.takes("z", (1, LATENT)), sketch.holds(np.full((LATENT, 3), 0.05)))
    tinted = sketch.add("Add", "painting", sketch.add("Reshape", tint, sketch.holds([1, 3, 1, 1], "int64")))
    sketch.outputs.clear()
    told = add(sketch.gives(tinted, "tinted", (1, 3, 24, 40)), "--input-range", "signed", "--output", "tinted")
    assert told.code == 0, told.error
    manifest, graphs = model.prove(models / "made" / "1", providers.device("cpu"), 4)
    assert (manifest.tasks, manifest.latent) == (("translate",), contract.Latent(size=LATENT))
    session, _ = graphs["generator"]
    pictures = session.run(manifest.inputs(0, range(2)) | {"photo": np.zeros((2, 24, 40, 3), np.uint8)})["tinted"]
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("named", "span"), [("signed", (-1, 1)), ("unit", (0, 1)), ("byte", (0, 255))])
def test_a_photo_of_any_range_and_layout_comes_back_negative(
    named: str, span: tuple[float, float], layout: str, add: Add, models: Path
) -> None:
    told = add(paints(rows=1, size=(24, 40), layout=layout, span=span), "--input-range", named, "--style", "negative")
    assert told.code == 0, told.error
    manifest, graphs = model.prove(models / "made" / "1", providers.device("cpu"), 4)
    assert (manifest.tasks, manifest.styles) == (("style",), {"negative": "generator"})
    session, _ = graphs["generator"]
    photo = np.random.default_rng(0).integers(256, size=(3, 24, 40, 3), dtype=np.uint8)
    # The graph overshoots by 5 %, which is clipped.
    expected = np.clip(127.5 - (photo - 127.5) * 1.05, 0, 255)
    came = session.run({"photo": photo})["painting"]
    assert np.abs(came - expected).max() <= 0.51


def test_a_torch_generator_as_it_is_exported_is_added(add: Add, models: Path, tmp_path: Path) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    generator = nn.Sequential(
        nn.ConvTranspose2d(16, 8, 4, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 4),
        nn.Tanh(),
    )
    nn.init.normal_(generator[3].weight, 0, 1)
    path = tmp_path / "dcgan.onnx"
    torch.onnx.export(
        generator.eval(), (torch.zeros(1, 16, 1, 1),), path, dynamo=True, external_data=False, verbose=False
    )
    told = add(path.read_bytes(), file="DCGAN of mine.onnx")
    assert told.code == 0, told.error
    manifest = contract.check(models / "dcgan-of-mine" / "1")
    assert manifest.latent == contract.Latent(size=16)
    assert manifest.graphs["generator"].batch == 1
    assert manifest.origin is not None
    assert manifest.origin.producer == "pytorch"


def test_a_folder_holds_the_graph_a_sheet_a_card_and_where_it_came_from(add: Add, models: Path) -> None:
    flags = ("--title", "Blobs", "--source", "https://example.org/blobs", "--data", "blobs, CC0", "--notes", "Blurry.")
    graph = draws(rows=1).save()
    assert add(graph, *flags, "--name", "blobs").code == 0
    folder = models / "blobs" / "1"
    manifest = contract.check(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "generator.onnx",
        "model.json",
        "samples.png",
    ]
    assert (folder / "generator.onnx").read_bytes() == graph
    assert Image.open(folder / "samples.png").size == (8 * SIDE, 8 * SIDE)
    assert [golden.seed for golden in manifest.golden] == [0, 1, 2, 42]
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == card.render(manifest)
    assert "Made elsewhere and added as `made.onnx`, written by someone on " in text
    assert "It comes from https://example.org/blobs." in text
    assert "| picture | image | float32 [1, 3, 16, 16] | NCHW | -1 to 1 |" in text
    assert "Blurry." in text
    assert "Data: blobs, CC0. Weights: CC0-1.0." in text


def test_the_sheet_of_classes_has_a_row_for_each(add: Add, models: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n\n", encoding="utf-8")
    assert add(draws(label="int64"), "--classes", str(names)).code == 0
    assert contract.read(models / "made" / "1").classes == ("cat", "dog")
    assert Image.open(models / "made" / "1" / "samples.png").size == (8 * SIDE, 2 * SIDE)


def test_the_next_free_version_is_taken(add: Add, models: Path) -> None:
    for version in (1, 2):
        assert f"made@{version}: generate" in add(draws()).out
    assert sorted(path.name for path in models.iterdir()) == ["made"]
    assert sorted(path.name for path in (models / "made").iterdir()) == ["1", "2"]


def test_what_a_graph_draws_with_noise_of_its_own_has_no_address(
    add: Add, models: Path, served: Callable[[Path], TestClient]
) -> None:
    add(draws(noise=True))
    add(draws(), "--name", "still")
    client = served(models)
    for name, lasting in (("made", False), ("still", True)):
        address = f"/generate?model={name}@1&seed=1"
        first, second = client.get(address), client.get(address)
        assert (first.content == second.content) == lasting
        assert ("etag" in first.headers, "content-location" in first.headers) == (lasting, lasting)
        assert first.headers["cache-control"] == ("public, max-age=31536000, immutable" if lasting else "no-store")
        assert ("url" in client.get(f"{address}&format=json").json()["samples"][0]) == lasting
        part = client.get(f"{address}&format=multipart").content.partition(b"\r\n\r\n")[0]
        assert (b"Content-Location" in part) == lasting
    assert client.get("/models/made@1").json()["graphs"]["generator"]["random"] is True


def test_a_check_says_that_noise_can_not_be_compared(
    add: Add, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(draws(noise=True))
    assert inventory.run(["check", "--models", str(models)], "") == 0
    assert capsys.readouterr().out.endswith(
        "ok: files unaltered, 4 samples drawn on cpu, of the right shape: the graph draws noise of its own\n"
    )


def test_the_service_says_that_a_model_was_trained_elsewhere(
    add: Add, models: Path, served: Callable[[Path], TestClient]
) -> None:
    add(draws())
    client = served(models)
    shown = client.get("/models/made").json()
    assert (shown["training"], shown["origin"]["file"]) == (None, "made.onnx")
    assert 'recipe="elsewhere"' in client.get("/metrics").text


def test_adding_needs_neither_onnx_nor_torch(tmp_path: Path) -> None:
    """In a process of its own, where neither can be imported: as where only the service is installed."""
    (tmp_path / "made.onnx").write_bytes(draws(rows=1).save())
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('onnx', 'torch', 'sklearn', 'training')));"
        "from app import inventory; sys.exit(inventory.run(sys.argv[1:], ''))"
    )
    arguments = ["add", str(tmp_path / "made.onnx"), "--models", str(tmp_path / "models"), "--licence", "CC0-1.0"]
    told = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert contract.check(tmp_path / "models" / "made" / "1").origin is not None


def test_an_evaluation_says_that_it_can_not_run_what_was_made_elsewhere(add: Add, models: Path) -> None:
    add(draws())
    with pytest.raises(EvaluationError, match=r"^made@1 was made elsewhere: only the service converts what its gener"):
        Request.of(models / "made" / "1", "digits").graph()


def test_float_and_native_graphs_of_equal_weights_draw_equal_bytes() -> None:
    """What the adapter rounds is what a native graph rounds inside."""
    native = uint8_output().save()
    outside = draws(transposed, output=("n", SIDE, SIDE, 3)).save()
    picture = Tensor(
        name="picture",
        meaning="image",
        dtype="uint8",
        shape=("n", SIDE, SIDE, 3),
        layout="NHWC",
        foreign=held(shape=("n", SIDE, SIDE, 3), layout="NHWC"),
    )
    z = Tensor(name="z", meaning="latent", dtype="float32", shape=("n", LATENT))
    graphs = [
        contract.Graph(file="a.onnx", inputs=(z,), outputs=(one,))
        for one in (picture.model_copy(update={"foreign": None}), picture)
    ]
    latents = np.random.default_rng(0).normal(size=(64, LATENT)).astype(np.float32)
    ours, theirs = (
        Session(data, graph, 64).run({"z": latents})["picture"]
        for data, graph in zip((native, outside), graphs, strict=True)
    )
    assert np.array_equal(ours, theirs)
