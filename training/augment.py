"""DiffAugment: differentiable translation and colour, for sets too small for their discriminator.

Zhao et al. 2020. Both the real and the generated pictures pass through it on their way to the discriminator. Cutout is
left out: it leaks into samples of small sets (mit-han-lab/data-efficient-gans#84).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def ramp(strength: float, progress: Tensor) -> Tensor | None:
    """The probability at `progress` in [0, 1] of the run: from 0 to `strength` by a cosine (Huang et al. 2024).

    Both are scalars on the device. None for a strength of 0, which stays 0 throughout.
    """
    return strength * 0.5 * (1 - torch.cos(math.pi * progress)) if strength else None


def augment(pictures: Tensor, probability: Tensor | None) -> Tensor:
    """Each picture, with that probability, shifted by up to 1/8 of its size and changed in colour.

    pictures [n, c, h, w] in [-1, 1], not clipped; the same shape comes back. None returns them untouched.
    """
    if probability is None:
        return pictures
    chosen = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < probability
    return torch.where(chosen, _colour(_translate(pictures)), pictures)


def _translate(pictures: Tensor) -> Tensor:
    n, _, height, width = pictures.shape
    reach = max(1, height // 8)
    padded = F.pad(pictures, [reach] * 4)
    down = torch.randint(0, 2 * reach + 1, (n, 1, 1), device=pictures.device)
    right = torch.randint(0, 2 * reach + 1, (n, 1, 1), device=pictures.device)
    rows = torch.arange(height, device=pictures.device)[None, :, None] + down
    columns = torch.arange(width, device=pictures.device)[None, None, :] + right
    which = torch.arange(n, device=pictures.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)


def _colour(pictures: Tensor) -> Tensor:
    def factor() -> Tensor:
        return torch.rand(len(pictures), 1, 1, 1, device=pictures.device)

    x = pictures + (factor() - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (2 * factor()) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (0.5 + factor()) + mean
