"""What sound looks like over time and frequency: a distance to train by, and a picture for people."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOWS = (256, 1024)
"""Samples of the two Hann windows that `distance` looks through, 16 and 64 ms at 16 kHz: clicks and harmonics."""
RANGE = 65.0
"""Decibels from the darkest to the brightest of `SHADES` in `picture`."""
STEP = 5.0
"""Decibels from one brightness to the next."""
SHADES = ((0.0, 0.0, 4.0), (81.0, 18.0, 124.0), (183.0, 55.0, 121.0), (252.0, 137.0, 97.0), (252.0, 253.0, 191.0))
"""Red, green and blue of evenly spaced steps of brightness: matplotlib's magma."""


def distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean absolute difference of the square roots of the magnitudes of two sounds [n, t], over all `WINDOWS`.

    A multi-resolution spectral loss (Yamamoto et al. 2020, eq. 6) on compressed magnitudes, which weigh faint sound
    as ears do (Braun & Tashev 2021, eq. 3). Only `ours` is followed by the gradient.
    """
    with torch.autocast(ours.device.type, enabled=False):
        differences = []
        for window in WINDOWS:
            with torch.no_grad():
                expected = _power(theirs, window).sqrt().sqrt()
            differences.append(F.l1_loss(_power(ours, window).sqrt().sqrt(), expected))
        return torch.stack(differences).mean()


def _power(sound: Tensor, window: int) -> Tensor:
    """Squared magnitudes [n, window/2 + 1, frames] of sound [n, t] in half-overlapping windows; never 0, for roots."""
    shape = torch.hann_window(window, device=sound.device)
    bins = torch.view_as_real(
        torch.stft(sound.float(), window, window // 2, window=shape, pad_mode="constant", return_complex=True)
    )
    return bins.square().sum(-1) + 1e-6


def picture(sound: Tensor) -> Tensor:
    """Spectrograms of sound [n, t] as pictures [n, 3, 256, t/128 + 1] in [-1, 1]: low below, 8 ms a column at 16 kHz.

    The loudest of all is the brightest, `RANGE` dB below is black: pictures of one call compare. In steps of `STEP`
    dB, which make the file of a sheet a quarter of the size.
    """
    window = torch.hann_window(512, device=sound.device)
    bins = torch.stft(sound.float(), 512, 128, window=window, pad_mode="constant", return_complex=True)[:, :256].abs()
    decibels = 20 * bins.flip(1).clamp(min=1e-8).log10()
    below_loudest = ((decibels - decibels.max()) / STEP).round() * STEP
    shade = (1 + below_loudest / RANGE).clamp(0, 1) * (len(SHADES) - 1)
    shades = torch.tensor(SHADES, device=sound.device) / 127.5 - 1
    below = shade.long().clamp(max=len(SHADES) - 2)
    return torch.lerp(shades[below], shades[below + 1], (shade - below)[..., None]).permute(0, 3, 1, 2)
