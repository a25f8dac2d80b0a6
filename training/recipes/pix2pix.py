"""Lecture 2.3: image to image (Isola et al. 2017). A picture in, the picture that belongs to it out.

The mean error alone draws the mean of everything that could be right, which is blur; the discriminator judges patches
of the pair, and blur is no patch of a photo. `--adversarial 0` and `--l1 0` take either of the two away.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from app import contract
from training import health, losses
from training.data import Examples, Split, pairs
from training.features import Features, load
from training.nets.blocks import Pair
from training.nets.edges import FromPictures, ToPictures
from training.nets.patchgan import PatchDiscriminator, patch_depth
from training.nets.unet import UNet
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source
from training.settings import RunSettings

COMMON = {"mirror": True, "beta1": 0.5, "beta2": 0.999}


class Pix2pix(Recipe):
    """A generator from picture to picture, and a discriminator that sees both."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**COMMON, "size": 32, "images": 3_000, "batch": 8, "width": 16, "critic_width": 16},
        "cpu": {**COMMON, "size": 128, "images": 24_000, "batch": 4, "sheet_every": 4_000, "status_every": 1_000},
        "gpu": {**COMMON, "size": 256, "images": 80_000, "batch": 4, "width": 64, "critic_width": 64, "depth": 6},
    }
    tasks: ClassVar[tuple[contract.Task, ...]] = ("translate",)
    measured: ClassVar[int] = 200

    given: pairs.Side = Field("right", description="the side of a file that the generator is given")
    jitter: float = Field(9 / 8, ge=1, le=2, description="enlargement before a random window is cut out; 1: none")
    l1: float = Field(100.0, ge=0, description="weight of the mean absolute error; 0: the discriminator alone teaches")
    # Isola et al. take 1; a spectrally normalised discriminator is flatter, and at 1 its gradient at the picture was
    # measured at 1/26 of the error's.
    adversarial: float = Field(10.0, ge=0, description="weight of the discriminator's verdict; 0: there is none")
    width: int = Field(32, gt=1, description="channels of the generator at half size")
    depth: int = Field(5, gt=0, description="halvings in the generator; fewer where a picture has fewer")
    grain: int = Field(0, ge=0, description="planes of noise that the generator is given besides")
    critic_width: int = Field(32, gt=0, description="channels of the discriminator at half size")
    judge: Path | None = Field(None, description="a frozen network to measure by")

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if not self.l1 and not self.adversarial:
            raise ValueError("l1 and adversarial are both 0: the generator would learn nothing")
        return self

    @cached_property
    def measured_by(self) -> Features | None:
        """The pre-trained network that ranks checkpoints, if one is given."""
        return None if self.judge is None else load(self.judge)

    def examples(self, settings: RunSettings, split: Split = "train") -> Examples:
        return pairs.load(
            settings.data,
            given=self.given,
            size=settings.size,
            channels=settings.channels,
            split=split,
            jitter=self.jitter if split == "train" else 1,
            mirror=settings.mirror,
        )

    def networks(self, source: Source) -> Networks:
        generator = UNet(
            size=source.size,
            given=source.channels,
            channels=source.channels,
            width=self.width,
            depth=self.depth,
            grain=self.grain,
        )
        if not self.adversarial:
            return {"generator": generator}
        critic = PatchDiscriminator(
            channels=source.channels, given=source.channels, width=self.critic_width, depth=patch_depth(source.size)
        )
        return {"generator": generator, "critic": critic}

    def phases(self) -> Sequence[Phase]:
        generator = Phase("generator", ("generator",))
        return (Phase("critic", ("critic",)), generator) if self.adversarial else (generator,)

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        generator, given = networks["generator"], batch.condition()
        if phase == "critic":
            critic = networks["critic"]
            with torch.no_grad():
                drawn = generator(given)
            return {"tell": losses.critic("leastsquares", critic(Pair(batch.real, given)), critic(Pair(drawn, given)))}
        drawn = generator(given)
        terms = {}
        if self.l1:
            terms["l1"] = self.l1 * F.l1_loss(drawn, batch.real)
        if self.adversarial:
            verdict = networks["critic"](Pair(drawn, given))
            terms["fool"] = self.adversarial * losses.generator("leastsquares", verdict)
        return terms

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        given = batch.condition()
        drawn = networks["generator"](given)
        signs = {"error": float(F.l1_loss(drawn, batch.real)), "diversity": health.diversity(batch.real, drawn)}
        if not self.adversarial:
            return signs
        critic = networks["critic"]
        right, wrong = (critic(Pair(pictures, given)) for pictures in (batch.real, drawn))
        return signs | health.discrimination(right, wrong)

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        drawn = torch.cat([networks["generator"](part) for part in torch.split(batch.condition(), 32)])
        where = self.measured_by.reference if self.measured_by else "8-px pictures"
        return Measure(f"kernel distance on {where}", health.kernel_distance(batch.real, drawn, self.measured_by))

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """Twice three rows: what was given, what is drawn of it, and what is real."""
        panels = []
        for given, real in list(zip(torch.split(batch.condition(), 8), torch.split(batch.real, 8), strict=True))[:2]:
            panels += [Panel("given", given), Panel("drawn", networks["generator"](given)), Panel("real", real)]
        return panels

    def exports(self, networks: Networks) -> list[Export]:
        generator = networks["generator"]
        assert isinstance(generator, UNet)
        tensors = [
            contract.Tensor(
                name=name,
                meaning="image",
                dtype="uint8",
                shape=("n", "h", "w", channels),
                layout="NHWC",
                range=(0, 255),
                multiple=generator.multiple,
            )
            for name, channels in (("picture", generator.given), ("image", generator.channels))
        ]
        example = torch.zeros(2, generator.size, generator.size, generator.given, dtype=torch.uint8)
        return [Export("generator", ToPictures(FromPictures(generator)), (tensors[0],), (tensors[1],), (example,))]
