"""What a picture shows, whatever its palette and brush: how far a translation moved it. Knows no recipe."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.features import Features

STAGE = 2
"""The third of SqueezeNet's four stages, stride 8: deep enough for objects, and they still have their places. There a
photo with a painting's palette has moved by 0.45, a grey one by 0.5, one blurred to 16 px by 0.7, another by 1."""


def codes(pictures: Tensor, features: Features | None) -> Tensor:
    """What pictures [n, c, h, w] in [-1, 1] show, and where: float32 [n, d, h', w'].

    A deep stage of the network, each place brought to length 1, so that contrast doesn't count; without a network, the
    picture itself at 8×8 pixels.
    """
    if features is None:
        return F.adaptive_avg_pool2d(pictures.float(), 8)
    return F.normalize(features(pictures)[STAGE].float(), dim=1)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """How far codes are from codes, float32 [n]: the mean over places of the Euclidean distance there."""
    return (a - b).square().sum(1).add(1e-12).sqrt().mean((1, 2))


@torch.no_grad()
def moved(before: Tensor, after: Tensor, features: Features | None) -> float:
    """The mean distance between pictures [n, c, h, w] and what became of them, over that between different pictures.

    0: nothing moved; 1: a picture shows as little of itself as of any other.
    """
    was, became = (
        torch.cat([codes(part, features) for part in torch.split(pictures, 256)]) for pictures in (before, after)
    )
    different = distances(was, was.roll(len(was) // 2, 0)).mean()
    return float(distances(was, became).mean() / different)
