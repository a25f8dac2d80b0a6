"""The edges of an exported graph: what travels (uint8 NHWC) on one side, what networks think in on the other."""

import torch
from torch import Tensor, nn


class ToPictures(nn.Module):
    """A generator of pictures in [-1, 1] NCHW, made to answer uint8 NHWC, rounded half to even.

    Scaling and rounding happen in the graph, so the device copies a quarter of the bytes and no numpy pass follows.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, *inputs: Tensor) -> Tensor:
        pictures = self.generator(*inputs).clamp(-1, 1)
        return torch.round(pictures * 127.5 + 127.5).to(torch.uint8).permute(0, 2, 3, 1)


class FromPictures(nn.Module):
    """A network that takes pictures in [-1, 1] NCHW, made to take uint8 NHWC: the other side of `ToPictures`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return answer
