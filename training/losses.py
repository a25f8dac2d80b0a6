"""Adversarial objectives and penalties: functions of logits and pictures that know no network.

All logits are float32 of any shape, before the sigmoid; every function answers a scalar, the mean over its input.
`critic` and `generator` take the objective's name, so that a recipe offers all of them by one setting.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Objective = Literal["minimax", "nonsaturating", "leastsquares", "hinge", "relativistic"]


def critic(objective: Objective, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator minimises: `real` scores up, `fake` scores down.

    minimax, nonsaturating: binary cross-entropy (Goodfellow et al. 2014, eq. 1); leastsquares: targets 1 and 0 (Mao
    et al. 2017, eq. 9); hinge (Lim & Ye 2017; Miyato et al. 2018, eq. 16); relativistic: each real is paired with one
    fake (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2), so the two must have the same shape.
    """
    match objective:
        case "minimax" | "nonsaturating":
            return F.softplus(-real).mean() + F.softplus(fake).mean()
        case "leastsquares":
            return 0.5 * ((real - 1).square().mean() + fake.square().mean())
        case "hinge":
            return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        case "relativistic":
            return F.softplus(fake - real).mean()


def generator(objective: Objective, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """What the generator minimises. Only `relativistic` looks at `real`, and raises ValueError without it.

    minimax is log(1 - D(G(z))) as Goodfellow et al. (2014, eq. 1) wrote it, whose gradient vanishes while the
    discriminator wins; nonsaturating is their remedy, -log D(G(z)) (section 3).
    """
    match objective:
        case "minimax":
            return -F.softplus(fake).mean()
        case "nonsaturating":
            return F.softplus(-fake).mean()
        case "leastsquares":
            return 0.5 * (fake - 1).square().mean()
        case "hinge":
            return -fake.mean()
        case "relativistic":
            if real is None:
                raise ValueError("the relativistic objective compares: it needs the real scores too")
            return F.softplus(real - fake).mean()


def reach(scores: Tensor, margin: float = 1.0) -> Tensor:
    """Pushes scores up to the margin of the hinge objective, and no further.

    A generator rewarded for ever higher class scores draws one prototype of each class: this asks of its pictures
    what the hinge asks of real ones.
    """
    return F.relu(margin - scores).mean()


def gradient_penalty(score: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """Zero-centred gradient penalty, the mean of ‖∇ score(x)‖² over x (Mescheder et al. 2018, eq. 9).

    On real pictures it is R1, on generated ones R2; the usual weight is γ/2. pictures [n, c, h, w]; `score` answers
    logits of any shape. Computed in float32: second derivatives lose too much in half precision.
    """
    with torch.autocast(pictures.device.type, enabled=False):
        x = pictures.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()
