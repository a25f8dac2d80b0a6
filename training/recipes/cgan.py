"""Lecture 2: the conditional GAN, whose discriminator also learns that a real picture of another class is wrong.

Three terms: a real picture with its class is right; a generated one with the class asked for is wrong; **a real one
with a class that is not its own is wrong too** (Reed et al. 2016, algorithm 1). `--heads joint` asks one question of
the pair, `--heads split` (lecture 2.1) two: is the picture real, and do picture and class match?
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from app import contract, latents
from training import health, losses
from training.augment import augment, ramp
from training.nets.blocks import Pair
from training.nets.discriminators import Scores
from training.nets.edges import ToScores
from training.recipes import Batch, Export, Networks, Panel, Source
from training.recipes.gan import Gan


def wrong_classes(right: Tensor, count: int) -> Tensor:
    """A class index for each of `right` [n], uniform over the `count - 1` others: it can't be right by chance."""
    return (right + torch.randint(1, count, right.shape, device=right.device)) % count


def _classes(networks: Networks) -> int:
    """How many classes the generator knows."""
    classes = networks["generator"].classes
    assert isinstance(classes, int)
    return classes


class Cgan(Gan):
    """A generator that is told the class, and a discriminator that sees (picture, class)."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"size": 16, "channels": 1, "images": 60_000, "width": 16, "latent": 32, "r1": 0.1},
        "cpu": {"size": 32, "channels": 3, "images": 1_000_000, "width": 32, "r1": 0.1},
        "gpu": {"size": 32, "channels": 3, "images": 20_000_000, "width": 128, "r1": 0.1, "batch": 256},
    }
    conditional: ClassVar[bool] = True

    heads: Literal["joint", "split"] = Field("joint", description="one score for the pair, or realness and match apart")
    match: float = Field(0.2, gt=0, description="weight of the match head in the generator's loss, with split heads")

    def networks(self, source: Source) -> Networks:
        classes = len(source.classes)
        return {"generator": self._generator(source, classes), "critic": self._critic(source, classes)}

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        generator, critic = networks["generator"], networks["critic"]
        assert batch.labels is not None
        chance = ramp(self.augment, batch.progress)
        right, wrong = batch.labels, wrong_classes(batch.labels, _classes(networks))
        real = augment(batch.real, chance)
        fake = augment(generator(self._noise(batch), right), chance)
        if phase == "generator":
            opponent = critic(Pair(real, right)) if self.loss == "relativistic" else None
            return self._fool(critic(Pair(fake, right)), opponent)
        on_real, on_fake = critic(Pair(real, torch.stack([right, wrong], dim=1))), critic(Pair(fake, right))
        terms = self._tell(on_real.asked(0), on_fake, on_real.asked(1))
        return terms | self._penalties(lambda x: critic(Pair(x, right)).joint, real, fake, batch.step)

    def _tell(self, right: Scores, generated: Scores, wrong: Scores) -> dict[str, Tensor]:
        """The discriminator's three terms: the right pair against each of the two kinds of wrong one."""
        if self.heads == "joint":
            return {
                "generated": losses.critic(self.loss, right.joint, generated.joint) / 2,
                "wrong": losses.critic(self.loss, right.joint, wrong.joint) / 2,
            }
        assert right.match is not None
        assert wrong.match is not None
        return {
            "generated": losses.critic(self.loss, right.realness, generated.realness),
            # A yes-or-no question whatever the objective: the hinge stops pushing once the answer is clear.
            "wrong": losses.critic("hinge", right.match, wrong.match),
        }

    def _fool(self, generated: Scores, real: Scores | None) -> dict[str, Tensor]:
        if self.heads == "joint":
            return {"fool": losses.generator(self.loss, generated.joint, real and real.joint)}
        assert generated.match is not None
        return {
            "fool": losses.generator(self.loss, generated.realness, real and real.realness),
            # The match head never sees a generated picture, so what it rewards is not what real pictures look like: at
            # full weight every class shrinks to its easiest pictures.
            "match": self.match * losses.reach(generated.match),
        }

    def samples(self, networks: Networks, indices: range, like: Batch, label: int | None = None) -> Tensor:
        generator, device = networks["generator"], like.real.device
        noise = torch.from_numpy(latents.noise(0, indices, self.latent)).to(device)
        drawn = latents.classes(0, indices, _classes(networks)) if label is None else np.full(len(indices), label)
        pictures: Tensor = generator(noise, torch.from_numpy(drawn).to(device))
        return pictures.float()

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        assert batch.labels is not None
        indices = range(len(batch.real))
        fake = self.samples(networks, indices, batch)
        signs = self._signs(networks, batch, fake)
        wrong = wrong_classes(batch.labels, _classes(networks))
        scores = networks["critic"](Pair(batch.real, torch.stack([batch.labels, wrong], dim=1)))
        signs["match"] = health.discrimination(scores.asked(0).match, scores.asked(1).match)["accuracy"]
        labels = torch.from_numpy(latents.classes(0, indices, _classes(networks))).to(wrong.device)
        real, fake = health.centred(batch.real, batch.labels), health.centred(fake, labels)
        return signs | {"within classes": health.diversity(real, fake)}

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """A row for each class, the same eight latents in every row."""
        classes = range(min(_classes(networks), 16))
        return [Panel(str(label), self.samples(networks, range(8), batch, label)) for label in classes]

    def exports(self, networks: Networks) -> list[Export]:
        classes = _classes(networks)
        inputs = (
            contract.Tensor(name="latent", meaning="latent", dtype="float32", shape=("n", self.latent)),
            contract.Tensor(name="label", meaning="label", dtype="float32", shape=("n", classes)),
        )
        generator = self._export(networks, inputs, (torch.zeros(2, self.latent), torch.eye(classes)[:2]))
        # A critic that stands on a frozen network would carry a copy of it, which is not this run's to hand on.
        judges = "critic" in networks and self.frozen is None
        return [generator, *([self._judge(networks["critic"], generator.outputs[0])] if judges else [])]

    def _judge(self, critic: nn.Module, image: contract.Tensor) -> Export:
        """The discriminator, by which the service can say how real a picture is, and how much of its class."""
        picture = image.model_copy(update={"name": "picture"})
        label = contract.Tensor(name="label", meaning="label", dtype="int64", shape=("n",))
        score = contract.Tensor(name="", meaning="score", dtype="float32", shape=("n",))
        scores = tuple(score.model_copy(update={"name": name}) for name in contract.SCORES)
        example = (torch.zeros(2, *picture.sample, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
        return Export("critic", ToScores(critic), (picture, label), scores, example)
