"""One graph on one device: loaded, its signature checked against the manifest, and run on batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import ContractError, Graph, Tensor
from app.engine import providers
from app.engine.cost import fit
from app.engine.job import Arrays
from app.engine.providers import Device

TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}
NATIVE = {"latent": "float32", "label": "int64", "image": "uint8"}


class Session:
    """A graph, ready to run on any thread.

    A CPU runs batches of any size, in one session. A GPU runs fixed `sizes`, each in a session of its own, and smaller
    batches are padded: its convolutions keep the plan of the last shape only, and plan for milliseconds at each change
    (onnxruntime#23006).
    """

    def __init__(self, data: bytes, graph: Graph, device: Device, max_batch: int) -> None:
        """From the graph's checked bytes. `ContractError` if it can't be loaded or is not what the manifest says."""
        self.fixed = device.kind == "cuda"
        self.sizes = [2**power for power in range(max_batch.bit_length()) if 2**power < max_batch] + [max_batch]
        self._outputs = [output.name for output in graph.outputs]
        self._sessions = [_load(data, graph, device) for _ in (self.sizes if self.fixed else [max_batch])]
        _check(graph, self._sessions[0])

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """The outputs by name for a batch of at most the largest size; as many rows as the inputs have."""
        if not self.fixed:
            return self._run(self._sessions[0], inputs)
        samples = len(next(iter(inputs.values())))
        size = fit(samples, self.sizes)
        # Padded with the first row, since any row of the batch is a valid input, and zeros may not be.
        padded = {name: np.concatenate([value, value[:1].repeat(size - samples, 0)]) for name, value in inputs.items()}
        outputs = self._run(self._sessions[self.sizes.index(size)], padded)
        return {name: value[:samples] for name, value in outputs.items()}

    def _run(self, session: Any, inputs: Arrays) -> dict[str, NDArray[Any]]:
        return dict(zip(self._outputs, session.run(self._outputs, inputs), strict=True))


def _load(data: bytes, graph: Graph, device: Device) -> Any:
    try:
        return providers.load(data, device)
    except Exception as error:  # the runtime's errors share no other base
        raise ContractError(f"{graph.file} can't be loaded on {device.kind}: {error}") from error


def _check(graph: Graph, session: Any) -> None:
    """`ContractError` if the graph that was loaded, or the manifest that describes it, is not a native one."""
    flaws = [
        *_differences("input", graph.inputs, session.get_inputs()),
        *_differences("output", graph.outputs, session.get_outputs()),
    ]
    for tensor in (*graph.inputs, *graph.outputs):
        dtype = NATIVE.get(tensor.meaning, tensor.dtype)
        if tensor.dtype != dtype:
            flaws.append(f"{tensor.meaning} {tensor.name} is {tensor.dtype}; native graphs have {dtype}")
        if tensor.meaning == "image" and (tensor.layout != "NHWC" or len(tensor.shape) != 4):
            flaws.append(f"image {tensor.name} is not laid out as [n, height, width, channels] (NHWC)")
    if flaws:
        raise ContractError(f"{graph.file} does not fit the manifest: {'; '.join(flaws)}")


def _differences(kind: str, declared: Sequence[Tensor], actual: Sequence[Any]) -> list[str]:
    """What differs between the tensors that the manifest declares and those that the graph has, in words."""
    found = {tensor.name: tensor for tensor in actual}
    names = {tensor.name for tensor in declared}
    if names != set(found):
        return [f"its {kind}s are {', '.join(sorted(found))}, the manifest says {', '.join(sorted(names))}"]
    flaws = []
    for tensor in declared:
        there = found[tensor.name]
        dtype = TYPES.get(there.type, there.type)
        if dtype != tensor.dtype:
            flaws.append(f"{kind} {tensor.name} is {dtype}, the manifest says {tensor.dtype}")
        if there.shape and isinstance(there.shape[0], int):
            flaws.append(f"{kind} {tensor.name} has a fixed batch of {there.shape[0]}; it must be dynamic")
        elif not _fits(tensor.shape, there.shape):
            flaws.append(f"{kind} {tensor.name} is {_shape(there.shape)}, the manifest says {_shape(tensor.shape)}")
    return flaws


def _fits(declared: Sequence[int | str], actual: Sequence[int | str | None]) -> bool:
    """Whether a shape is as declared, as far as the graph knows it: an axis it leaves open shows at the first run."""
    if len(declared) != len(actual):
        return False
    return all(not isinstance(there, int) or there == said for said, there in zip(declared, actual, strict=True))


def _shape(shape: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if axis is None else str(axis) for axis in shape)}]"
