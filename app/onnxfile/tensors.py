"""Weights and declared shapes of a file: whether they are what they say, and how much memory they stand for."""

from dataclasses import dataclass
from math import prod

import numpy as np

from app.onnxfile import messages
from app.onnxfile.messages import Read
from app.onnxfile.refusal import GraphRefusedError, shown, size
from app.onnxfile.wire import Purse

BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
BITS |= {17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6, 28: 6}
"""Bits of a value by ONNX's number of its type."""

STRING = 8

NUMPY = {1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}
"""Types in which shapes and scales are written."""

AXES = 32
SIDE = 2**31 - 1

SMALL = 64
"""Values that a constant may have which is read: a shape has no more."""


@dataclass(frozen=True)
class Weights:
    """A tensor that a file holds: how many values it has, their bytes, and the values where they may be a shape."""

    name: str
    count: int
    bytes: int
    values: tuple[float, ...] | None


def weights(data: memoryview, purse: Purse) -> Weights:
    """A TensorProto; `GraphRefusedError` if it names another file, or holds more or less than its shape says."""
    tensor = Read(data, messages.TENSOR, purse)
    name = tensor.text("name")
    if tensor.has("external_data") or tensor.number("data_location"):
        raise GraphRefusedError(
            f"the weights {shown(name)} lie outside of it, at {_location(tensor, purse)}: a graph is one file; "
            "onnx.save(onnx.load(FILE), ANOTHER) puts them in"
        )
    dims, kind = tensor.numbers("dims"), tensor.number("data_type")
    flaw = axes_flaw(dims)
    if flaw:
        raise GraphRefusedError(f"the weights {shown(name)} {flaw}")
    if kind == STRING:
        raise GraphRefusedError(f"the weights {shown(name)} are texts: a graph computes with numbers")
    if kind not in BITS:
        raise GraphRefusedError(f"the weights {shown(name)} are of a type, {kind}, that ONNX doesn't have")
    due = -(-prod(dims) * BITS[kind] // 8)
    held = _held(tensor, kind)
    if held != due:
        raise GraphRefusedError(
            f"the weights {shown(name)} of {_shape(dims)} take {due:,} bytes, and it holds {held:,} of them"
        )
    return Weights(name, prod(dims), due, _values(tensor, kind) if prod(dims) <= SMALL else None)


def declared(data: memoryview, most: int, purse: Purse) -> tuple[str, bool]:
    """The name of a declared value, and whether it is a tensor; `GraphRefusedError` for a shape that can't be, or that
    takes more bytes than `most` by the axes which are stated.
    """
    info = Read(data, messages.VALUE_INFO, purse)
    name = info.text("name")
    if not info.has("type"):
        return name, False
    what = Read(info.parts("type")[0], messages.TYPE, purse)
    if not what.has("tensor_type"):
        return name, False
    tensor = Read(what.parts("tensor_type")[0], messages.TENSOR_TYPE, purse)
    shapes = [Read(shape, messages.SHAPE, purse) for shape in tensor.parts("shape")]
    axes = [Read(axis, messages.DIM, purse) for shape in shapes for axis in shape.parts("dim")]
    if flaw := axes_flaw([axis.number("dim_value") for axis in axes]):
        raise GraphRefusedError(f"the value {shown(name)} {flaw}")
    stated = [axis.number("dim_value") for axis in axes if axis.has("dim_value")]
    taken = prod(stated) * BITS.get(tensor.number("elem_type"), 8) // 8
    if taken > most:
        raise GraphRefusedError(f"one value, {shown(name)}, takes {size(taken)}; {size(most)} may be taken")
    return name, True


def axes_flaw(axes: list[int]) -> str:
    """Why these can't be the sides of a tensor, in words; empty if they can."""
    if len(axes) > AXES:
        return f"has {len(axes):,} axes; {AXES} are taken at most"
    if any(not 0 <= axis <= SIDE for axis in axes):
        return f"is of {_shape(axes)}: an axis has 0 to {SIDE:,} values"
    return ""


def _held(tensor: Read, kind: int) -> int:
    """Bytes that its values take in memory, however they are written; `GraphRefusedError` if in two ways at once."""
    ways = [way for way in ("raw_data", "float_data", "int32_data", "int64_data", "double_data") if tensor.has(way)]
    ways += ["uint64_data"] * tensor.has("uint64_data")
    if len(ways) > 1:
        raise GraphRefusedError(f"the weights {shown(tensor.text('name'))} are written twice")
    if tensor.has("raw_data"):
        return len(tensor.parts("raw_data")[0])
    if tensor.has("float_data") or tensor.has("double_data"):
        return sum(map(len, tensor.parts(ways[0])))
    written = sum(_count(part) for way in ways for part in tensor.parts(way))
    written += sum(tensor.count(way) - len(tensor.parts(way)) for way in ways)
    # Of those below a byte, as many stand in one number as stand in a byte.
    return written * max(1, BITS[kind] // 8)


def _count(packed: memoryview) -> int:
    """Numbers in a packed field: each ends with a byte below 128."""
    return int(np.count_nonzero(np.frombuffer(packed, np.uint8) < 0x80))


def _values(tensor: Read, kind: int) -> tuple[float, ...] | None:
    """The numbers of a small constant, where shapes and scales may be of its type."""
    if kind not in NUMPY:
        return None
    if tensor.has("raw_data"):
        return tuple(np.frombuffer(tensor.parts("raw_data")[0], NUMPY[kind]).tolist())
    if kind in (6, 7):
        return tuple(tensor.numbers("int32_data" if kind == 6 else "int64_data"))
    parts = tensor.parts("float_data" if kind == 1 else "double_data")
    return tuple(number for part in parts for number in np.frombuffer(part, NUMPY[kind]).tolist())


def _location(tensor: Read, purse: Purse) -> str:
    entries = [Read(entry, messages.ENTRY, purse) for entry in tensor.parts("external_data")]
    places = [entry.text("value") for entry in entries if entry.text("key") == "location"]
    return shown(places[0]) if places else "no stated place"


def _shape(axes: list[int]) -> str:
    return f"[{', '.join(map(str, axes[:AXES]))}]"
