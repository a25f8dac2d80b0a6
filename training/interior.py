"""An exported generator, asked for what it draws or for what it computes on the way there.

So what can be asked of a network can be asked of any model folder, its checkpoint long gone.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, shape_inference

from app import contract, latents
from training import runtime

LAYERS = {"Gemm", "MatMul", "Conv", "ConvTranspose"}
"""Operators that have weights."""

Answers = NDArray[np.generic]
Ask = Callable[[latents.Floats, Sequence[int]], Answers]
"""From latents float32 [n, size], and a class for each where there are any, to an answer with n rows."""


class Generator:
    """The generator of a folder that takes a latent, and its graph."""

    def __init__(self, manifest: contract.Manifest, folder: Path) -> None:
        """`ContractError` if it takes no latent, or if it is not a native one."""
        graph = manifest.graphs["generator"]
        if not graph.native:
            raise contract.ContractError(f"{graph.file} was made elsewhere: only native graphs can be looked into")
        self.latent, self.label = graph.given("latent"), graph.input("label")
        (self.size,) = self.latent.sample
        self.classes = max(1, len(manifest.classes))
        self.image = graph.output("image").name
        self._model = onnx.load_from_string((folder / graph.file).read_bytes())

    def ask(self, name: str) -> Ask:
        """What the graph computes by that name: an output, or a float tensor on the way, past which it doesn't run."""
        cut = onnx.ModelProto()
        cut.CopyFrom(self._model)
        outputs = [output for output in self._model.graph.output if output.name == name]
        del cut.graph.output[:]
        cut.graph.output.extend(outputs or [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
        session = runtime.load(cut.SerializeToString())

        def asked(latent: latents.Floats, classes: Sequence[int]) -> Answers:
            given: dict[str, Answers] = {self.latent.name: latent}
            if self.label is not None:
                given[self.label.name] = self.label.labels(classes)
            (answer,) = session.run([name], given)
            return np.asarray(answer)

        return asked

    def first_layer(self) -> str | None:
        """The answer of the first layer with weights that the latent goes through; None if there is none."""
        layers = (str(node.output[0]) for node in self._reached() if node.op_type in LAYERS)
        return next(layers, None)

    def features(self) -> str | None:
        """An early feature map of the latent: the last one of the second smallest size; None if there are no maps.

        In a network that doubles the size block by block, it lies past the first block.
        """
        places = {}
        for value in shape_inference.infer_shapes(self._model).graph.value_info:
            kind = value.type.tensor_type
            if kind.elem_type == TensorProto.FLOAT and len(kind.shape.dim) == 4:
                places[value.name] = kind.shape.dim[2].dim_value * kind.shape.dim[3].dim_value
        maps = [str(name) for node in self._reached() for name in node.output if places.get(name, 0) > 1]
        if not maps:
            return None
        *_, second = sorted({places[name] for name in maps})[:2]
        return [name for name in maps if places[name] == second][-1]

    def _reached(self) -> Iterator[NodeProto]:
        """The nodes that the latent reaches, in the order in which they run."""
        reached = {self.latent.name}
        for node in self._model.graph.node:
            if not reached.isdisjoint(node.input):
                reached.update(node.output)
                yield node
