"""An exported graph in the place of the network that it was made of: the same call, the same tensors.

Sample sheets and evaluations go through it, so that what they show is what is served.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app import contract

BATCH = 64
"""Rows that the graph is given at once."""


class Served(nn.Module):
    """Takes and gives tensors as networks do, runs ONNX in between.

    Pictures are [n, c, h, w] and frames [n, k·c, h, w] in [-1, 1], rounded to the 256 levels that travel; sound is
    [n, 1, t]; labels are class indices [n], whatever form the graph takes; latents and scores are as they are. Several
    outputs come as a tuple. It has no gradient.
    """

    def __init__(self, session: Any, graph: contract.Graph) -> None:
        super().__init__()
        self._session, self.graph = session, graph

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        arrays = [_travels(x, tensor) for x, tensor in zip(inputs, self.graph.inputs, strict=True)]
        names = [output.name for output in self.graph.outputs]
        parts = []
        for start in range(0, len(arrays[0]), BATCH):
            rows = slice(start, start + BATCH)
            fed = {tensor.name: array[rows] for tensor, array in zip(self.graph.inputs, arrays, strict=True)}
            parts.append(self._session.run(names, fed))
        outputs = [
            _arrives(np.concatenate(columns), tensor)
            for columns, tensor in zip(zip(*parts, strict=True), self.graph.outputs, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _travels(x: Tensor, tensor: contract.Tensor) -> NDArray[Any]:
    """A network's tensor as the graph takes it."""
    if tensor.meaning == "label":
        return tensor.labels(x.tolist())
    array: NDArray[Any] = x.detach().float().cpu().numpy()
    if tensor.meaning == "audio":
        return np.ascontiguousarray(array[:, 0])
    if tensor.dtype != "uint8":
        return array
    pixels = np.round(array.clip(-1, 1) * np.float32(127.5) + np.float32(127.5)).astype(np.uint8)
    if tensor.meaning == "frames":
        channels = tensor.sample[-1]
        pixels = pixels.reshape(len(pixels), -1, channels, *pixels.shape[2:])
    return np.ascontiguousarray(np.moveaxis(pixels, -3, -1))


def _arrives(array: NDArray[Any], tensor: contract.Tensor) -> Tensor:
    """A graph's answer as the network would give it."""
    if tensor.meaning == "audio":
        return torch.from_numpy(array).unsqueeze(1)
    if tensor.dtype != "uint8":
        return torch.from_numpy(array)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3))).float().div(127.5).sub(1)
