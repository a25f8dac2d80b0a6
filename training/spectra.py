"""What sound looks like over time and frequency: a distance to train by, and a picture for people."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOWS = (256, 1024)
"""Samples of the two Hann windows that `distance` looks through, 16 and 64 ms at 16 kHz: clicks and harmonics."""
RANGE = 70.0
"""Decibels from black to white in `picture`."""


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
    """Spectrograms of sound [n, t] as pictures [n, 3, 128, frames] in [-1, 1]: low below, 8 ms a column at 16 kHz.

    The loudest of all is white, `RANGE` dB below is black: pictures of one call compare.
    """
    window = torch.hann_window(512, device=sound.device)
    bins = torch.stft(sound.float(), 512, 128, window=window, pad_mode="constant", return_complex=True).abs()
    coarse = bins[:, :256].reshape(len(bins), 128, 2, -1).mean(2).flip(1)
    decibels = 20 * coarse.clamp(min=1e-8).log10()
    shade = (1 + (decibels - decibels.max()) / RANGE).clamp(0, 1)
    # Black, violet, orange, white: three ramps whose sum grows evenly.
    return torch.stack([(2.2 * shade).clamp(0, 1), 2 * shade - 1, (shade - 0.3).abs() * 1.43], 1).clamp(0, 1) * 2 - 1
