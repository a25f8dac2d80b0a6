"""Files that are almost right: bytes that fuzzers of file formats would change, and graphs that mean something else."""

import random

import onnx
from onnx import numpy_helper

INTERESTING = [b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff\xff\xff\xff\x07"]
"""Numbers at the ends of their ranges, as protobuf writes them: 0, 127, a cut one, -1, and the largest of 32 bits."""

OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""})
"""All of ONNX's own."""

ATTRIBUTES = ("axis", "axes", "strides", "pads", "kernel_shape", "group", "dilations", "perm", "to", "auto_pad", "mode")
ATTRIBUTES += ("output_padding", "output_shape", "keepdims", "blocksize", "epsilon", "alpha", "shape", "allowzero")

NUMBERS = (0, 1, -1, 2, 3, 7, 64, 65_537, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The bytes with one to four changes: a bit, a byte, a number, a piece that is gone, doubled, moved or cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(changed)) if changed else 0
        piece = slice(at, at + draw.choice((1, 2, 4, 16, 256)))
        match draw.randrange(8):
            case 0 if changed:
                changed[at] ^= 1 << draw.randrange(8)
            case 1 if changed:
                changed[at] = draw.randrange(256)
            case 2:
                changed[at:at] = draw.choice(INTERESTING)
            case 3:
                changed[at : at + 1] = draw.choice(INTERESTING)
            case 4:
                del changed[piece]
            case 5:
                changed[at:at] = changed[piece]
            case 6:
                other = draw.randrange(len(changed)) if changed else 0
                changed[other:other] = changed[piece]
            case _ if draw.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def rewired(model: onnx.ModelProto, draw: random.Random) -> onnx.ModelProto:
    """A graph that can be read, of one to three changes to what it means: operators, edges, attributes, constants."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for _ in range(draw.choice((1, 1, 2, 3))):
        draw.choice((_operator, _edge, _attribute, _constant, _reshaped))(changed, draw)
    return changed


def _operator(model: onnx.ModelProto, draw: random.Random) -> None:
    draw.choice(model.graph.node).op_type = draw.choice(OPERATORS)


def _edge(model: onnx.ModelProto, draw: random.Random) -> None:
    nodes = model.graph.node
    names = [name for node in nodes for name in (*node.input, *node.output)]
    node = draw.choice(nodes)
    if node.input and draw.random() < 0.7:
        node.input[draw.randrange(len(node.input))] = draw.choice(names)
    else:
        node.input.append(draw.choice(names))


def _attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    node = draw.choice(model.graph.node)
    name = draw.choice(ATTRIBUTES)
    many = [draw.choice(NUMBERS) for _ in range(draw.randrange(1, 5))]
    value = draw.choice([draw.choice(NUMBERS), many, draw.choice((0.0, -1.0, 1e30)), "same_upper"])
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def _constant(model: onnx.ModelProto, draw: random.Random) -> None:
    weights = draw.choice(model.graph.initializer)
    array = numpy_helper.to_array(weights).copy()
    numbers = NUMBERS if array.dtype.kind == "i" else (float("nan"), float("inf"), -1e38, 0.0)
    if array.dtype.kind in "if" and array.size:
        array.flat[draw.randrange(array.size)] = draw.choice(numbers)
    weights.CopyFrom(numpy_helper.from_array(array, weights.name))


def _reshaped(model: onnx.ModelProto, draw: random.Random) -> None:
    weights = draw.choice(model.graph.initializer)
    array = numpy_helper.to_array(weights)
    flat = array.reshape(draw.choice([(-1,), (1, -1), (-1, 1), (-1, 1, 1, 1), array.shape[::-1] or (1,)]))
    weights.CopyFrom(numpy_helper.from_array(flat[: draw.choice((0, 1, len(flat)))], weights.name))
