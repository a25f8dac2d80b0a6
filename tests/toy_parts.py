"""What a toy may have besides its generator: an encoder, a critic, a first stage. `add` puts them into its folder.

Each does what a test can compute by itself: the critic takes bright pictures for real and judges the match with a class
by one colour; the encoder averages; the first stage draws the small picture of the same latent.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app import contract
from tests import toy

SMALL = 8
"""The side of what the first stage draws."""

PICTURE = contract.Tensor(
    name="picture",
    meaning="image",
    dtype="uint8",
    shape=("n", toy.SIDE, toy.SIDE, 3),
    layout="NHWC",
    range=(0, 255),
)


def add(folder: Path, *roles: str) -> Path:
    """Adds graphs to a toy's folder: `encoder`, `variational` (an encoder that answers with a deviation, too), `critic`
    or `stage1`; returns the folder.
    """
    manifest = contract.read(folder)
    graphs, tasks = dict(manifest.graphs), manifest.tasks
    files = dict(manifest.files)
    for role in roles:
        model, graph = MAKERS[role](manifest)
        data = model.SerializeToString()
        (folder / graph.file).write_bytes(data)
        graphs[graph.file.removesuffix(".onnx")] = graph
        files[graph.file] = contract.digest(data)
        if graph.file == "encoder.onnx":
            tasks = (*tasks, "reconstruct")
    toy.rewrite(folder, graphs=graphs, tasks=tasks, files=files)
    return folder


def code(picture: np.ndarray) -> np.ndarray:
    """The code of a picture, uint8 [16, 16, 3], by the encoder: float32 [8], each value between -1 and 1.

    The picture's quarters, each by its mean of red and of green.
    """
    half = toy.SIDE // 2
    quarters = picture[..., :2].astype(np.float32).reshape(2, half, 2, half, 2).mean((1, 3))
    return (quarters / 127.5 - 1).reshape(toy.LATENT)


def realness(pictures: np.ndarray) -> np.ndarray:
    """How real the critic takes pictures, uint8 [n, h, w, 3], to be: their mean, [n], from 0 to 1."""
    return pictures.mean((1, 2, 3)) / 255


def match(pictures: np.ndarray, label: int) -> np.ndarray:
    """How well pictures match a class: the mean of red for the first, of green for the second, [n], from 0 to 1."""
    return pictures[..., label].mean((1, 2)) / 255


def _encoder(_: contract.Manifest, *, deviates: bool = False) -> tuple[onnx.ModelProto, contract.Graph]:
    half = toy.SIDE // 2
    kernel = np.zeros((2, 3, half, half), np.float32)
    kernel[0, 0] = kernel[1, 1] = 1 / (half * half * 127.5)
    weights = {"kernel": kernel, "one": np.array(1, np.float32), "half": np.array(0.5, np.float32)}
    nodes = [
        helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["quarters"], strides=[half, half]),
        helper.make_node("Transpose", ["quarters"], ["ordered"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["ordered"], ["flat"]),
        helper.make_node("Sub", ["flat", "one"], ["code"]),
    ]
    outputs = [contract.Tensor(name="code", meaning="latent", dtype="float32", shape=("n", toy.LATENT))]
    if deviates:
        nodes += [
            helper.make_node("Abs", ["code"], ["size"]),
            helper.make_node("Mul", ["size", "half"], ["spread"]),
        ]
        outputs.append(outputs[0].model_copy(update={"name": "spread", "meaning": "deviation"}))
    graph = contract.Graph(file="encoder.onnx", inputs=(PICTURE,), outputs=tuple(outputs))
    return _model(graph, nodes, weights), graph


def _critic(manifest: contract.Manifest) -> tuple[onnx.ModelProto, contract.Graph]:
    weights = {
        "white": np.array(255, np.float32),
        "all": np.array([1, 2, 3], np.int64),
        "places": np.array([1, 2], np.int64),
        "last": np.array([1], np.int64),
        "colours": np.eye(3, dtype=np.float32)[: len(manifest.classes)],
    }
    nodes = [
        helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["bright"]),
        helper.make_node("ReduceMean", ["bright", "all"], ["realness"], keepdims=0),
    ]
    score = contract.Tensor(name="realness", meaning="score", dtype="float32", shape=("n",))
    inputs, outputs = [PICTURE], [score]
    if manifest.classes:
        nodes += [
            helper.make_node("ReduceMean", ["bright", "places"], ["colour"], keepdims=0),
            helper.make_node("Gather", ["colours", "label"], ["asked"]),
            helper.make_node("Mul", ["colour", "asked"], ["shares"]),
            helper.make_node("ReduceSum", ["shares", "last"], ["match"], keepdims=0),
        ]
        inputs.append(contract.Tensor(name="label", meaning="label", dtype="int64", shape=("n",)))
        outputs.append(score.model_copy(update={"name": "match"}))
    graph = contract.Graph(file="critic.onnx", inputs=tuple(inputs), outputs=tuple(outputs))
    return _model(graph, nodes, weights), graph


def _stage1(manifest: contract.Manifest) -> tuple[onnx.ModelProto, contract.Graph]:
    large = manifest.graphs["generator"]
    label = large.input("label")
    model = toy.graph(len(manifest.classes), weighs=label is not None and label.dtype == "float32", side=SMALL)
    small = large.output("image").model_copy(update={"shape": ("n", SMALL, SMALL, 3)})
    return model, large.model_copy(update={"file": "stage1.onnx", "outputs": (small,)})


def _variational(manifest: contract.Manifest) -> tuple[onnx.ModelProto, contract.Graph]:
    return _encoder(manifest, deviates=True)


MAKERS = {"encoder": _encoder, "variational": _variational, "critic": _critic, "stage1": _stage1}


def _model(graph: contract.Graph, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph of these nodes, with the inputs and outputs that its description has."""
    kinds = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    inputs, outputs = (
        [helper.make_tensor_value_info(one.name, kinds[one.dtype], list(one.shape)) for one in tensors]
        for tensors in (graph.inputs, graph.outputs)
    )
    used = {name for node in nodes for name in node.input}
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items() if name in used]
    made = helper.make_graph(nodes, "toy", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model
