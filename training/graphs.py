"""One module to one ONNX file, held against the module that it was made of."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from app import contract
from training import parity, runtime
from training.recipes import Export

LARGE = 1024
"""Values in a tensor from which on half precision is worth its rounding: smaller ones take no room."""


def write(made: Export, folder: Path, classes: int, *, half: bool = False) -> contract.Graph:
    """Exports a module as `<role>.onnx`; what goes in and out of it.

    `half` rounds the large weights to float16 and stores them so: the file is half as large, and the arithmetic stays
    float32. Raises `ExportError` if the graph does not answer as the module does, rounded alike.
    """
    made = _with_usual_shapes(made._replace(module=_plain(made.module, half=half)))
    file = f"{made.role}.onnx"
    program = torch.onnx.export(
        _Called(made.module),
        made.example,
        input_names=[tensor.name for tensor in made.inputs],
        output_names=[tensor.name for tensor in made.outputs],
        dynamic_shapes=(_dynamic(made.inputs),),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    forget_origin(model)
    if half:
        store_half(model)
    data = model.SerializeToString()
    # The exporter folds normalisation into weights that were rounded before: as float16 they are rounded once more.
    parity.check(made, runtime.load(data), classes, share=0.03 if half else 0.001)
    (folder / file).write_bytes(data)
    return contract.Graph(file=file, inputs=made.inputs, outputs=made.outputs)


def forget_origin(model: onnx.ModelProto) -> None:
    """Takes out, in place, which line of which file each node came from: 200 KB of paths of the exporting machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]


def store_half(model: onnx.ModelProto) -> None:
    """Keeps the large float32 weights as float16, in place, each with a cast that gives float32 back.

    Values that float16 doesn't hold are rounded. The runtime casts once, as it loads.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LARGE:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    stored = {cast.output[0] for cast in casts}
    values = [value for value in graph.value_info if value.name not in stored]
    del graph.value_info[:]
    graph.value_info.extend(values)


class _Called(nn.Module):
    """A module called with any number of inputs: torch describes those of all modules alike then."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        answer: Tensor | tuple[Tensor, ...] = self.module(*inputs)
        return answer


def _plain(module: nn.Module, *, half: bool) -> nn.Module:
    """A copy in evaluation mode, without reparametrisations, and with rounded weights if `half`."""
    plain = copy.deepcopy(module).eval()
    for part in plain.modules():
        for name in list(getattr(part, "parametrizations", {})):
            parametrize.remove_parametrizations(part, name)
    if half:
        with torch.no_grad():
            for value in plain.parameters():
                if value.numel() >= LARGE:
                    value.copy_(value.half())
    return plain.requires_grad_(False)


def _with_usual_shapes(made: Export) -> Export:
    """The tensors with the shapes that open axes have in the example."""
    with torch.no_grad():
        told: Tensor | tuple[Tensor, ...] = made.module(*made.example)
    answers = told if isinstance(told, tuple) else (told,)
    return made._replace(
        inputs=tuple(_usual(*pair) for pair in zip(made.inputs, made.example, strict=True)),
        outputs=tuple(_usual(*pair) for pair in zip(made.outputs, answers, strict=True)),
    )


def _usual(tensor: contract.Tensor, value: Tensor) -> contract.Tensor:
    if all(isinstance(side, int) for side in tensor.shape[1:]):
        return tensor
    return tensor.model_copy(update={"usual": tuple(value.shape[1:])})


def _dynamic(inputs: Sequence[contract.Tensor]) -> tuple[dict[int, Any], ...]:
    """What torch is told of the axes: the batch, and sizes that may be any multiple of what the network halves."""
    batch = torch.export.Dim("n")
    sides: dict[str, Any] = {}
    shapes = []
    for tensor in inputs:
        axes: dict[int, Any] = {0: batch}
        for axis, side in enumerate(tensor.shape[1:], 1):
            if isinstance(side, str):
                unit = sides.setdefault(side, torch.export.Dim(f"{side}_", min=2))
                axes[axis] = tensor.multiple * unit if tensor.multiple > 1 else unit
        shapes.append(axes)
    return tuple(shapes)
