"""Lecture 1.1: the generative adversarial network (Goodfellow et al. 2014). Noise in, picture out.

Minimax and non-saturating stand side by side as `--loss`, with the objectives that came after them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from app import contract, latents
from training import health, losses
from training.augment import augment, ramp
from training.features import Features, load
from training.nets.discriminators import ConvolutionalDiscriminator, ProjectedDiscriminator
from training.nets.edges import ToPictures
from training.nets.generators import ResidualGenerator
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source


class Gan(Recipe):
    """A generator and a discriminator of pictures, with no condition."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"size": 16, "channels": 1, "images": 60_000, "width": 16, "latent": 32, "r1": 0.1},
        "cpu": {"size": 32, "channels": 3, "images": 1_500_000, "width": 32, "r1": 0.1},
        "gpu": {"size": 32, "channels": 3, "images": 20_000_000, "batch": 256, "width": 128, "r1": 0.1},
    }

    capturable: ClassVar[bool] = True

    loss: losses.Objective = Field("nonsaturating", description="the adversarial objective")
    latent: int = Field(128, gt=0, description="size of the latent")
    width: int = Field(32, gt=0, description="channels of the generator at full size")
    critic_width: int | None = Field(None, gt=0, description="channels of the discriminator; default: its kind's own")
    features: Path | None = Field(None, description="a frozen network for the discriminator to stand on")
    judge: Path | None = Field(None, description="a frozen network to measure by; default: the one of --features")
    r1: float = Field(0.0, ge=0, description="weight γ of the gradient penalty on real pictures")
    r2: float = Field(0.0, ge=0, description="weight γ of the gradient penalty on generated pictures")
    lazy: int = Field(16, gt=0, description="steps from one penalty to the next; its weight grows as much")
    augment: float = Field(0.0, ge=0, le=1, description="largest probability of DiffAugment; for sets under 10,000")

    @cached_property
    def frozen(self) -> Features | None:
        """The pre-trained network under the discriminator, if one is given."""
        return None if self.features is None else load(self.features)

    @cached_property
    def measured_by(self) -> Features | None:
        """The pre-trained network that ranks checkpoints, if one is given."""
        return self.frozen if self.judge is None else load(self.judge)

    def networks(self, source: Source) -> Networks:
        return {"generator": self._generator(source), "critic": self._critic(source)}

    def _generator(self, source: Source, classes: int = 0) -> ResidualGenerator:
        return ResidualGenerator(
            latent=self.latent, size=source.size, channels=source.channels, width=self.width, classes=classes
        )

    def _critic(self, source: Source, classes: int = 0) -> ConvolutionalDiscriminator | ProjectedDiscriminator:
        if self.frozen is not None:
            return ProjectedDiscriminator(self.frozen, width=self.critic_width or 64, classes=classes)
        width = self.critic_width or self.width
        return ConvolutionalDiscriminator(size=source.size, channels=source.channels, width=width, classes=classes)

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic",)), Phase("generator", ("generator",)))

    def kind(self, step: int) -> int:
        return int(step % self.lazy == 0)

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        generator, critic = networks["generator"], networks["critic"]
        chance = ramp(self.augment, batch.progress)
        real = augment(batch.real, chance)
        fake = augment(generator(self._noise(batch)), chance)
        if phase == "generator":
            opponent = critic(real).realness if self.loss == "relativistic" else None
            return {"fool": losses.generator(self.loss, critic(fake).realness, opponent)}
        terms = {"tell": losses.critic(self.loss, critic(real).realness, critic(fake).realness)}
        return terms | self._penalties(lambda x: critic(x).realness, real, fake, batch.step)

    def _noise(self, batch: Batch) -> Tensor:
        return torch.randn(len(batch.real), self.latent, device=batch.real.device)

    def _penalties(self, score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, step: int) -> dict[str, Tensor]:
        """R1 and R2, every `lazy` steps and that much heavier (Karras et al. 2020, appendix B)."""
        if not self.kind(step):
            return {}
        weighted = (("r1", self.r1, real), ("r2", self.r2, fake))
        return {
            name: self.lazy * weight / 2 * losses.gradient_penalty(score, pictures)
            for name, weight, pictures in weighted
            if weight
        }

    def samples(self, networks: Networks, indices: range, like: Batch) -> Tensor:
        """Pictures of seed 0 at `indices`, [n, c, h, w] in [-1, 1]: the same latents in every call and every run."""
        noise = torch.from_numpy(latents.noise(0, indices, self.latent)).to(like.real.device)
        pictures: Tensor = networks["generator"](noise)
        return pictures.float()

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        return self._signs(networks, batch, self.samples(networks, range(len(batch.real)), batch))

    def _signs(self, networks: Networks, batch: Batch, fake: Tensor) -> dict[str, float]:
        critic = networks["critic"]
        signs = health.discrimination(critic(batch.real).realness, critic(fake).realness)
        return signs | {"diversity": health.diversity(batch.real, fake)}

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        count = len(batch.real)
        parts = [range(start, min(start + 250, count)) for start in range(0, count, 250)]
        fake = torch.cat([self.samples(networks, part, batch) for part in parts])
        where = self.measured_by.reference if self.measured_by else "8-px pictures"
        return Measure(f"kernel distance on {where}", health.kernel_distance(batch.real, fake, self.measured_by))

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        return [Panel("", self.samples(networks, range(row, row + 8), batch)) for row in range(0, 64, 8)]

    def exports(self, networks: Networks) -> list[Export]:
        latent = contract.Tensor(name="latent", meaning="latent", dtype="float32", shape=("n", self.latent))
        return [self._export(networks, (latent,), (torch.zeros(2, self.latent),))]

    def _export(self, networks: Networks, inputs: tuple[contract.Tensor, ...], example: tuple[Tensor, ...]) -> Export:
        module = ToPictures(networks["generator"])
        with torch.no_grad():
            shape = ("n", *module(*example).shape[1:])
        image = contract.Tensor(
            name="image", meaning="image", dtype="uint8", shape=shape, layout="NHWC", range=(0, 255)
        )
        return Export("generator", module, inputs, (image,), example)
