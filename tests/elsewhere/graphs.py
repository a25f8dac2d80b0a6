"""Graphs as others make them: what the native contract does not allow, in the smallest graphs that have it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.toy import LATENT, SIDE

TYPES = {
    "bool": TensorProto.BOOL,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
}
Shape = Sequence[int | str | None]


@dataclass
class Sketch:
    """A graph that is being written: `add` a node and go on with its output."""

    opset: int = 17
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def takes(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def holds(self, value: object, dtype: str = "float32") -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, kind: str, *given: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [name], **attributes))
        return name

    def gives(self, value: str, name: str, shape: Shape | None, dtype: str = "float32") -> "Sketch":
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return self

    def save(self, listed: bool = False) -> bytes:
        """The file. `listed` names the weights among the inputs, as writers of old did."""
        inputs = list(self.inputs)
        if listed:
            inputs += [helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in self.weights]
        graph = helper.make_graph(self.nodes, "elsewhere", inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        ir_version = 3 if listed else 8
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="someone")
        return model.SerializeToString()


def draws(
    tail: Callable[[Sketch, str], str] = lambda sketch, raw: sketch.add("Tanh", raw),
    *,
    rows: int | str = "n",
    latent: Shape = (LATENT,),
    channels: int = 3,
    label: str = "",
    classes: int = 2,
    noise: bool = False,
    mixes: bool = False,
    dtype: str = "float32",
    sketch: Sketch | None = None,
    output: Shape | None = ("n", 3, SIDE, SIDE),
) -> Sketch:
    """z (and y) → picture [n, channels, 16, 16], whose values `tail` makes of numbers around 0, of about unit spread.

    `label` is `int32`, `int64` or `one_hot`. `noise` draws some noise of its own, and `mixes` the batch into each row.
    """
    sketch = sketch or Sketch()
    draw = np.random.default_rng(0)
    value = sketch.takes("z", (rows, *latent), dtype)
    if dtype != "float32":
        value = sketch.add("Cast", value, to=TensorProto.FLOAT)
    value = sketch.add("Reshape", value, sketch.holds([-1, LATENT, 1, 1], "int64"))
    if label:
        table = sketch.holds(draw.normal(0, 1, (classes, LATENT)))
        if label == "one_hot":
            embedded = sketch.add("MatMul", sketch.takes("y", (rows, classes)), table)
        else:
            embedded = sketch.add("Gather", table, sketch.takes("y", (rows,), label))
        embedded = sketch.add("Reshape", embedded, sketch.holds([-1, LATENT, 1, 1], "int64"))
        value = sketch.add("Add", value, embedded)
    if noise:
        value = sketch.add("Add", value, sketch.add("RandomNormalLike", value, scale=0.3))
    value = sketch.add("ConvTranspose", value, sketch.holds(draw.normal(0, 0.4, (LATENT, 16, 4, 4))))
    if mixes:
        value = sketch.add("Add", value, sketch.add("ReduceMean", value, axes=[0]))
    value = sketch.add("Tanh", value)
    value = sketch.add("ConvTranspose", value, sketch.holds(draw.normal(0, 0.4, (16, channels, 4, 4))), strides=[4, 4])
    value = tail(sketch, value)
    if dtype != "float32":
        value = sketch.add("Cast", value, to=TYPES[dtype])
    shape = None if output is None else (rows, channels, *output[2:]) if len(output) == 4 else output
    return sketch.gives(value, "picture", shape, dtype)


def scaled(factor: float, offset: float, *then: str) -> Callable[[Sketch, str], str]:
    """A tail: tanh · factor + offset, and further nodes without attributes."""

    def tail(sketch: Sketch, raw: str) -> str:
        value = sketch.add("Mul", sketch.add("Tanh", raw), sketch.holds(factor))
        value = sketch.add("Add", value, sketch.holds(offset))
        for kind in then:
            value = sketch.add(kind, value)
        return value

    return tail


def paints(
    *,
    rows: int | str = "n",
    size: Shape = ("h", "w"),
    layout: str = "NCHW",
    halves: int = 0,
    span: tuple[float, float] = (-1, 1),
    channels: int = 3,
    output: Shape | None = None,
) -> Sketch:
    """photo → painting of the same size, negative and blurred, in that layout and range.

    It halves and doubles the sides so many times, so that they must be multiples of 2 ** halves.
    """
    sketch = Sketch()
    shape = (rows, channels, *size) if layout == "NCHW" else (rows, *size, channels)
    value = sketch.takes("photo", shape)
    if layout == "NHWC":
        value = sketch.add("Transpose", value, perm=[0, 3, 1, 2])
    middle, reach = sum(span) / 2, (span[1] - span[0]) / 2
    whole = sketch.add("Div", sketch.add("Sub", value, sketch.holds(middle)), sketch.holds(reach))
    value = whole
    eye = np.eye(channels).reshape(channels, channels, 1, 1)
    for _ in range(halves):
        value = sketch.add("Conv", value, sketch.holds(np.tile(eye / 4, (1, 1, 2, 2))), strides=[2, 2])
    for _ in range(halves):
        value = sketch.add("ConvTranspose", value, sketch.holds(np.tile(eye, (1, 1, 2, 2))), strides=[2, 2])
    if halves:
        value = sketch.add("Add", value, whole)  # only where both are of one size
        value = sketch.add("Mul", value, sketch.holds(0.5))
    value = sketch.add("Mul", sketch.add("Neg", value), sketch.holds(reach * 1.05))
    value = sketch.add("Add", value, sketch.holds(middle))
    if layout == "NHWC":
        value = sketch.add("Transpose", value, perm=[0, 2, 3, 1])
    return sketch.gives(value, "painting", output or shape)
