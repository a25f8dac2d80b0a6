"""Every way in which a model folder can be broken, and what is said of it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from app import contract
from tests import toy, toy_video
from tests.conftest import serving


def edit(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Changes the graph and writes its new hash into the manifest."""
    path = folder / "generator.onnx"
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    toy.rewrite(folder)


def rename_input(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.input[:] = ["noise" if name == "z" else name for name in node.input]
    model.graph.input[0].name = "noise"


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "picture_out"


def fix_the_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def use_double_labels(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT32


def change_the_weights(model: onnx.ModelProto) -> None:
    stem = next(weight for weight in model.graph.initializer if weight.name == "stem")
    stem.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(stem) * np.float32(1.5), "stem"))


def use_external_data(model: onnx.ModelProto) -> None:
    stem = next(weight for weight in model.graph.initializer if weight.name == "stem")
    Path("weights.bin").write_bytes(stem.raw_data)
    stem.ClearField("raw_data")
    stem.data_location = TensorProto.EXTERNAL
    stem.external_data.add(key="location", value="weights.bin")


def garble(folder: Path) -> None:
    (folder / "generator.onnx").write_bytes(b"not a graph")
    toy.rewrite(folder)


def alter(folder: Path) -> None:
    (folder / "generator.onnx").write_bytes((folder / "generator.onnx").read_bytes() + b"\0")


def link_out(folder: Path) -> None:
    outside = folder.parent.parent / "outside.onnx"
    shutil.move(folder / "generator.onnx", outside)
    (folder / "generator.onnx").symlink_to(outside)


def declare(**update: object) -> Callable[[Path], None]:
    return lambda folder: toy.rewrite(folder, **update)


def declare_image(**update: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        graph = contract.read(folder).graphs["generator"]
        image = graph.output("image").model_copy(update=update)
        toy.rewrite(folder, graphs={"generator": graph.model_copy(update={"outputs": (image,)})})

    return change


def declare_latent(folder: Path) -> None:
    graph = contract.read(folder).graphs["generator"]
    latent = graph.inputs[0].model_copy(update={"shape": ("n", 9)})
    wider = graph.model_copy(update={"inputs": (latent, *graph.inputs[1:])})
    toy.rewrite(folder, latent=contract.Latent(size=9), graphs={"generator": wider})


def graph(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], None]:
    return lambda folder: edit(folder, change)


BLACK = contract.Golden.of(5, 0, np.zeros((16, 16, 3), np.uint8))
SMALL = contract.Golden.of(5, 0, np.zeros((8, 8, 3), np.uint8))
TORN = BLACK.model_copy(update={"shape": (16, 16, 4)})

CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "model.json").unlink(), r"model.json can't be read: No such file or directory$"),
    "a torn manifest": (
        lambda f: (f / "model.json").write_text("{"),
        r"not a valid manifest: .*Invalid JSON",
    ),
    "an unfinished manifest": (
        lambda f: (f / "model.json").write_text('{"name": "toy"}'),
        r"not a valid manifest: version: Field required; title: Field required; ",
    ),
    "another model's manifest": (declare(version=7), r"model.json says toy@7, its folder says toy@1$"),
    "no golden samples": (declare(golden=()), r"the task 'generate' needs golden samples"),
    "a torn golden sample": (declare(golden=(TORN,)), r"golden sample of seed 5 holds 768 bytes, its shape says 1024"),
    "a golden sample of another size": (
        declare(golden=(SMALL,)),
        r"^golden sample of seed 5 has shape \[8, 8, 3\], the graph's image \[16, 16, 3\]$",
    ),
    "a golden sample that is another picture": (
        declare(golden=(BLACK,)),
        r"^the golden samples, drawn alone, are not the exporter's: \d+ of 768 values differ, by up to \d+ grey "
        r"levels; none may, since runtime and processor are the exporter's$",
    ),
    "other weights": (graph(change_the_weights), r"are not the exporter's: \d+ of 2304 values differ"),
    "a missing graph": (lambda f: (f / "generator.onnx").unlink(), r"generator.onnx can't be read: No such file"),
    "an altered graph": (alter, r"generator.onnx was altered: its SHA-256 is not the manifest's$"),
    "a link out of the folder": (
        link_out,
        r"generator.onnx is a symbolic link: a model folder holds its files itself$",
    ),
    "no graph at all": (garble, r"generator.onnx is refused: it is no protobuf of ONNX: a field has the wire type 6$"),
    "weights outside the checked bytes": (
        graph(use_external_data),
        r"generator.onnx is refused: the weights 'stem' lie outside of it, at 'weights.bin': a graph is one file",
    ),
    "another input": (graph(rename_input), r"its inputs are label, noise, the manifest says label, z$"),
    "another output": (graph(rename_output), r"its outputs are picture_out, the manifest says image$"),
    "a fixed batch": (graph(fix_the_batch), r"input z has a fixed batch of 4; it must be dynamic; output"),
    "another latent": (declare_latent, r"input z is \[n, 8\], the manifest says \[n, 9\]$"),
    "another type": (graph(use_double_labels), r"input label is int32, the manifest says int64"),
    "another picture size": (
        declare_image(shape=("n", 32, 32, 3)),
        r"output image is \[n, 16, 16, 3\], the manifest says \[n, 32, 32, 3\]",
    ),
    "a float image": (declare_image(dtype="float32"), r"image image is float32; native graphs have uint8"),
    "another layout": (declare_image(layout=None), r"image image is not laid out as \[n, height, width, channels\]"),
    "another task": (declare(tasks=("style",)), r"the task 'style' needs a generator that takes image$"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_folder_is_not_served_and_says_why(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil, reason = CASES[case]
    monkeypatch.chdir(tmp_path)
    toy.build(tmp_path / "models", "good")
    spoil(toy.build(tmp_path / "models"))
    with serving(tmp_path / "models") as catalog:
        good, broken = catalog.entries()
        assert good.state == "ready"
        assert (broken.state, broken.model) == ("failed", None)
    assert re.search(reason, broken.reason or ""), broken.reason


def test_a_predictor_whose_picture_can_not_be_its_next_frame_is_not_served(tmp_path: Path) -> None:
    folder = toy_video.build(tmp_path)
    image = toy_video.tensor("image", channels=3)
    graph = contract.read(folder).graphs["generator"]
    toy.rewrite(folder, graphs={"generator": graph.model_copy(update={"outputs": (image,)})})
    with serving(tmp_path) as catalog:
        (broken,) = catalog.entries()
    said = "the task 'predict' needs an image like the frames, of 16×16×1 values, not 16×16×3"
    assert said in (broken.reason or "")


def test_another_processor_may_round_one_value_in_a_thousand_by_one_level(tmp_path: Path) -> None:
    elsewhere = contract.Exporter(runtime="onnxruntime 1.0", processor="abacus")
    for version, values, step in [(1, 1, 1), (2, 5, 1), (3, 1, 2)]:
        folder = toy.build(tmp_path, version=version)
        golden = list(contract.read(folder).golden)
        pixels = golden[0].array().copy()
        inner = np.flatnonzero((pixels > step) & (pixels < 255 - step))[:values]
        pixels.flat[inner] += np.uint8(step)
        golden[0] = contract.Golden.of(golden[0].seed, golden[0].label, pixels)
        toy.rewrite(folder, golden=tuple(golden), exporter=elsewhere)
    with serving(tmp_path) as catalog:
        three, two, one = catalog.entries()
    assert one.state == "ready"
    assert (two.reason or "").endswith(
        "drawn alone, are not the exporter's: 5 of 2304 values differ, by up to 1 grey levels; "
        "0.1% may, by 1, where runtime, processor or batch are not the exporter's"
    )
    assert "1 of 2304 values differ, by up to 2 grey levels" in (three.reason or "")


def share_the_batch(model: onnx.ModelProto) -> None:
    """Lets every picture depend on its neighbours, as batch statistics do."""
    for node in model.graph.node:
        if node.op_type == "Tanh" and node.output[0] == "bent":
            node.output[0] = "own"
    mean = onnx.helper.make_node("ReduceMean", ["own", "batch_axis"], ["mean"])
    sum_ = onnx.helper.make_node("Add", ["own", "mean"], ["bent"])
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "batch_axis"))
    place = next(place for place, node in enumerate(model.graph.node) if node.output[0] == "own")
    model.graph.node.insert(place + 1, mean)
    model.graph.node.insert(place + 2, sum_)


def test_a_model_whose_pictures_depend_on_the_batch_is_served_one_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = toy.build(tmp_path)
    edit(folder, share_the_batch)
    toy.regild(folder)
    with serving(tmp_path) as catalog:
        assert set(catalog.get("toy").costs["generator"]) == {1}
    assert "toy@1 draws other pictures in batches of 2 than alone: not used." in caplog.text
