"""Lecture 1.3: the auto-encoder. A picture to a short code and back; what comes back should be what went in.

Its decoder answers to a random code too, but nobody asked it to: between the codes of real pictures there may be
anything. `vae` is the remedy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from app import contract, latents
from training import health
from training.nets.autoencoders import Decoder, Encoder
from training.nets.edges import FromPictures, ToPictures
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source

COMMON = {"channels": 1, "rate": 1e-3, "beta1": 0.9, "average": 20_000}
CODES = ("encoder", "generator")
MAP = 16
"""Codes along each side of a code map."""


class Autoencoder(Recipe):
    """An encoder to a short code, and a decoder, the `generator`, back to the picture."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**COMMON, "size": 16, "images": 60_000, "width": 16, "latent": 16},
        "cpu": {**COMMON, "size": 32, "images": 3_000_000, "batch": 128},
        "gpu": {**COMMON, "size": 32, "images": 20_000_000, "batch": 256, "width": 128},
    }
    averaged: ClassVar[tuple[str, ...]] = CODES
    tasks: ClassVar[tuple[contract.Task, ...]] = ("generate", "reconstruct")

    latent: int = Field(32, gt=0, description="size of the code; with 2, the sample sheet shows a map of all codes")
    width: int = Field(40, gt=0, description="channels at half size, of encoder and decoder")

    def networks(self, source: Source) -> Networks:
        return {"encoder": self._encoder(source), "generator": self._decoder(source)}

    def _encoder(self, source: Source) -> nn.Module:
        return Encoder(size=source.size, channels=source.channels, width=self.width, latent=self.latent)

    def _decoder(self, source: Source) -> Decoder:
        return Decoder(latent=self.latent, size=source.size, channels=source.channels, width=self.width)

    def phases(self) -> Sequence[Phase]:
        return (Phase("codes", CODES),)

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:  # noqa: ARG002 (there is one)
        back = networks["generator"](networks["encoder"](batch.real))
        return {"reconstruction": error(back, batch.real)}

    def encode(self, networks: Networks, pictures: Tensor) -> Tensor:
        """The codes [n, latent] by which pictures are told apart and drawn again."""
        codes: Tensor = networks["encoder"](pictures)
        return codes

    def reconstruct(self, networks: Networks, pictures: Tensor) -> Tensor:
        """What comes back of pictures, in their shape."""
        back: Tensor = networks["generator"](self.encode(networks, pictures))
        return back

    def samples(self, networks: Networks, indices: range, like: Batch) -> Tensor:
        """Pictures of random codes, those of seed 0 at `indices`: the same in every call and every run."""
        noise = torch.from_numpy(latents.noise(0, indices, self.latent)).to(like.real.device)
        pictures: Tensor = networks["generator"](noise)
        return pictures

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        back = self.reconstruct(networks, batch.real)
        drawn = self.samples(networks, range(len(batch.real)), batch)
        return {"error": float(error(back, batch.real)), "diversity": health.diversity(batch.real, drawn)}

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        """What the auto-encoder is for: its random codes are shown, but they don't choose the checkpoint."""
        back = torch.cat([self.reconstruct(networks, part) for part in torch.split(batch.real, 250)])
        return Measure("reconstruction error", float(error(back, batch.real)))

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """Pictures and what comes back, the way from one code to another, random codes; the map of a 2-D code."""
        real = batch.real[:8]
        panels = [Panel("real", real), Panel("back", self.reconstruct(networks, real))]
        codes = self.encode(networks, real)
        for start in range(0, min(len(codes), 4) - 1, 2):
            panels.append(Panel("between", networks["generator"](between(codes[start], codes[start + 1], 8))))
        panels += [Panel("random", self.samples(networks, range(row, row + 8), batch)) for row in range(0, 32, 8)]
        if self.latent == 2:
            rows = code_map(MAP).to(real.device)
            panels += [Panel("code map", networks["generator"](row)) for row in rows]
        return panels

    def exports(self, networks: Networks) -> list[Export]:
        encoder, generator = networks["encoder"], networks["generator"]
        noise = torch.zeros(2, self.latent)
        with torch.no_grad():
            pictures: Tensor = ToPictures(generator)(noise)
        image = _tensor("image", "image", "uint8", pictures.shape[1:])
        picture = image.model_copy(update={"name": "picture"})
        latent = _tensor("latent", "latent", "float32", noise.shape[1:])
        return [
            Export("generator", ToPictures(generator), (latent,), (image,), (noise,)),
            Export("encoder", FromPictures(encoder), (picture,), self._coded(latent), (pictures,)),
        ]

    def _coded(self, latent: contract.Tensor) -> tuple[contract.Tensor, ...]:
        """What the encoder answers."""
        return (latent,)


def error(back: Tensor, pictures: Tensor) -> Tensor:
    """The squared error of pictures [n, c, h, w] in [-1, 1], summed over a picture and averaged over pictures."""
    return (back.float() - pictures).square().sum((1, 2, 3)).mean()


def between(start: Tensor, end: Tensor, count: int) -> Tensor:
    """`count` codes from `start` to `end` [latent], on a great circle as the service goes: [count, latent]."""
    a, b = start.cpu().numpy(), end.cpu().numpy()
    path = [torch.from_numpy(latents.slerp(a, b, step / (count - 1))) for step in range(count)]
    return torch.stack(path).to(start.device)


def code_map(side: int) -> Tensor:
    """A grid over the plane of 2-D codes, float32 [rows, columns, 2], each code equally probable under the prior.

    The values are quantiles of the normal distribution: the first of a code grows from left to right, the second from
    below to above.
    """
    quantiles = latents.quantiles(side)
    return torch.from_numpy(latents.plane(quantiles, quantiles, *np.eye(2, dtype=np.float32)))


def _tensor(name: str, meaning: contract.Meaning, dtype: Any, shape: Sequence[int]) -> contract.Tensor:
    """A tensor of the contract; `shape` is one sample's."""
    if meaning == "image":
        return contract.Tensor(
            name=name, meaning=meaning, dtype=dtype, shape=("n", *shape), layout="NHWC", range=(0, 255)
        )
    return contract.Tensor(name=name, meaning=meaning, dtype=dtype, shape=("n", *shape))
