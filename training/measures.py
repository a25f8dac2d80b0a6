"""How far apart two sets of pictures are, by their embeddings float32 [n, d]. Arithmetic alone: knows no pictures."""

import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

K = 5
"""The neighbour that spans a ball, for all four measures of `neighbours`; Naeem et al. use 5."""
SUBSET = 1000
SUBSETS = 100
"""The kernel distance is the mean over this many random subsets of that size, or of all where there are fewer."""
ROWS = 1024
"""Rows of a distance matrix that are in memory at once."""


class Embedded(nn.Identity):
    """Stands for torchmetrics' extractor where the embeddings are already there."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width


def distances(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Every measure of this file by its name; `real` is the reference, embeddings float32 [n, d] and [m, d].

    Both are first divided by the root mean square of `real`: an embedding's unit is arbitrary, SqueezeNet's is in the
    tens, and the kernel's third power would bury the distance in the noise of a few large pictures.
    """
    scale = real.square().mean().rsqrt()
    real, fake = real * scale, fake * scale
    return {"Fréchet distance": frechet(real, fake), "kernel distance": kernel(real, fake)} | neighbours(real, fake)


def frechet(real: Tensor, fake: Tensor) -> float:
    """Squared Fréchet distance between two normal distributions (Heusel et al. 2017, eq. 6), in float64.

    Biased upwards by few pictures: compare only values of equal counts.
    """
    distance = FrechetInceptionDistance(Embedded(real.shape[1]))
    distance.update(real, real=True)
    distance.update(fake, real=False)
    return max(0.0, float(distance.compute()))


def kernel(real: Tensor, fake: Tensor) -> float:
    """Squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018, §4), unbiased: 0 or below is equal.

    The subsets are drawn from a fixed seed.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message=".*save all extracted features in buffer")
        torch.manual_seed(0)
        size = min(SUBSET, len(real), len(fake))
        distance = KernelInceptionDistance(Embedded(real.shape[1]), subsets=SUBSETS, subset_size=size)
        distance.update(real, real=True)
        distance.update(fake, real=False)
        return float(distance.compute()[0])


def neighbours(real: Tensor, fake: Tensor) -> dict[str, float]:
    """What balls to the K-th neighbour say; each in [0, 1] but density.

    `precision`: the share of `fake` inside a ball of `real`; `recall`: of `real` inside a ball of `fake` (Kynkäänniemi
    et al. 2019, eq. 1). `density`: in how many balls of `real` a `fake` lies, over K; `coverage`: the share of balls
    of `real` with a `fake` inside (Naeem et al. 2020, eq. 3 and 4), which outliers can't flatter.
    """
    real_radii, fake_radii = radii(real), radii(fake)
    balls = torch.zeros(len(fake))
    covered, recalled = [], []
    for rows, reach in zip(torch.split(real, ROWS), torch.split(real_radii, ROWS), strict=True):
        distances = torch.cdist(rows, fake)
        inside = distances < reach[:, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances < fake_radii).any(1))
    return {
        "precision": float((balls > 0).float().mean()),
        "recall": float(torch.cat(recalled).float().mean()),
        "density": float(balls.mean() / K),
        "coverage": float(torch.cat(covered).float().mean()),
    }


def radii(points: Tensor) -> Tensor:
    """The distance [n] of each point to its K-th nearest other; `ValueError` for K points or fewer."""
    if len(points) <= K:
        raise ValueError(f"{len(points)} points have no neighbour number {K}")
    # The nearest of all is the point itself.
    near = [torch.cdist(rows, points).topk(K + 1, largest=False).values[:, -1] for rows in torch.split(points, ROWS)]
    return torch.cat(near)
