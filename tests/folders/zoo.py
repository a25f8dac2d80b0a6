"""Hostile graphs: the toy's generator, z float32 [n, 8] → image uint8 [n, 16, 16, 3], to which something was done."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests import toy

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

STANDARD = helper.make_opsetid("", 20)
OWN = helper.make_opsetid("own", 1)


def folder(models: Path, model: onnx.ModelProto | bytes, name: str = "toy") -> Path:
    """The folder of a toy whose graph is this one, with its hash in the manifest."""
    made = toy.build(models, name, classes=())
    (made / "generator.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    toy.rewrite(made)
    return made


def constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def value(name: str, shape: Sequence[Any] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def before(nodes: Sequence[onnx.NodeProto], *weights: onnx.TensorProto, gives: str = "bent_z") -> onnx.ModelProto:
    """The toy, whose latent goes through these nodes first, from `z` to `gives`."""
    model = toy.graph()
    for node in model.graph.node:
        node.input[:] = [gives if name == "z" else name for name in node.input]
    own = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *own])
    model.graph.initializer.extend(weights)
    return model


def growing(nodes: Sequence[onnx.NodeProto], *weights: onnx.TensorProto) -> onnx.ModelProto:
    """The toy, to whose latent the sum of `large` is added, which these nodes make."""
    summed = helper.make_node("ReduceSum", ["large"], ["total"], keepdims=0)
    return before([*nodes, summed, helper.make_node("Add", ["z", "total"], ["bent_z"])], *weights)


def filled(shape: Sequence[int]) -> onnx.ModelProto:
    """Values of a shape that a few bytes state."""
    return growing([helper.make_node("ConstantOfShape", ["shape"], ["large"])], constant("shape", np.array(shape)))


def doubling(times: int) -> onnx.ModelProto:
    """Values that are doubled so many times, which no shape in the file says."""
    names = ["z", *(f"doubled{number}" for number in range(times - 1)), "large"]
    nodes = [helper.make_node("Concat", [one, one], [two], axis=1) for one, two in itertools.pairwise(names)]
    summed = helper.make_node("ReduceSum", ["large", "columns"], ["total"])
    added = helper.make_node("Add", ["z", "total"], ["bent_z"])
    return before([*nodes, summed, added], constant("columns", np.array([1])))


def hidden(count: int) -> onnx.ModelProto:
    """Values that a branch holds which no run takes, and that a runtime would compute as it loads the graph."""
    then = helper.make_graph(
        [
            helper.make_node("Concat", ["one"] * 64, ["some"], axis=0),
            helper.make_node("Gather", ["some", "which"], ["part"]),
            helper.make_node("Pad", ["part", "wide"], ["large"]),
            helper.make_node("ReduceSum", ["large"], ["total"], keepdims=0),
            helper.make_node("Add", ["z", "total"], ["taken"]),
        ],
        "then",
        [],
        [value("taken", None)],
    )
    other = helper.make_graph([helper.make_node("Identity", ["z"], ["as_is"])], "else", [], [value("as_is", None)])
    return before(
        [
            helper.make_node("ReduceSum", ["z"], ["sum"], keepdims=0),
            helper.make_node("Greater", ["sum", "beyond"], ["far"]),
            helper.make_node("If", ["far"], ["bent_z"], then_branch=then, else_branch=other),
        ],
        constant("one", np.ones(1, np.float32)),
        constant("which", np.zeros(1, np.int64)),
        constant("wide", np.array([0, count], np.int64)),
        constant("beyond", np.float32(1e30)),
    )


def hoarding(times: int, count: int) -> onnx.ModelProto:
    """So many values again and again, one after the other, of each of which a run needs a single one."""
    nodes = [
        helper.make_node("ReduceSum", ["z"], ["sum"], keepdims=0),
        helper.make_node("Clip", ["sum", "none", "none"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["which"], to=INT64),
    ]
    for number in range(times):
        nodes.append(helper.make_node("Pad", [f"one{number}", "wide"], [f"many{number}"]))
        nodes.append(helper.make_node("Gather", [f"many{number}", "which"], [f"kept{number}"]))
    kept = [f"kept{number}" for number in range(times)]
    nodes += [helper.make_node("Sum", kept, ["total"]), helper.make_node("Add", ["z", "total"], ["bent_z"])]
    ones = [constant(f"one{number}", np.full(1, number, np.float32)) for number in range(times)]
    return before(nodes, constant("none", np.float32(0)), constant("wide", np.array([0, count], np.int64)), *ones)


def lettered() -> onnx.ModelProto:
    """A letter that is doubled thirty times, in memory that no arena counts."""
    names = [f"letter{number}" if number else "letter" for number in range(31)]
    nodes = [helper.make_node("StringConcat", [one, one], [two]) for one, two in itertools.pairwise(names)]
    nodes.append(helper.make_node("Equal", names[-2:], ["same"]))
    nodes.append(helper.make_node("Cast", ["same"], ["total"], to=FLOAT))
    letter = helper.make_tensor("letter", TensorProto.STRING, [], [b"x"])
    return before([*nodes, helper.make_node("Add", ["z", "total"], ["bent_z"])], letter)


def castable() -> onnx.ModelProto:
    """A function that casts to a type which its caller states."""
    cast = helper.make_node("Cast", ["given"], ["made"])
    cast.attribute.append(onnx.AttributeProto(name="to", type=onnx.AttributeProto.INT, ref_attr_name="kind"))
    made = function("As", [cast])
    made.attribute.append("kind")
    model = calling([made], "As")
    model.graph.node[0].attribute.append(helper.make_attribute("kind", TensorProto.STRING))
    return model


def chain(length: int) -> onnx.ModelProto:
    """So many nodes, one after the other."""
    names = ["z", *(f"same{number}" for number in range(length - 1)), "bent_z"]
    return before([helper.make_node("Identity", [one], [two]) for one, two in itertools.pairwise(names)])


def scattered(count: int) -> onnx.ModelProto:
    """The toy with so many weights more, that nothing reads."""
    return before([], *(helper.make_tensor(f"unread{number}", FLOAT, [], [0.0]) for number in range(count)), gives="z")


def looping(trips: int) -> onnx.ModelProto:
    """A loop that goes round so often."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Neg", ["held"], ["turned"])],
        "body",
        [value("trip", [], INT64), value("on", [], BOOL), value("held", ["n", toy.LATENT])],
        [value("still_on", [], BOOL), value("turned", ["n", toy.LATENT])],
    )
    loop = helper.make_node("Loop", ["trips", "yes", "z"], ["bent_z"], body=body)
    return before([loop], constant("trips", np.int64(trips)), constant("yes", True))


def slow(times: int) -> onnx.ModelProto:
    """A product of two matrices of 2048×2048, so many times: each takes about half a second of a core."""
    names = ["square", *(f"power{number}" for number in range(times - 1)), "large"]
    filled = helper.make_node(
        "ConstantOfShape", ["shape"], ["square"], value=constant("tiny", np.array([1e-9], np.float32))
    )
    powers = [helper.make_node("MatMul", [one, "square"], [two]) for one, two in itertools.pairwise(names)]
    return growing([filled, *powers], constant("shape", np.array([2048, 2048])))


def nested(depth: int) -> onnx.ModelProto:
    """Branches within branches."""
    inner = helper.make_graph([helper.make_node("Identity", ["z"], ["at_last"])], "b", [], [value("at_last", None)])
    for number in range(depth):
        other = helper.make_node("Identity", ["z"], [f"other{number}"])
        plain = helper.make_graph([other], "e", [], [value(f"other{number}", None)])
        node = helper.make_node("If", ["yes"], [f"from{number}"], then_branch=inner, else_branch=plain)
        if number < depth - 1:
            inner = helper.make_graph([node], "b", [], [value(f"from{number}", None)])
    node.output[0] = "bent_z"
    return before([node], constant("yes", True))


def calling(functions: Sequence[onnx.FunctionProto], name: str) -> onnx.ModelProto:
    """The toy, whose latent goes through a function of the file."""
    model = before([helper.make_node(name, ["z"], ["bent_z"], domain="own")])
    model.opset_import.append(OWN)
    model.functions.extend(functions)
    return model


def function(name: str, nodes: Sequence[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function("own", name, ["given"], ["made"], list(nodes), [STANDARD, OWN])


def harmless() -> onnx.ModelProto:
    """A function that is nothing but a name for a standard operator."""
    return calling([function("Same", [helper.make_node("Identity", ["given"], ["made"])])], "Same")


def endless() -> onnx.ModelProto:
    """A function that calls itself."""
    return calling([function("Again", [helper.make_node("Again", ["given"], ["made"], domain="own")])], "Again")


def exploding(levels: int) -> onnx.ModelProto:
    """Functions each of which calls the one before twice."""
    made = [function("F0", [helper.make_node("Neg", ["given"], ["made"])])]
    for level in range(1, levels):
        calls = [("given", "halfway"), ("halfway", "made")]
        nodes = [helper.make_node(f"F{level - 1}", [here], [there], domain="own") for here, there in calls]
        made.append(function(f"F{level}", nodes))
    return calling(made, f"F{levels - 1}")


def disguised() -> onnx.ModelProto:
    """An operator of its maker's own, inside of a function."""
    return calling([function("Fine", [helper.make_node("Evil", ["given"], ["made"], domain="evil")])], "Fine")


def foreign(operator: str, domain: str, **attributes: Any) -> onnx.ModelProto:
    """An operator of some other domain."""
    model = before([helper.make_node(operator, ["z"], ["bent_z"], domain=domain, **attributes)])
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def outside(location: str, offset: int = 0) -> onnx.TensorProto:
    """Weights [8] that lie at some other place."""
    weights = TensorProto(name="shift", data_type=FLOAT, dims=[toy.LATENT], data_location=TensorProto.EXTERNAL)
    for key, said in (("location", location), ("offset", str(offset)), ("length", "32")):
        weights.external_data.add(key=key, value=said)
    return weights


def shifted(weights: onnx.TensorProto) -> onnx.ModelProto:
    """The toy, to whose latent these weights are added."""
    return before([helper.make_node("Add", ["z", "shift"], ["bent_z"])], weights)


def shifted_by_node(weights: onnx.TensorProto) -> onnx.ModelProto:
    """The same, with weights that are an attribute of a node."""
    constant_node = helper.make_node("Constant", [], ["shift"], value=weights)
    return before([constant_node, helper.make_node("Add", ["z", "shift"], ["bent_z"])])


def shaped(*dims: int) -> onnx.TensorProto:
    """Weights of 32 bytes that say they are of another shape."""
    weights = constant("shift", np.zeros(toy.LATENT, np.float32))
    weights.dims[:] = dims
    return weights


def sparse() -> onnx.ModelProto:
    """One number that stands for petabytes."""
    model = before([helper.make_node("Add", ["z", "shift"], ["bent_z"])])
    held = model.graph.sparse_initializer.add(dims=[2**50])
    held.values.CopyFrom(constant("shift", np.ones(1, np.float32)))
    held.indices.CopyFrom(constant("where", np.zeros(1, np.int64)))
    return model


def declaring(*shape: int) -> onnx.ModelProto:
    """The toy, which declares a value of that shape."""
    model = toy.graph()
    model.graph.value_info.append(value("grown", list(shape)))
    return model


def training() -> onnx.ModelProto:
    """The toy with a graph for training."""
    model = toy.graph()
    model.training_info.add()
    return model


def sequence() -> onnx.ModelProto:
    """The toy, whose latent is a list of tensors."""
    model = before([helper.make_node("SequenceAt", ["z", "first"], ["bent_z"])], constant("first", np.int64(0)))
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = FLOAT
    return model
