"""Lecture 2.4: speech enhancement by a conditional GAN (SEGAN, Pascual et al. 2017). Noisy sound in, clean sound out.

The discriminator judges the pair (candidate, noisy). Least squares and 100 times the absolute difference are the
paper's; a spectral distance beside them is what later work added. The generator masks: see `nets.speech`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from app import contract
from training import health, losses, spectra
from training.data import DataError, Examples, Split, sound
from training.data.mixtures import Mixtures
from training.nets.blocks import Pair
from training.nets.speech import Enhancer, SpeechDiscriminator, SpeechGenerator
from training.recipes import Batch, Export, Measure, Networks, Panel, Phase, Recipe, Source
from training.settings import RunSettings

CLEAN = 30.0
"""Decibels above which sound counts as clean: a clip in whose noise there was a pause must not outweigh the others."""


class Segan(Recipe):
    """A network that takes the noise out of speech, and a discriminator that hears both."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"size": 4096, "channels": 1, "images": 6_000, "width": 32, "beta1": 0.5, "rate": 1e-3},
        "cpu": {"size": 16384, "channels": 1, "images": 250_000, "batch": 32, "rate": 1e-3, "beta1": 0.5},
        "gpu": {"size": 32768, "channels": 1, "images": 2_000_000, "batch": 64, "rate": 1e-3, "beta1": 0.5},
    }
    tasks: ClassVar[tuple[contract.Task, ...]] = ("enhance",)
    measured: ClassVar[int] = 128

    noise: Path | None = Field(None, description="folder of noise; default: the folder `noise` in --data")
    width: int = Field(160, gt=0, description="channels of the generator")
    critic_width: int = Field(64, gt=0, description="channels of the discriminator; it doubles once")
    snr_from: float = Field(-6.0, description="least ratio of speech to noise, in dB")
    snr_to: float = Field(16.0, description="largest ratio of speech to noise, in dB")
    adversarial: float = Field(1.0, ge=0, description="weight of what the discriminator says")
    l1: float = Field(100.0, ge=0, description="weight of the absolute difference to the clean sound")
    spectral: float = Field(10.0, ge=0, description="weight of the difference of the spectra")

    @model_validator(mode="after")
    def _ratios(self) -> Self:
        if self.snr_from > self.snr_to:
            raise ValueError(f"snr_from, {self.snr_from:g} dB, is above snr_to, {self.snr_to:g} dB")
        return self

    def examples(self, settings: RunSettings, split: Split = "train") -> Examples:
        if settings.channels != 1 or settings.mirror:
            raise DataError("sound has one channel, and no left and right: leave --channels and --mirror out")
        folder = Path(settings.data)
        noise = self.noise or folder / "noise"
        return Mixtures(
            speech=sound.load(folder, split=split, shortest=settings.size, without=noise),
            noise=sound.load(noise, split=split, hold_out=True),
            size=settings.size,
            ratios=(self.snr_from, self.snr_to),
            source=f"{folder.name} {split} in {noise.name}",
        )

    def networks(self, source: Source) -> Networks:
        generator = SpeechGenerator(width=self.width)
        if source.size % generator.multiple:
            raise DataError(f"clips of {source.size} samples: use a --size in multiples of {generator.multiple}")
        return {"generator": generator, "critic": SpeechDiscriminator(width=self.critic_width)}

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic",)), Phase("generator", ("generator",)))

    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        noisy = batch.condition()
        fake = networks["generator"](noisy)
        if phase == "critic":
            real_scores, fake_scores = self._scores(networks, batch, fake.detach())
            return {"tell": losses.critic("leastsquares", real_scores, fake_scores)}
        judged = networks["critic"](Pair(candidate=fake, condition=noisy))
        return {
            "fool": self.adversarial * losses.generator("leastsquares", judged),
            "l1": self.l1 * F.l1_loss(fake, batch.real),
            "spectral": self.spectral * spectra.distance(fake.squeeze(1), batch.real.squeeze(1)),
        }

    def _scores(self, networks: Networks, batch: Batch, fake: Tensor) -> Sequence[Tensor]:
        """Logits of the real and the generated pairs, from one look at both."""
        noisy = batch.condition()
        pairs = Pair(candidate=torch.cat([batch.real, fake]), condition=torch.cat([noisy, noisy]))
        scores: Tensor = networks["critic"](pairs)
        return scores.chunk(2)

    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        fake = networks["generator"](batch.condition())
        gain = _ratio(fake, batch.real) - _ratio(batch.condition(), batch.real)
        return health.discrimination(*self._scores(networks, batch, fake)) | {"SI-SDR gain": gain}

    def measure(self, networks: Networks, batch: Batch) -> Measure:
        return Measure("SI-SDR, negative", -_ratio(networks["generator"](batch.condition()), batch.real))

    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        noisy, clean = batch.condition()[:4], batch.real[:4]
        sounds = {"noisy": noisy, "enhanced": networks["generator"](noisy), "clean": clean}
        # In one call, so that they share a scale.
        pictures = spectra.picture(torch.cat(list(sounds.values())).squeeze(1))
        return [Panel(label, rows) for label, rows in zip(sounds, pictures.chunk(3), strict=True)]

    def exports(self, networks: Networks) -> list[Export]:
        generator = networks["generator"]
        assert isinstance(generator, SpeechGenerator)
        noisy, clean = (
            contract.Tensor(
                name=name,
                meaning="audio",
                dtype="float32",
                shape=("n", "t"),
                range=(-1, 1),
                multiple=generator.multiple,
                rate=sound.RATE,
            )
            for name in ("noisy", "clean")
        )
        example = torch.zeros(2, 16 * generator.multiple)
        return [Export("generator", Enhancer(generator), (noisy,), (clean,), (example,))]


def _ratio(ours: Tensor, clean: Tensor) -> float:
    """Mean scale-invariant signal-to-distortion ratio of sounds [n, 1, t], in dB, at most `CLEAN` each."""
    return float(scale_invariant_signal_distortion_ratio(ours.float(), clean.float()).clamp(max=CLEAN).mean())
