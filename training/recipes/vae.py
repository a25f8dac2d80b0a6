"""Lecture 1.3: the variational auto-encoder (Kingma & Welling 2014). A picture to a cloud of codes, and back.

The code has three parts: the mean m and σ are the encoder's, e is noise, and c = exp(σ)·e + m. A penalty keeps the
clouds near the normal distribution, so that what lies between real pictures' codes is drawn in training too.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from app import contract, latents
from training.nets.autoencoders import VariationalEncoder
from training.recipes import Batch, Measure, Networks, Source
from training.recipes.autoencoder import COMMON, Autoencoder, error


class Vae(Autoencoder):
    """An encoder to a mean and a deviation for each value of the code, and a decoder, the `generator`."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**COMMON, "size": 16, "images": 60_000, "width": 16, "latent": 16},
        "cpu": {**COMMON, "size": 32, "images": 3_000_000, "batch": 128},
        "gpu": {**COMMON, "size": 32, "images": 20_000_000, "batch": 256, "width": 128},
    }

    width: int = Field(48, gt=0, description="channels at half size, of encoder and decoder")
    weight: float = Field(
        0.2, ge=0, description="of the penalty: 0 is an auto-encoder; more makes random codes safer, and blurs"
    )
    penalty: Literal["exact", "lecture"] = Field(
        "exact", description="twice the divergence from the normal distribution, or the lecture's form of it"
    )

    def _encoder(self, source: Source) -> nn.Module:
        return VariationalEncoder(size=source.size, channels=source.channels, width=self.width, latent=self.latent)

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:  # noqa: ARG002 (there is one)
        noise = torch.randn(len(batch.real), self.latent, device=batch.real.device)
        return self._bound(networks, batch.real, noise)

    def _bound(self, networks: Networks, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        mean, deviation = networks["encoder"](real)
        back = networks["generator"](deviation * noise + mean)
        penalty = divergence(mean, deviation, self.penalty)
        return {"reconstruction": error(back, real), "divergence": self.weight * penalty}

    def encode(self, networks: Networks, pictures: Tensor) -> Tensor:
        """The means: the same code in every call."""
        mean: Tensor = networks["encoder"](pictures)[0]
        return mean

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        means = self.encode(networks, batch.real)
        # Of the code's values, those that say anything of the picture (Burda et al. 2016, §5.2).
        return super().health(networks, batch) | {"active": float((means.var(0) > 0.01).sum())}

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        """Error and penalty, what training lowers, at fixed noise.

        Not the distance of samples to real pictures at 8 px: in the `cpu` preset it rose
        from 0.44 at 50,000 pictures to 0.52 at 200,000, while the samples became garments.
        """
        noise = torch.from_numpy(latents.noise(0, range(len(batch.real)), self.latent)).to(batch.real.device)
        told = [
            len(real) * sum(self._bound(networks, real, e).values())
            for real, e in zip(torch.split(batch.real, 250), torch.split(noise, 250), strict=True)
        ]
        return Measure("error and penalty", float(sum(told)) / len(batch.real))

    def _coded(self, latent: contract.Tensor) -> tuple[contract.Tensor, ...]:
        return (latent, latent.model_copy(update={"name": "deviation", "meaning": "deviation"}))


def divergence(mean: Tensor, deviation: Tensor, penalty: Literal["exact", "lecture"] = "exact") -> Tensor:
    """How far clouds of codes are from the normal distribution, summed over the code and averaged over pictures.

    mean, deviation [n, latent], deviation = exp(σ). The lecture's Σ exp(σ) - (1 + σ) + m², and, with the variance
    exp(2σ) in the place of exp(σ) all through it, exactly twice the Kullback-Leibler divergence (Kingma & Welling
    2014, appendix B). Both are 0 at mean 0 and deviation 1 only; the lecture's pulls the means closer together than a
    random normal code falls: where a value says much, to a deviation of √½ over the data.
    """
    spread = deviation if penalty == "lecture" else deviation.square()
    return (spread - (1 + spread.log()) + mean.square()).sum(1).mean()
