"""The edges of an exported graph: what travels (uint8 NHWC) on one side, what networks think in on the other."""

import torch
from torch import Tensor, nn

from training.nets.blocks import Pair


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


class FromFrames(nn.Module):
    """A network that takes frames in [-1, 1], stacked [n, k · c, h, w], made to take uint8 [n, k, h, w, c]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        stacked = frames.permute(0, 1, 4, 2, 3).flatten(1, 2)
        answer: Tensor = self.network(stacked.float() / 127.5 - 1)
        return answer


class ToScores(nn.Module):
    """A conditional discriminator of pictures in [-1, 1] NCHW, made to take uint8 NHWC and a label [n].

    Answers realness and match, float32 [n], each the mean over the places that it judges from.
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, pictures: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.critic(Pair(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1, label))
        return scores.realness.mean(1), scores.match.mean(1)
