"""Lecture 3.2: a common latent space (UNIT, Liu et al. 2017). Two VAEs whose codes mean the same.

The last layers of both encoders are one, and so are the first of both decoders: what they say to each other must
serve both domains. So a photo's code can be decoded as a painting: encoders and decoders cross. `--no-sharing` leaves
the losses alone to hold the common space together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from training.nets.translators import Couple, Crossing
from training.recipes import Batch, Export, Networks, Phase, Source
from training.unpaired import CPU, GPU, SMOKE, TwoWays, l1, served

HERE, THERE = 0, 1
"""The two domains by number: the source and the target."""


class Unit(TwoWays):
    """Two VAEs with common inner layers, and a discriminator of each domain."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**SMOKE, "images": 400},
        "cpu": {**CPU, "images": 20_000, "width": 24, "blocks": 1, "rate": 6e-4},
        "gpu": {**GPU, "images": 150_000, "width": 24, "blocks": 1},
    }
    averaged: ClassVar[tuple[str, ...]] = ("generator",)

    sharing: bool = Field(True, description="one and the same inner layers for both domains")
    reconstruct: float = Field(10.0, ge=0, description="weight of the L1 distance of each VAE's reconstruction")
    cycle: float = Field(10.0, ge=0, description="weight of the L1 distance after crossing twice")
    deviation: float = Field(0.1, gt=0, description="of a code around its mean; in the paper 1, which drowns detail")
    divergence: float = Field(0.01, ge=0, description="weight of the codes' divergence from the prior")

    def networks(self, source: Source) -> Networks:
        couple = Couple(
            size=source.size,
            channels=source.channels,
            width=self.width,
            blocks=self.blocks,
            sharing=self.sharing,
        )
        return {"generator": couple, "critic": self._critic(source), "inverse_critic": self._critic(source)}

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic", "inverse_critic")), Phase("generator", ("generator",)))

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        couple = _couple(networks)
        given, real = batch.condition(), batch.real
        means = couple.encode(HERE, given), couple.encode(THERE, real)
        here, there = (self._noisy(mean) for mean in means)
        fake, inverse = couple.decode(THERE, here), couple.decode(HERE, there)
        if phase == "critic":
            return self._tell_both(networks, batch, fake, inverse)
        again = couple.encode(THERE, fake), couple.encode(HERE, inverse)
        home, away = (self._noisy(mean) for mean in again)
        rebuilt = l1(couple.decode(HERE, here), given) + l1(couple.decode(THERE, there), real)
        returned = l1(couple.decode(HERE, home), given) + l1(couple.decode(THERE, away), real)
        return self._fool_both(networks, batch, fake, inverse) | {
            "reconstruct": self.reconstruct * rebuilt,
            "cycle": self.cycle * returned,
            "divergence": self.divergence * torch.stack([divergence(mean) for mean in (*means, *again)]).sum(),
        }

    def _noisy(self, mean: Tensor) -> Tensor:
        """A code drawn from the normal distribution of that mean."""
        return mean + self.deviation * torch.randn_like(mean)

    def back(self, networks: Networks) -> Callable[[Tensor], Tensor]:
        generator = networks["generator"]
        return Crossing(generator, THERE) if isinstance(generator, Couple) else networks["inverse"]

    def exports(self, networks: Networks) -> list[Export]:
        couple = _couple(networks)
        return [served("generator", Crossing(couple, HERE)), served("inverse", Crossing(couple, THERE))]


def divergence(mean: Tensor) -> Tensor:
    """Twice the Kullback–Leibler divergence of N(mean, σ²) from N(0, 1) but for what σ alone decides; a mean."""
    return mean.float().square().mean()


def _couple(networks: Networks) -> Couple:
    couple = networks["generator"]
    assert isinstance(couple, Couple)
    return couple
