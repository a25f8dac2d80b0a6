"""Bodies of the Open Inference Protocol to arrays, checked against a model's generator, and arrays to bodies.

Knows neither HTTP nor queues. With Triton's binary tensor extension: a body is its JSON, and then the bytes of each
binary tensor, little-endian, row by row, in the order of the JSON. Used by `inference`.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json

from app.api import numbers
from app.api.faces.inference_schemas import DATATYPES, InferRequest, InputTensor, RequestedOutput
from app.contract import Graph, Manifest, Tensor
from app.engine.job import Arrays, Piecewise
from app.errors import InvalidParameter

Named = TypeVar("Named", InputTensor, RequestedOutput)
Values = NDArray[Any]


@dataclass(frozen=True)
class Call:
    """A request that can be run. `outputs` are those wanted, each with whether it is sent in binary."""

    asked: InferRequest
    inputs: Arrays
    outputs: Sequence[tuple[Tensor, bool]]


@dataclass(frozen=True)
class Answer:
    """The body of an answer. So many bytes of it are JSON; None if all are."""

    body: bytes
    json_length: int | None


def decode(body: bytes, json_length: int | None, manifest: Manifest, most: int) -> Call:
    """The call that a body makes: so many bytes of JSON, or all of it, and binary tensors.

    Raises `InvalidParameter`, which names what is wrong: with the JSON, with a name, datatype, shape or value that
    isn't as the manifest says, or with tensors that are more than `most` samples of the usual size.
    """
    end = len(body) if json_length is None else json_length
    if end > len(body):
        raise _invalid("Inference-Header-Content-Length", f"is {end}, but the body has {len(body)} bytes")
    try:
        asked = InferRequest.model_validate_json(body[:end])
    except ValidationError as error:
        raise InvalidParameter([_flaw(flaw["loc"], flaw["msg"]) for flaw in error.errors()]) from error
    graph = manifest.graphs["generator"]
    given = _by_name("inputs", asked.inputs, graph.inputs)
    if missing := [tensor.name for tensor in graph.inputs if tensor.name not in given]:
        raise _invalid("inputs", f"{', '.join(missing)} is missing; {manifest.reference} takes {_list(graph.inputs)}")
    if flaws := list(_misshapen(graph, given)):
        raise InvalidParameter(flaws)
    _check_size(graph, given, most)
    parts = _parts(memoryview(body)[end:], asked.inputs)
    inputs = {tensor.name: _array(tensor, given[tensor.name], parts.get(tensor.name)) for tensor in graph.inputs}
    for tensor in graph.inputs:
        _check_values(tensor, inputs[tensor.name], len(manifest.classes))
    return Call(asked, inputs, list(_wanted(asked, graph)))


def encode(call: Call, manifest: Manifest) -> Piecewise[Answer]:
    """What makes the answer to a call of its samples' outputs, each of them written by itself."""

    def rows(_: int, outputs: Arrays) -> list[tuple[Sequence[int], bytes]]:
        values = [(outputs[tensor.name], binary) for tensor, binary in call.outputs]
        return [(value.shape, value.tobytes() if binary else _digits(value)) for value, binary in values]

    def answer(samples: list[list[tuple[Sequence[int], bytes]]]) -> Answer:
        described, tail = [], []
        for column, (tensor, binary) in enumerate(call.outputs):
            shape, _ = samples[0][column]
            data = (b"" if binary else b",").join(row[column][1] for row in samples)
            described.append(_described(tensor, [len(samples), *shape], data, binary))
            tail += [data] if binary else []
        head = {"model_name": manifest.name, "model_version": str(manifest.version)}
        head |= {} if call.asked.id is None else {"id": call.asked.id}
        content = _with(head, "outputs", b",".join(described))
        return Answer(b"".join([content, *tail]), len(content) if tail else None)

    return Piecewise(rows, answer)


def _by_name(field: str, sent: Sequence[Named], known: Sequence[Tensor]) -> dict[str, Named]:
    """The tensors that a request names, by name: each once, and each one that the graph has."""
    names = [tensor.name for tensor in sent]
    if unknown := [name for name in names if name not in {tensor.name for tensor in known}]:
        raise _invalid(field, f"there is no {', '.join(unknown)}; known: {_list(known)}")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise _invalid(field, f"{', '.join(twice)} is named more than once")
    return {tensor.name: tensor for tensor in sent}


def _wanted(asked: InferRequest, graph: Graph) -> Iterator[tuple[Tensor, bool]]:
    """The outputs that are sent, in the order in which they are asked for, each with whether in binary."""
    requested = _by_name("outputs", asked.outputs or [], graph.outputs)
    known = {tensor.name: tensor for tensor in graph.outputs}
    for name in requested or known:
        said = requested[name].parameters.binary_data if name in requested else None
        yield known[name], asked.parameters.binary_data_output if said is None else said


def _misshapen(graph: Graph, given: Mapping[str, InputTensor]) -> Iterator[dict[str, str]]:
    """What is wrong with the datatypes and shapes of the inputs: axes of one name must be of one length."""
    lengths: dict[int | str, int] = {}
    for tensor in graph.inputs:
        sent = given[tensor.name]
        axes = [*zip(tensor.shape, sent.shape, strict=False)]
        fits = len(tensor.shape) == len(sent.shape) and all(
            side == length if isinstance(side, int) else length > 0 and (not place or length % tensor.multiple == 0)
            for place, (side, length) in enumerate(axes)
        )
        if not fits or sent.datatype != DATATYPES[tensor.dtype]:
            yield _flaw([tensor.name], f"must be {_expected(tensor)}, not {sent.datatype} {sent.shape}")
            continue
        for side, length in [("samples", sent.shape[0]), *axes[1:]]:
            if isinstance(side, str) and lengths.setdefault(side, length) != length:
                yield _flaw([tensor.name], f"has {length} along {side}, where another input has {lengths[side]}")


def _expected(tensor: Tensor) -> str:
    """A tensor's datatype and shape in words: `UINT8 [n, h, w, 3], h and w multiples of 32`."""
    shape = f"{DATATYPES[tensor.dtype]} [{', '.join(map(str, tensor.shape))}]"
    open_ended = [side for side in tensor.shape[1:] if isinstance(side, str)]
    if not open_ended or tensor.multiple == 1:
        return shape
    return f"{shape}, {' and '.join(open_ended)} multiples of {tensor.multiple}"


def _check_size(graph: Graph, given: Mapping[str, InputTensor], most: int) -> None:
    """Refuses what a device would take too long for: a large sample counts as many usual ones."""
    open_ended = [tensor for tensor in graph.inputs if any(isinstance(side, str) for side in tensor.shape[1:])]
    usual = sum(math.prod(tensor.sample) for tensor in open_ended)
    values = sum(math.prod(given[tensor.name].shape[1:]) for tensor in open_ended)
    samples = given[graph.inputs[0].name].shape[0]
    work = samples * max(1, values / usual if open_ended else 1)
    if work > most:
        of = f" of {usual} values" if open_ended else ""
        raise _invalid("inputs", f"are as much as {work:.6g} samples{of}; a request may hold {most}")


def _parts(tail: memoryview, inputs: Sequence[InputTensor]) -> dict[str, memoryview]:
    """The bytes of each binary input."""
    sizes = {tensor.name: tensor.parameters.binary_data_size for tensor in inputs}
    total = sum(size or 0 for size in sizes.values())
    if total != len(tail):
        raise _invalid("inputs", f"{len(tail)} bytes follow the JSON, where binary_data_size says {total} in all")
    parts = {}
    for name, size in sizes.items():
        if size is not None:
            parts[name], tail = tail[:size], tail[size:]
    return parts


def _array(tensor: Tensor, sent: InputTensor, part: memoryview | None) -> Values:
    """The values of an input, of its shape and type, from its bytes or from JSON."""
    if (part is None) == (sent.data is None):
        raise _invalid(tensor.name, "must have either data or, of what follows the JSON, a binary_data_size")
    dtype, count = np.dtype(tensor.dtype), math.prod(sent.shape)
    if part is None:
        values = _numbers(tensor, sent.data)
        if values.size != count:
            raise _invalid(tensor.name, f"has {values.size} values, where its shape {sent.shape} says {count}")
        return values.reshape(sent.shape)
    if len(part) != count * dtype.itemsize:
        due = f"its shape {sent.shape} says {count * dtype.itemsize}"
        raise _invalid(tensor.name, f"has {len(part)} bytes, where {due}")
    # A copy, since the body may lie at an address that isn't a multiple of the item's size.
    return np.frombuffer(part, dtype).reshape(sent.shape).copy()


def _numbers(tensor: Tensor, data: object) -> Values:
    """The values of JSON data, nested or flat; those that the type can't hold are refused, not bent."""
    must = f"must have numbers of {DATATYPES[tensor.dtype]} as data, nested as its shape or flat"
    try:
        exact = numbers.read(data).ravel()
    except ValueError as error:
        raise _invalid(tensor.name, must) from error
    with np.errstate(over="ignore", invalid="ignore"):  # what that gives is refused as such
        values = exact.astype(tensor.dtype)
    if tensor.dtype != "float32" and not np.array_equal(values, exact):
        raise _invalid(tensor.name, must)
    return values


def _check_values(tensor: Tensor, values: Values, classes: int) -> None:
    """Refuses values that the graph isn't made for: they could end the batch, and with it the requests of others."""
    low, high = tensor.range or (-math.inf, math.inf)
    if tensor.meaning == "label":
        low, high = (0, 1) if values.dtype.kind == "f" else (0, classes - 1)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _invalid(tensor.name, "holds NaN or infinity")
    if values.min() < low or values.max() > high:
        raise _invalid(tensor.name, f"must have values from {low:g} to {high:g}")
    if tensor.meaning == "label" and values.ndim > 1 and not np.allclose(values.sum(axis=1), 1, atol=1e-3):
        raise _invalid(tensor.name, "must have weights of the classes, whose sum is 1 for each sample")


def _digits(value: Values) -> bytes:
    return to_json(value.ravel().tolist())[1:-1]


def _described(tensor: Tensor, shape: Sequence[int], data: bytes, binary: bool) -> bytes:
    """An output in JSON: what it is, and its data, or how many bytes of it follow."""
    about = {"name": tensor.name, "datatype": DATATYPES[tensor.dtype], "shape": shape}
    if binary:
        return json.dumps(about | {"parameters": {"binary_data_size": len(data)}}).encode()
    return _with(about, "data", data)


def _with(members: Mapping[str, object], name: str, items: bytes) -> bytes:
    """A JSON object of these members and, last, an array whose items are JSON already."""
    return b'%b, "%b": [%b]}' % (json.dumps(members)[:-1].encode(), name.encode(), items)


def _list(tensors: Sequence[Tensor]) -> str:
    return ", ".join(tensor.name for tensor in tensors)


def _flaw(location: Sequence[int | str], message: str) -> dict[str, str]:
    return {"field": ".".join(map(str, location)) or "body", "message": message.removeprefix("Value error, ")}


def _invalid(field: str, message: str) -> InvalidParameter:
    return InvalidParameter([_flaw([field], message)])
