"""Graphs made elsewhere, at the session's edge: what the service gives as such a graph takes it, and back again.

The only place where that is converted: all else in the engine sees native arrays, in batches of any size. What a graph
holds natively passes through untouched.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import ContractError, Graph, Tensor
from app.engine.job import Arrays

WHITE = 255


class NotFiniteError(ContractError):
    """An output holds so many `values` that are NaN or infinite."""

    def __init__(self, name: str, values: int) -> None:
        super().__init__(f"output {name} holds NaN or infinity")
        self.values = values


def adapted(loaded: Any, graph: Graph) -> Any:
    """A loaded graph as it is if it is native, else one that is run in the same way with native arrays."""
    return loaded if graph.native else Adapted(loaded, graph)


class Adapted:
    """A loaded graph from elsewhere, run as if it were native.

    Where it takes batches of one size only, more rows are run in parts, of which the last one is padded with its first
    row: any row of it is a valid input, and zeros may not be.
    """

    def __init__(self, loaded: Any, graph: Graph) -> None:
        self._loaded = loaded
        self._graph = graph

    def run(self, names: Sequence[str], inputs: Arrays, options: Any = None) -> list[NDArray[Any]]:
        """The outputs of those names, as many rows as the inputs have; `ContractError` for NaN, infinity or other rows
        in them.
        """
        outputs = {tensor.name: tensor for tensor in self._graph.outputs}
        given = {tensor.name: given_as(tensor, inputs[tensor.name]) for tensor in self._graph.inputs}
        rows = len(next(iter(given.values())))
        step = self._graph.batch or rows
        parts = [self._part(names, given, slice(at, at + step), step, options) for at in range(0, rows, step)]
        columns = parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]
        return [seen_as(outputs[name], value[:rows]) for name, value in zip(names, columns, strict=True)]

    def _part(self, names: Sequence[str], given: Arrays, rows: slice, size: int, options: Any) -> list[NDArray[Any]]:
        fed = {name: _padded(value[rows], size) for name, value in given.items()}
        values: list[NDArray[Any]] = self._loaded.run(list(names), fed, options)
        for name, value in zip(names, values, strict=True):
            if len(value) != size:
                raise ContractError(f"output {name} has {len(value)} rows for {size}")
        return values


def given_as(tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """What the service gives for an input, as the graph takes it.

    A level of a picture becomes level / (255 / (white - black)) + black, in float32.
    """
    foreign = tensor.foreign
    if foreign is None:
        return values
    if tensor.meaning == "label" and foreign.one_hot:
        rows = np.zeros((len(values), *map(int, foreign.shape[1:])), foreign.dtype)
        rows[np.arange(len(values)), values] = 1
        return rows
    if tensor.meaning != "image":
        return values.reshape(len(values), *map(int, foreign.shape[1:])).astype(foreign.dtype, copy=False)
    if foreign.range is not None:
        black, white = foreign.range
        values = values / np.float32(WHITE / (white - black)) + np.float32(black)
    if foreign.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    elif foreign.layout == "NHW":
        values = values[..., 0]
    return np.ascontiguousarray(values, foreign.dtype)


def seen_as(tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """What the graph gave for an output, as the service sees it; `NotFiniteError` for NaN or infinity in a picture.

    A picture's value becomes the level value · 255 / (white - black) - black · 255 / (white - black), rounded half to
    even and clipped to 0 and 255: the arithmetic of native graphs, in float32, or float64 where the graph has that.
    """
    foreign = tensor.foreign
    if foreign is None:
        return values
    if tensor.meaning != "image":
        return values.reshape(len(values), *tensor.sample).astype(tensor.dtype, copy=False)
    if foreign.range is not None:
        values = _levels(tensor.name, values, *foreign.range)
    pixels: NDArray[np.uint8] = values.clip(0, WHITE).astype(np.uint8)
    if foreign.layout == "NCHW":
        pixels = pixels.transpose(0, 2, 3, 1)
    elif foreign.layout == "NHW":
        pixels = pixels[..., np.newaxis]
    return np.ascontiguousarray(pixels)


def _levels(name: str, values: NDArray[Any], black: float, white: float) -> NDArray[Any]:
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    scale = WHITE / (white - black)
    levels = values * scale
    levels += -black * scale
    finite = np.isfinite(levels)
    if not finite.all():
        raise NotFiniteError(name, int(np.count_nonzero(~finite)))
    return np.rint(levels, out=levels)


def _padded(values: NDArray[Any], size: int) -> NDArray[Any]:
    missing = size - len(values)
    return values if missing == 0 else np.concatenate([values, np.repeat(values[:1], missing, axis=0)])
