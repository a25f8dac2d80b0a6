"""The Wiener filter that speech enhancement is held against: what is possible without learning. Numpy only."""

import numpy as np
from numpy.typing import NDArray

from training.data.sound import Sound

Spectra = NDArray[np.float64]

WINDOW = 512
"""Samples of a frame, 32 ms at 16 kHz; frames overlap by half, under a sine window on either side."""
SMOOTHING = 0.98
"""α of the decision-directed rule."""
FLOOR = 10 ** (-20 / 20)
"""The least gain: 20 dB of damping, below which what is left starts to tinkle."""
PRIOR = 10 ** (15 / 10)
"""The ratio of speech to noise that the noise tracker expects where there is speech."""


def wiener(noisy: Sound) -> Sound:
    """Noisy sound [t] at 16 kHz through a Wiener filter whose speech-to-noise ratio is estimated as it goes; [t].

    The ratio follows the decision-directed rule (Scalart & Filho 1996, eq. 8 and 14); the noise is tracked by the
    probability that speech is present (Gerkmann & Hendriks 2012, eq. 17, 18 and 22), so it need not be steady.
    """
    hop = WINDOW // 2
    shape = np.sin((np.arange(WINDOW) + 0.5) * np.pi / WINDOW)
    padded = np.pad(noisy.astype(np.float64), (hop, hop + -len(noisy) % hop))
    starts = range(0, len(padded) - WINDOW + 1, hop)
    bins = np.fft.rfft(np.stack([padded[start : start + WINDOW] * shape for start in starts]))
    filtered = np.fft.irfft(bins * gains(np.abs(bins) ** 2)) * shape
    out = np.zeros_like(padded)
    for start, frame in zip(starts, filtered, strict=True):
        out[start : start + WINDOW] += frame
    return out[hop : hop + len(noisy)].astype(np.float32)


def gains(power: Spectra) -> Spectra:
    """The gains in [FLOOR, 1] for squared magnitudes [frames, bins], of which the first five frames count as noise."""
    noise = power[:5].mean(0) + 1e-12
    present = np.full_like(noise, 0.5)
    speech = np.zeros_like(noise)
    told = np.empty_like(power)
    for frame, seen in zip(told, power, strict=True):
        probability = 1 / (1 + (1 + PRIOR) * np.exp(-np.minimum(seen / noise, 100) * PRIOR / (1 + PRIOR)))
        present = 0.9 * present + 0.1 * probability
        # Where speech never seems to pause, the noise has risen: without this the tracker would stay behind for ever.
        probability = np.where(present > 0.99, np.minimum(probability, 0.99), probability)
        noise = 0.8 * noise + 0.2 * (probability * noise + (1 - probability) * seen) + 1e-12
        ratio = SMOOTHING * speech / noise + (1 - SMOOTHING) * np.maximum(seen / noise - 1, 0)
        frame[:] = np.maximum(ratio / (1 + ratio), FLOOR)
        speech = frame**2 * seen
    return told
