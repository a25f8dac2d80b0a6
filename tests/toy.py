"""Small real models: a conditional generator of 16×16 RGB pictures, and a translator of pictures of any size.

Made with onnx.helper, without torch. They follow the native contract and run in well under a millisecond, so tests
serve real graphs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app import contract
from app.directions import Direction
from app.engine import providers

LATENT = 8
SIDE = 16
RECIPE = "toy"


def graph(classes: int = 0, seed: int = 0, *, weighs: bool = False, side: int = SIDE) -> onnx.ModelProto:
    """z float32 [n, 8] (and label int64 [n]) → image uint8 [n, side, side, 3]; `seed` draws the weights.

    If it `weighs`, the label is float32 [n, classes].

    Two transposed convolutions, since those are computed picture by picture at any batch.
    """
    draw = np.random.default_rng(seed)
    weights = {
        "stem": draw.normal(0, 0.4, (LATENT, 16, 4, 4)).astype(np.float32),
        "head": draw.normal(0, 0.4, (16, 3, side // 4, side // 4)).astype(np.float32),
        "as_picture": np.array([0, LATENT, 1, 1], np.int64),
        "grey": np.array(127.5, np.float32),
        "black": np.array(0, np.float32),
        "white": np.array(255, np.float32),
    }
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", LATENT])]
    nodes = []
    latent = "z"
    if classes:
        weights["embedding"] = draw.normal(0, 1, (classes, LATENT)).astype(np.float32)
        if weighs:
            inputs.append(helper.make_tensor_value_info("label", TensorProto.FLOAT, ["n", classes]))
            nodes.append(helper.make_node("MatMul", ["label", "embedding"], ["embedded"]))
        else:
            inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
            nodes.append(helper.make_node("Gather", ["embedding", "label"], ["embedded"]))
        nodes += [
            helper.make_node("Add", ["z", "embedded"], ["conditioned"]),
        ]
        latent = "conditioned"
    nodes += [
        helper.make_node("Reshape", [latent, "as_picture"], ["seedling"]),
        helper.make_node("ConvTranspose", ["seedling", "stem"], ["grown"]),
        helper.make_node("Tanh", ["grown"], ["bent"]),
        helper.make_node("ConvTranspose", ["bent", "head"], ["raw"], strides=[side // 4, side // 4]),
        helper.make_node("Tanh", ["raw"], ["picture"]),
        helper.make_node("Mul", ["picture", "grey"], ["scaled"]),
        helper.make_node("Add", ["scaled", "grey"], ["lifted"]),
        helper.make_node("Clip", ["lifted", "black", "white"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["levels"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["levels"], ["image"], perm=[0, 2, 3, 1]),
    ]
    made = helper.make_graph(
        nodes,
        "toy",
        inputs,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", side, side, 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def build(
    models: Path,
    name: str = "toy",
    version: int = 1,
    classes: Sequence[str] = ("cat", "dog"),
    seed: int = 0,
    *,
    weighs: bool = False,
) -> Path:
    """Writes the model folder `models/<name>/<version>/`, golden samples included, and returns it."""
    folder = models / name / str(version)
    folder.mkdir(parents=True)
    data = graph(len(classes), seed, weighs=weighs).SerializeToString()
    (folder / "generator.onnx").write_bytes(data)
    manifest = _manifest(name, version, tuple(classes), contract.digest(data), weighs)
    contract.write(folder, manifest.model_copy(update={"golden": _golden(manifest, data)}))
    return folder


def translator(models: Path, name: str = "negative", *, multiple: int = 4) -> Path:
    """Writes the folder of a model that draws the negative of a picture whose sides are multiples of 4, or another."""
    side = -(-SIDE // multiple) * multiple
    folder = models / name / "1"
    folder.mkdir(parents=True)
    sides = ["n", "h", "w", 3]
    made = helper.make_graph(
        [
            helper.make_node("Cast", ["picture"], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["white", "levels"], ["negative"]),
            helper.make_node("Cast", ["negative"], ["image"], to=TensorProto.UINT8),
        ],
        "negative",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, sides)],
        [numpy_helper.from_array(np.array(255, np.float32), "white")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    (folder / "generator.onnx").write_bytes(data)
    given, drawn = (
        contract.Tensor(
            name=tensor,
            meaning="image",
            dtype="uint8",
            shape=tuple(sides),
            layout="NHWC",
            range=(0, 255),
            usual=(side, side, 3),
            multiple=multiple,
        )
        for tensor in ("picture", "image")
    )
    graph = contract.Graph(file="generator.onnx", inputs=(given,), outputs=(drawn,))
    manifest = _manifest(name, 1, (), contract.digest(data), False).model_copy(
        update={"tasks": ("translate",), "graphs": {"generator": graph}, "latent": None}
    )
    contract.write(folder, manifest.model_copy(update={"golden": _golden(manifest, data)}))
    return folder


def direct(folder: Path, first: str = "hue") -> Path:
    """Gives a model two directions: `hue` along the latent's axis 2, from -3 to 3, and `size` along 5, from 0 to 2."""
    axes = np.eye(LATENT, dtype=np.float32)
    hue = Direction.of(first, "sefa", axes[2], (-3, 3))
    rewrite(folder, directions=(hue, Direction.of("size", "pca", axes[5], (0, 2))))
    return folder


def rewrite(folder: Path, **update: object) -> None:
    """Writes the folder's manifest anew with some fields replaced, unchecked, and with the graph's hash of now."""
    manifest = contract.Manifest.model_validate_json((folder / contract.MANIFEST).read_bytes())
    hashes = {file: contract.digest((folder / file).read_bytes()) for file in manifest.files}
    contract.write(folder, manifest.model_copy(update={"files": hashes, **update}))


def present(folder: Path) -> None:
    """Adds to the folder what people see of a model: sheets of samples and directions and a card, all empty."""
    seen = ("samples.png", "directions.png", "README.md")
    for name in seen:
        (folder / name).write_bytes(b"")
    manifest = contract.Manifest.model_validate_json((folder / contract.MANIFEST).read_bytes())
    files = dict.fromkeys((*manifest.files, *seen))
    rewrite(folder, files={name: contract.digest((folder / name).read_bytes()) for name in files})


def collapse(folder: Path) -> None:
    """Has a model draw one picture for all latents, or one of each class; its golden samples show it."""
    model = onnx.load_from_string((folder / "generator.onnx").read_bytes())
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(0, np.float32), "nothing"),
            numpy_helper.from_array(np.linspace(-1, 1, LATENT, dtype=np.float32), "always"),
        ]
    )
    for node in model.graph.node:
        node.input[:] = ["same" if name == "z" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Mul", ["z", "nothing"], ["silent"]))
    model.graph.node.insert(1, helper.make_node("Add", ["silent", "always"], ["same"]))
    onnx.checker.check_model(model, full_check=True)
    (folder / "generator.onnx").write_bytes(model.SerializeToString())
    rewrite(folder)
    regild(folder)


def regild(folder: Path) -> None:
    """Draws the golden samples of a folder anew, from the graph that is there now."""
    manifest = contract.read(folder)
    rewrite(folder, golden=_golden(manifest, (folder / "generator.onnx").read_bytes()))


def taint(folder: Path) -> None:
    """Has the graph of a folder use an operator of somebody's own, which no runtime may be given."""
    model = onnx.load_from_string((folder / "generator.onnx").read_bytes())
    model.graph.node.append(helper.make_node("Evil", ["z"], ["evil"], domain="com.evil"))
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    (folder / "generator.onnx").write_bytes(model.SerializeToString())
    rewrite(folder)


def lie(folder: Path) -> None:
    """Gives a model a golden sample that its graph doesn't draw."""
    rewrite(folder, golden=(contract.Golden.of(0, 0, np.zeros((SIDE, SIDE, 3), np.uint8)),))


def _manifest(name: str, version: int, classes: tuple[str, ...], digest: str, weighs: bool) -> contract.Manifest:
    inputs = [contract.Tensor(name="z", meaning="latent", dtype="float32", shape=("n", LATENT))]
    if classes:
        label = contract.Tensor(name="label", meaning="label", dtype="int64", shape=("n",))
        inputs.append(label.model_copy(update={"dtype": "float32", "shape": ("n", len(classes))}) if weighs else label)
    image = contract.Tensor(
        name="image", meaning="image", dtype="uint8", shape=("n", SIDE, SIDE, 3), layout="NHWC", range=(0, 255)
    )
    return contract.Manifest(
        name=name,
        version=version,
        title=f"Toy {name}",
        tasks=("generate",),
        graphs={"generator": contract.Graph(file="generator.onnx", inputs=tuple(inputs), outputs=(image,))},
        latent=contract.Latent(size=LATENT),
        classes=classes,
        training=contract.Training(
            recipe=RECIPE, data="none", images=0, seed=0, revision="0", device="cpu", seconds=0, date="2026-01-01"
        ),
        licence=contract.Licence(data="none", weights="CC0-1.0"),
        exporter=contract.Exporter(runtime=providers.RUNTIME, processor=contract.processor()),
        golden=(contract.Golden.of(0, None, np.zeros((SIDE, SIDE, 3), np.uint8)),),
        files={"generator.onnx": digest},
    )


def _golden(manifest: contract.Manifest, data: bytes) -> tuple[contract.Golden, ...]:
    session = providers.load(data)
    golden = []
    for seed in range(3):
        label = seed % len(manifest.classes) if manifest.classes else None
        (images,) = session.run(["image"], manifest.inputs(seed, range(1), label))
        golden.append(contract.Golden.of(seed, label, images[0]))
    return tuple(golden)
