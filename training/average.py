"""The exponential moving average of a network's weights: what is previewed, measured and exported."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


def average_of(network: nn.Module) -> nn.Module:
    """A frozen copy to average into, in evaluation mode."""
    return copy.deepcopy(network).eval().requires_grad_(False)


def share(*, batch: int, seen: int, half_life: float) -> float:
    """The share of the newest weights in the average after a step of `batch` pictures, `seen` of them in all so far.

    The half-life grows with the run up to `half_life` pictures, at 5 % of what was seen, so that a short run is
    averaged from its start and does not ship its first weights (Karras et al. 2020, `ema_rampup`).
    """
    return 1 - float(0.5 ** (batch / max(min(half_life, 0.05 * seen), 1e-8)))


@torch.no_grad()
def update(average: nn.Module, network: nn.Module, share: Tensor) -> None:
    """Moves `average` towards `network` by `share`, a scalar in [0, 1] on their device.

    Buffers that hold numbers, as running statistics do, are averaged too; counters are copied.
    """
    state: dict[str, Any] = network.state_dict()
    for name, kept in average.state_dict().items():
        if kept.is_floating_point():
            kept.lerp_(state[name].to(kept.dtype), share.to(kept.dtype))
        else:
            kept.copy_(state[name])
