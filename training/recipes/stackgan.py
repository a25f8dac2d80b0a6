"""Lecture 2.2: StackGAN (Zhang et al. 2017). A small picture first; then a large one, from it and the condition again.

Each stage is a conditional GAN with a discriminator of its own, whose two heads are StackGAN-v2's unconditional and
conditional loss (Zhang et al. 2018, eq. 3). Both learn in every step, as there, or one after the other, as in the first
StackGAN (`--first`). Stage 1 is frozen in the phases of stage 2: it answers for its own picture only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from training.nets.stages import FoldedDiscriminator, Stacked, Stage1, Stage2, enlarged
from training.recipes import Batch, Export, Networks, Panel, Phase, Source
from training.recipes.cgan import Cgan

_SMALL_SET = {"r1": 0.1, "augment": 0.5, "mirror": True}
"""What keeps a discriminator from learning a few thousand pictures by heart."""

_JOINT = {"width": 32, "heads": "joint"}
_WIDE = {**_JOINT, "critic_width": 64, "rate": 3e-4}
"""Of three runs of 9 minutes on cats and dogs, the one that drew dogs: kernel distance 0.31, with split heads 0.44."""


class Stackgan(Cgan):
    """Two conditional generators, the second of which reads the first one's picture, and two discriminators."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"size": 16, "channels": 1, "images": 30_000, "width": 16, "latent": 32, "r1": 0.1},
        "cpu": {"size": 64, "images": 600_000, "average": 20_000, "latent": 192, "first": 0.7, **_JOINT, **_SMALL_SET},
        "gpu": {"size": 64, "images": 2_000_000, "batch": 128, **_WIDE, **_SMALL_SET, "r1": 0.5},
    }
    averaged: ClassVar[tuple[str, ...]] = ("stage1", "stage2")

    heads: Literal["joint", "split"] = Field("split", description="one score for the pair, or realness and match apart")
    latent: int = Field(128, gt=1, multiple_of=2, description="size of the latent; half of it is the condition's noise")
    first: float = Field(
        0.0, ge=0, lt=1, description="share of the run in which stage 1 learns alone, then stage 2; 0: both"
    )
    blocks: int = Field(2, gt=0, description="residual blocks of stage 2 at a quarter of its size")
    divergence: float = Field(1.0, ge=0, description="weight of the condition's divergence from a standard normal")

    def networks(self, source: Source) -> Networks:
        classes, small = len(source.classes), replace(source, size=source.size // 2)
        return {
            "stage1": Stage1(
                latent=self.latent, size=small.size, channels=source.channels, width=self.width, classes=classes
            ),
            "critic1": self._critic(small, classes),
            "stage2": Stage2(
                latent=self.latent, channels=source.channels, width=self.width, blocks=self.blocks, classes=classes
            ),
            "critic2": self._large_critic(source, classes),
        }

    def _large_critic(self, source: Source, classes: int) -> nn.Module:
        if self.frozen is not None:
            return self._critic(source, classes)
        width = self.critic_width or self.width
        return FoldedDiscriminator(size=source.size, channels=source.channels, width=width, classes=classes)

    def phases(self) -> Sequence[Phase]:
        ends = self.first or 1.0
        return (
            Phase("critic1", ("critic1",), ends=ends),
            Phase("generator1", ("stage1",), ends=ends),
            Phase("critic2", ("critic2",), begins=self.first),
            Phase("generator2", ("stage2",), begins=self.first),
        )

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        kind, stage = phase[:-1], phase[-1]
        real = F.avg_pool2d(batch.real, 2) if stage == "1" else batch.real
        terms = super().terms(kind, _single(networks, stage), replace(batch, real=real))
        if kind == "generator":
            assert batch.labels is not None
            drawing = networks[f"stage{stage}"]
            assert isinstance(drawing, Stage1 | Stage2)
            terms["divergence"] = self.divergence * drawing.augmentation.divergence(batch.labels)
        return terms

    def samples(self, networks: Networks, indices: range, like: Batch, label: int | None = None) -> Tensor:
        return super().samples(_single(networks, "2"), indices, like, label)

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        return super().health(_single(networks, "2"), batch)

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """Two rows for each class: what stage 1 draws, enlarged, and under it what stage 2 makes of it."""
        assert batch.labels is not None
        panels = []
        for label in sorted(set(batch.labels.tolist()))[:8]:
            small = super().samples({"generator": networks["stage1"]}, range(10), batch, label)
            panels.append(Panel(f"{label} stage 1", enlarged(small)))
            panels.append(Panel(f"{label} stage 2", self.samples(networks, range(10), batch, label)))
        return panels

    def exports(self, networks: Networks) -> list[Export]:
        generator, *judge = super().exports(_single(networks, "2"))
        (stage1,) = super().exports({"generator": networks["stage1"]})
        return [generator, stage1._replace(role="stage1"), *judge]


def _single(networks: Networks, stage: str) -> Networks:
    """One stage as the conditional GAN that it is; stage 2 draws on stage 1, or is the exported graph of both."""
    if "generator" in networks:
        return {"generator": networks["generator"]}
    stage1, stage2 = networks["stage1"], networks["stage2"]
    assert isinstance(stage1, Stage1)
    assert isinstance(stage2, Stage2)
    generator: nn.Module = stage1 if stage == "1" else Stacked(stage1, stage2)
    single = {"generator": generator}
    if f"critic{stage}" in networks:
        single["critic"] = networks[f"critic{stage}"]
    return single
