"""Clean speech drowned in noise on the fly: what an enhancer learns from. Numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training.data.examples import Drawn, Facts, Labels
from training.data.pictures import DataError
from training.data.sound import Recording, Sound, rms

RATIOS = (0.0, 5.0, 10.0, 15.0)
"""Signal-to-noise ratios in dB of mixtures that must not vary, in turn."""
GAIN = (-12.0, 6.0)
"""Decibels by which the level of a mixture varies."""
SPEED = (0.7, 1.4)
"""Factors by which the speed, and with it the pitch, of noise varies."""
BANDS = 9
"""Frequencies from 0 Hz to half the rate at which the level of the noise varies, by up to ±`TILT` dB."""
TILT = 10.0
SECOND = 0.4
"""How often two noises sound together."""
PAUSE = 0.1
"""The least loudness of a stretch of noise, relative to its recording: a pause in it isn't amplified without bound."""


def drown(clean: Sound, noise: Sound, ratio: float, loudness: float, noisiness: float) -> tuple[Sound, Sound]:
    """Clean and noisy sound [t]: noise of rms `noisiness` is brought to `ratio` dB below speech of rms `loudness`.

    Both are lowered together where the sum would leave [-1, 1], so that the ratio stays.
    """
    noisy: Sound = clean + noise * np.float32(loudness / noisiness * 10 ** (-ratio / 20))
    peak = np.float32(max(1.0, noisy.max(), -noisy.min()))
    return (clean / peak).astype(np.float32), (noisy / peak).astype(np.float32)


def looped(noise: Sound, start: int, size: int) -> Sound:
    """`size` samples of a noise from `start` on, over again where it ends."""
    start %= len(noise)
    stretch = noise[start : start + size]
    return stretch if len(stretch) == size else np.take(noise, np.arange(start, start + size), mode="wrap")


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Clips of `size` samples, clean and noisy, of any speech with any noise.

    An example is a stretch of an utterance, and there are as many as fit side by side. `ratios` are the least and the
    largest signal-to-noise ratio in dB, the speech measured over its utterance and the noise over the clip.
    """

    speech: Sequence[Recording]
    noise: Sequence[Recording]
    size: int
    ratios: tuple[float, float]
    source: str

    @property
    def facts(self) -> Facts:
        """The samples of a clip; one channel."""
        return Facts(self.size, 1)

    @cached_property
    def _clips(self) -> list[tuple[Recording, int]]:
        """Every clip's utterance and first sample."""
        return [
            (utterance, start)
            for utterance in self.speech
            for start in range(0, len(utterance.samples) - self.size + 1, self.size)
        ]

    def __len__(self) -> int:
        return len(self._clips)

    def require(self, batch: int) -> None:
        """`DataError` unless there are at least `batch` clips."""
        if len(self) < batch:
            raise DataError(
                f"{self.source} has {len(self)} clips of {self.size} samples, fewer than a batch of {batch}: "
                f"use a batch of at most {len(self)}, a smaller --size, or add recordings"
            )

    def require_classes(self) -> None:
        """`DataError`: speech has no classes."""
        raise DataError(f"{self.source} is speech, which has no classes: train a recipe without them")

    def draw(self, indices: Labels, rng: np.random.Generator | None) -> Drawn:
        """Clean sound and, as `given`, the same in noise: float32 [n, size] in [-1, 1].

        With `rng`: anywhere in the utterance, in one or two noises at another speed and of another colour, at any ratio
        and level. Without: the clip itself, a noise and a ratio by its index.
        """
        pairs = [self._fixed(int(index)) if rng is None else self._varied(int(index), rng) for index in indices]
        clean, noisy = (np.stack(side) for side in zip(*pairs, strict=True))
        return Drawn(clean, None, noisy)

    def _fixed(self, index: int) -> tuple[Sound, Sound]:
        utterance, start = self._clips[index]
        clean = utterance.samples[start : start + self.size]
        recording = self.noise[index % len(self.noise)]
        noise = looped(recording.samples, index * self.size, self.size)
        noisiness = max(rms(noise), recording.level * PAUSE)
        return drown(clean, noise, RATIOS[index % len(RATIOS)], utterance.level, noisiness)

    def _varied(self, index: int, rng: np.random.Generator) -> tuple[Sound, Sound]:
        utterance, _ = self._clips[index]
        start = int(rng.integers(len(utterance.samples) - self.size + 1))
        gain = 10 ** (rng.uniform(*GAIN) / 20)
        clean: Sound = utterance.samples[start : start + self.size] * np.float32(rng.choice((-gain, gain)))
        noise, noisiness = self._noise(rng), 1.0
        if rng.random() < SECOND:
            weight = 10 ** (rng.uniform(-10, 10) / 20)
            noise, noisiness = noise + np.float32(weight) * self._noise(rng), float(np.hypot(1, weight))
        return drown(clean, noise, rng.uniform(*self.ratios), gain * utterance.level, noisiness)

    def _noise(self, rng: np.random.Generator) -> Sound:
        """A stretch of any noise as it might sound elsewhere, [size], of rms 1 or, where it pauses, less."""
        recording = self.noise[int(rng.integers(len(self.noise)))]
        at = np.arange(self.size, dtype=np.float32) * np.float32(rng.uniform(*SPEED))
        whole = np.floor(at)
        before = whole.astype(np.int32)
        stretch = looped(recording.samples, int(rng.integers(len(recording.samples))), int(before[-1]) + 2)
        after = stretch[before + 1]
        played = after + (stretch[before] - after) * (whole + 1 - at)
        bands = 10 ** (rng.uniform(-TILT, TILT, BANDS) / 20)
        coloured = np.convolve(played, np.fft.fftshift(np.fft.irfft(bands)).astype(np.float32), "same")
        return (coloured / max(rms(coloured), recording.level * PAUSE)).astype(np.float32)
