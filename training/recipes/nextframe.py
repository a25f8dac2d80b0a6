"""Lecture 2.5: video (Mathieu et al. 2016). Earlier frames in, the next one out, and on from there.

The discriminator sees the clip with the frame appended: a sharp frame that doesn't follow from the others is wrong too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor
from torch.nn import functional as F

from app import contract
from training import health, losses
from training.data import DataError, Examples, Split, clips
from training.nets.blocks import Pair
from training.nets.edges import FromFrames, ToPictures
from training.nets.patchgan import PatchDiscriminator, patch_depth
from training.nets.video import FramePredictor, roll_out
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source
from training.settings import RunSettings

HORIZON = 10
"""Frames ahead in the test split's clips, and in a model's sample sheet; fewer where its films are shorter."""
# A flag's value comes as text, which no literal number equals.
Patch = Annotated[Literal[2, 4], BeforeValidator(lambda value: int(value) if value in ("2", "4") else value)]
DIGITS = {"channels": 1, "batch": 16, "rate": 5e-4, "beta1": 0.9, "beta2": 0.99, "average": 10_000}
"""What the presets share. Adam's two decays belong together: after a gradient out of all proportion it goes
(1 - beta1) / √(1 - beta2) times the rate, which is 1 here and 16 with 0.5 and 0.999, where a run of radar blew up."""


class NextFrame(Recipe):
    """A generator of the next frame, and a discriminator of short clips."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {**DIGITS, "size": 32, "images": 10_000, "width": 16},
        "cpu": {**DIGITS, "size": 64, "images": 500_000},
        "gpu": {**DIGITS, "size": 64, "images": 10_000_000, "batch": 128, "width": 160},
    }
    tasks: ClassVar[tuple[contract.Task, ...]] = ("predict",)
    measured: ClassVar[int] = 200

    frames: int = Field(4, gt=0, description="frames that are given")
    ahead: int = Field(2, gt=0, description="frames that are made from them in training, each fed back for the next")
    mse: float = Field(1.0, ge=0, description="weight of the mean squared error")
    l1: float = Field(
        0.0, ge=0, description="weight of the mean absolute error; large, it makes all black that is rare"
    )
    difference: float = Field(0.05, ge=0, description="weight of the error of the steps between neighbouring pixels")
    adversarial: float = Field(0.02, ge=0, le=1, description="weight of the discriminator's verdict; 0: there is none")
    loss: losses.Objective = Field("leastsquares", description="the adversarial objective")
    width: int = Field(64, gt=0, description="channels of the generator at its full size")
    patch: Patch = Field(4, description="side of the blocks of pixels that the generator works on: 2 is finer, 4 fast")
    blocks: int = Field(2, gt=0, description="residual blocks at each size, on the way down and back")
    deep: int = Field(3, gt=0, description="residual blocks at the smallest size")
    critic_width: int = Field(16, gt=0, description="channels of the discriminator at half size")
    rotate: bool = Field(False, description="also show clips turned by quarters; for films without an up, as maps")

    def examples(self, settings: RunSettings, split: Split = "train") -> Examples:
        return clips.load(
            settings.data,
            size=settings.size,
            channels=settings.channels,
            given=self.frames,
            ahead=self.ahead if split == "train" else HORIZON,
            least=self.ahead if split == "train" else 1,
            split=split,
            mirror=settings.mirror,
            rotate=self.rotate,
        )

    def networks(self, source: Source) -> Networks:
        if source.size < 2 * FramePredictor.multiple:
            raise DataError(f"clips of {source.size} px: use a --size of at least {2 * FramePredictor.multiple}")
        generator = FramePredictor(
            size=source.size,
            given=self.frames,
            channels=source.channels,
            width=self.width,
            patch=self.patch,
            blocks=self.blocks,
            deep=self.deep,
        )
        if not self.adversarial:
            return {"generator": generator}
        critic = PatchDiscriminator(
            channels=source.channels,
            given=self.frames * source.channels,
            width=self.critic_width,
            depth=patch_depth(source.size),
        )
        return {"generator": generator, "critic": critic}

    def phases(self) -> Sequence[Phase]:
        generator = Phase("generator", ("generator",))
        return (Phase("critic", ("critic",)), generator) if self.adversarial else (generator,)

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        if phase == "critic":
            with torch.no_grad():
                made = self._ahead(networks, batch)
            right, wrong = (self._judge(networks, batch, frames) for frames in (batch.real, made))
            return {"tell": losses.critic(self.loss, right, wrong)}
        made = self._ahead(networks, batch)
        terms = {
            "l1": self.l1 * F.l1_loss(made, batch.real),
            "mse": self.mse * F.mse_loss(made, batch.real),
            "difference": self.difference * gradient_difference(made, batch.real),
        }
        if self.adversarial:
            opponent = self._judge(networks, batch, batch.real) if self.loss == "relativistic" else None
            fool = losses.generator(self.loss, self._judge(networks, batch, made), opponent)
            terms["fool"] = self.adversarial * fool
        return terms

    def _ahead(self, networks: Networks, batch: Batch) -> Tensor:
        """As many frames as are known of the future, [n, m · c, h, w]: each is given to the generator for the next."""
        generator, given = networks["generator"], batch.condition()
        channels = given.shape[1] // self.frames
        return roll_out(generator, given, batch.real.shape[1] // channels)

    def _judge(self, networks: Networks, batch: Batch, ahead: Tensor) -> Tensor:
        """The discriminator's logits for each frame `ahead`, as the last one of a clip of `frames` before it."""
        given = batch.condition()
        length, channels = given.shape[1], given.shape[1] // self.frames
        # An overshoot, which is cut off before anyone sees it, must not be what gives a made frame away.
        ahead = ahead.clamp(-1, 1)
        film = torch.cat([given, ahead], dim=1)
        before = [film[:, start : start + length] for start in range(0, ahead.shape[1], channels)]
        logits: Tensor = networks["critic"](Pair(torch.cat(torch.split(ahead, channels, dim=1)), torch.cat(before)))
        return logits

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        made = self._ahead(networks, batch)
        errors = {"error": float(F.mse_loss(made, batch.real))}
        if not self.adversarial:
            return errors
        right, wrong = (self._judge(networks, batch, frames) for frames in (batch.real, made))
        return health.discrimination(right, wrong) | errors

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        error = F.mse_loss(self._ahead(networks, batch).clamp(-1, 1), batch.real)
        copied = F.mse_loss(self._copies(batch), batch.real)
        return Measure("squared error over that of the last frame copied", float(error / copied.clamp(min=1e-8)))

    def _copies(self, batch: Batch) -> Tensor:
        """The last frame given, once for each frame ahead."""
        given = batch.condition()
        channels = given.shape[1] // self.frames
        return given[:, -channels:].repeat(1, batch.real.shape[1] // channels, 1, 1)

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """Two rows a clip: what was given and what came, and under it what was drawn of that. Large clips are two."""
        count = 4 if batch.real.shape[-1] <= 64 else 2
        given, real = batch.condition()[:count], batch.real[:count]
        made = self._ahead(networks, replace(batch, real=real, given=given)).float()
        channels = given.shape[1] // self.frames
        panels = []
        for before, came, drawn in zip(given, real, made, strict=True):
            rows = {"film": torch.cat([before, came]), "drawn": torch.cat([torch.ones_like(before), drawn])}
            panels += [Panel(label, torch.stack(torch.split(row, channels))) for label, row in rows.items()]
        return panels

    def exports(self, networks: Networks) -> list[Export]:
        generator = networks["generator"]
        assert isinstance(generator, FramePredictor)
        sides = {"shape": ("n", "h", "w", generator.channels), "multiple": generator.multiple, "range": (0, 255)}
        given = ("n", self.frames, "h", "w", generator.channels)
        frames = contract.Tensor(name="frames", meaning="frames", dtype="uint8", **sides | {"shape": given})
        image = contract.Tensor(name="image", meaning="image", dtype="uint8", layout="NHWC", **sides)
        example = torch.zeros(2, self.frames, generator.size, generator.size, generator.channels, dtype=torch.uint8)
        return [Export("generator", ToPictures(FromFrames(generator)), (frames,), (image,), (example,))]


def gradient_difference(made: Tensor, real: Tensor) -> Tensor:
    """How much the steps between neighbouring pixels differ in size (Mathieu et al. 2016, eq. 6, α = 1).

    Frames of one shape [..., h, w]; the mean over both directions. Blur has smaller steps than what it blurs.
    """
    down, right = ((made.diff(dim=axis).abs() - real.diff(dim=axis).abs()).abs().mean() for axis in (-2, -1))
    return down + right
