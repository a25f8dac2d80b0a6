"""What the four unpaired systems share: two domains of pictures, none of which is the other's counterpart.

One way, `generator` leads from the source domain to the target, and `critic` judges what arrives. Two ways, `inverse`
leads back, judged by `inverse_critic`.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from app import contract
from training import content, health, losses
from training.augment import augment, ramp
from training.data import DataError, Examples, Split, domains
from training.features import Features, load
from training.nets.discriminators import ProjectedDiscriminator, Scores
from training.nets.edges import FromPictures, ToPictures
from training.nets.patchgan import PatchDiscriminator, patch_depth
from training.nets.translators import MULTIPLE, Crossing, Translator
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source
from training.settings import RunSettings

SMOKE: dict[str, Any] = {"size": 32, "batch": 8, "width": 8, "blocks": 1, "critic_width": 16, "beta1": 0.5}
CPU: dict[str, Any] = {"size": 64, "batch": 8, "rate": 4e-4, "beta1": 0.5, "mirror": True, "sheet_every": 1000}
GPU: dict[str, Any] = {"size": 128, "batch": 16, "beta1": 0.5, "mirror": True, "sheet_every": 5000}
"""What the presets of the four systems have in common. Measured often: past its best, a translator gets worse."""

SHOWN = 12
"""Pictures in a row of the sample sheet."""


class Way(NamedTuple):
    """From one domain to the other: what translates, pictures to translate, and real ones of where they go."""

    translate: Callable[[Tensor], Tensor]
    given: Tensor
    real: Tensor


class Unpaired(Recipe):
    """A translator from one domain of pictures to another, and a discriminator of the pictures of the other."""

    tasks: ClassVar[tuple[contract.Task, ...]] = ("style",)
    measured: ClassVar[int] = 400

    source: str = Field("photo", description="the folder of the pictures to translate")
    target: str = Field("monet", description="the folder of the pictures to resemble")
    width: int = Field(20, gt=0, description="channels of the translator at full size")
    blocks: int = Field(2, gt=0, description="depth of the translator, in residual blocks")
    loss: losses.Objective = Field("hinge", description="the adversarial objective")
    features: Path | None = Field(None, description="a frozen network for the discriminator to stand on")
    judge: Path | None = Field(None, description="a frozen network to measure by; default: the one of --features")
    critic_width: int = Field(64, gt=0, description="channels of the discriminator's first layer, or of its heads")
    r1: float = Field(0.0, ge=0, description="weight γ of the gradient penalty on real pictures")
    lazy: int = Field(16, gt=0, description="steps from one penalty to the next; its weight grows as much")
    augment: float = Field(0.0, ge=0, le=1, description="largest probability of DiffAugment")

    @cached_property
    def frozen(self) -> Features | None:
        """The pre-trained network under the discriminator, if one is given."""
        return None if self.features is None else load(self.features)

    @cached_property
    def measured_by(self) -> Features | None:
        """The pre-trained network that ranks checkpoints, if one is given."""
        return self.frozen if self.judge is None else load(self.judge)

    def examples(self, settings: RunSettings, split: Split = "train") -> Examples:
        s = settings
        examples = domains.load(
            s.data,
            source=self.source,
            target=self.target,
            size=s.size,
            channels=s.channels,
            split=split,
            mirror=s.mirror,
        )
        self.styles()  # DataError before anything is trained that could not be served.
        return examples

    def networks(self, source: Source) -> Networks:
        return {"generator": self._translator(source), "critic": self._critic(source)}

    def _translator(self, source: Source) -> Translator:
        return Translator(size=source.size, channels=source.channels, width=self.width, blocks=self.blocks)

    def _critic(self, source: Source) -> nn.Module:
        if self.frozen is not None:
            return ProjectedDiscriminator(self.frozen, width=self.critic_width)
        return PatchDiscriminator(channels=source.channels, width=self.critic_width, depth=patch_depth(source.size))

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic",)), Phase("generator", ("generator",)))

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        given, critic = batch.condition(), networks["critic"]
        fake = networks["generator"](given)
        if phase == "critic":
            return self._tell(critic, batch.real, fake, batch)
        return {"fool": self._fool(critic, fake, batch.real, batch)} | self._keep(given, fake)

    def _keep(self, given: Tensor, fake: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """What ties a translation to the picture that it was made of; nothing, unless a recipe says so."""
        return {}

    def _tell(self, critic: nn.Module, real: Tensor, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What a discriminator minimises, with R1 every `lazy` steps, and that much heavier."""
        chance = ramp(self.augment, batch.progress)
        on_real, on_fake = (score(critic, augment(pictures, chance)) for pictures in (real, fake))
        terms = {"tell": losses.critic(self.loss, on_real, on_fake)}
        if self.r1 and batch.step % self.lazy == 0:
            penalty = losses.gradient_penalty(lambda x: score(critic, x), real)
            terms["r1"] = self.lazy * self.r1 / 2 * penalty
        return terms

    def _fool(self, critic: nn.Module, fake: Tensor, real: Tensor, batch: Batch) -> Tensor:
        """What a translator minimises to be taken for real."""
        chance = ramp(self.augment, batch.progress)
        opponent = score(critic, augment(real, chance)) if self.loss == "relativistic" else None
        return losses.generator(self.loss, score(critic, augment(fake, chance)), opponent)

    def ways(self, networks: Networks, batch: Batch) -> tuple[Way, ...]:
        """Every translation that the system learns, the served one first."""
        return (Way(networks["generator"], batch.condition(), batch.real),)

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        given, critic = batch.condition(), networks["critic"]
        fake = networks["generator"](given).float()
        signs = health.discrimination(score(critic, batch.real), score(critic, fake))
        kept = {"moved": content.moved(given, fake, self.measured_by)}
        return signs | {"diversity": health.diversity(given, fake)} | kept

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        """How far the translations are from where neither the domain nor the content is missed; 1 is the untouched.

        √(d² + c²), the mean over all ways: d is the kernel distance to the target domain over that of the untouched
        pictures, c how far the content moved (see `training.content`). Not to move costs as much as to lose all of it.
        """
        values = [self._missed(way) for way in self.ways(networks, batch)]
        where = self.measured_by.reference if self.measured_by else "8-px pictures"
        return Measure(f"domain and content missed, on {where}", sum(values) / len(values))

    def _missed(self, way: Way) -> float:
        given, real = distinct(way.given), distinct(way.real)
        fake = torch.cat([way.translate(part).float() for part in torch.split(given, 50)])
        far, untouched = (health.kernel_distance(real, pictures, self.measured_by) for pictures in (fake, given))
        return math.hypot(max(far, 0.0) / max(untouched, 1e-8), content.moved(given, fake, self.measured_by))

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        given = batch.condition()[:SHOWN]
        return [Panel(self.source, given), Panel(f"as {self.target}", networks["generator"](given))]

    def exports(self, networks: Networks) -> list[Export]:
        return [served(name, networks[name]) for name in self.styles().values()]

    def styles(self) -> dict[str, str]:
        return {style(self.target): "generator"}


class TwoWays(Unpaired):
    """A translator each way, and a discriminator of each domain."""

    averaged: ClassVar[tuple[str, ...]] = ("generator", "inverse")

    def networks(self, source: Source) -> Networks:
        return {
            "generator": self._translator(source),
            "inverse": self._translator(source),
            "critic": self._critic(source),
            "inverse_critic": self._critic(source),
        }

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic", "inverse_critic")), Phase("generator", self.averaged))

    @abstractmethod
    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]: ...

    def _tell_both(self, networks: Networks, batch: Batch, fake: Tensor, back: Tensor) -> dict[str, Tensor]:
        """The terms of both discriminators; `fake` is of the target domain, `back` of the source."""
        there = self._tell(networks["critic"], batch.real, fake, batch)
        here = self._tell(networks["inverse_critic"], batch.condition(), back, batch)
        return there | {f"inverse {name}": term for name, term in here.items()}

    def _fool_both(self, networks: Networks, batch: Batch, fake: Tensor, back: Tensor) -> dict[str, Tensor]:
        return {
            "fool": self._fool(networks["critic"], fake, batch.real, batch),
            "inverse fool": self._fool(networks["inverse_critic"], back, batch.condition(), batch),
        }

    def back(self, networks: Networks) -> Callable[[Tensor], Tensor]:
        """What translates from the target domain to the source."""
        return networks["inverse"]

    def ways(self, networks: Networks, batch: Batch) -> tuple[Way, ...]:
        given = batch.condition()
        return Way(networks["generator"], given, batch.real), Way(self.back(networks), batch.real, given)

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        there, back = networks["generator"], self.back(networks)
        given, real = batch.condition()[:SHOWN], batch.real[:SHOWN]
        fake, inverse = there(given), back(real)
        return [
            Panel(self.source, given),
            Panel(f"as {self.target}", fake),
            Panel("and back", back(fake)),
            Panel(self.target, real),
            Panel(f"as {self.source}", inverse),
            Panel("and back", there(inverse)),
        ]

    def styles(self) -> dict[str, str]:
        there, back = style(self.target), style(self.source)
        if there == back:
            raise DataError(f"{self.source!r} and {self.target!r} would both be the style {there!r}: rename a folder")
        return {there: "generator", back: "inverse"}


def style(folder: str) -> str:
    """The name under which a style is served, made of its folder's; `DataError` where nothing is left of that."""
    name = re.sub("[^a-z0-9_-]+", "-", folder.lower()).strip("-_")[:64]
    if not name:
        raise DataError(f"{folder!r} can't name a style: rename the folder, with one of a-z or 0-9 in its name")
    return name


def distinct(pictures: Tensor) -> Tensor:
    """Each picture of [n, ...] once, shuffled, always alike: where some are left out, they are any."""
    once: Tensor = torch.unique(pictures, dim=0)  # sorted by the first pixels
    return once[torch.randperm(len(once), generator=torch.Generator().manual_seed(0)).to(once.device)]


def score(critic: nn.Module, pictures: Tensor) -> Tensor:
    """How real each place of each picture is, logits float32, from either kind of discriminator."""
    told: Scores | Tensor = critic(pictures)
    return told.realness if isinstance(told, Scores) else told


def l1(pictures: Tensor, expected: Tensor) -> Tensor:
    """The mean absolute difference of pictures in [-1, 1], in float32."""
    return F.l1_loss(pictures.float(), expected)


def served(role: str, translator: nn.Module) -> Export:
    """The graph of a translator: uint8 NHWC on both sides, of any size in multiples of what it halves."""
    assert isinstance(translator, Translator | Crossing)
    channels, height, width = translator.shape
    given, drawn = (
        contract.Tensor(
            name=name,
            meaning="image",
            dtype="uint8",
            shape=("n", "h", "w", channels),
            layout="NHWC",
            range=(0, 255),
            multiple=MULTIPLE,
        )
        for name in ("picture", "image")
    )
    example = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    return Export(role, ToPictures(FromPictures(translator)), (given,), (drawn,), (example,))
