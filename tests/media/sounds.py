"""Sound made on the spot, and files of it, for the tests of sound."""

from io import BytesIO

import numpy as np
import soundfile

from app.media.audio import Samples


def noise(channels: int, frames: int, seed: int = 0) -> Samples:
    """White noise within ±0.9."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)


def tone(frequency: float, rate: int, frames: int) -> Samples:
    """A sine of half of full scale."""
    return (0.5 * np.sin(2 * np.pi * frequency / rate * np.arange(frames))).astype(np.float32)[None]


def noisy_speech(seconds: float, rate: int, seed: int = 0) -> Samples:
    """One channel of a buzz with a melody, formants that wander and pauses, in steady noise of a third of its level."""
    time = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.4 * time) + 10 * np.sin(2 * np.pi * 3.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k * (1 + np.sin(2 * np.pi * (0.7 + 0.13 * k) * time)) for k in range(1, 30))
    gate = np.clip(4 * np.sin(2 * np.pi * 2.7 * time) * np.sin(2 * np.pi * 0.31 * time) + 1.5, 0, 1)
    hiss = 0.03 * np.random.default_rng(seed).standard_normal(len(time))
    return (0.08 * voice * gate + hiss).clip(-1, 1).astype(np.float32)[None]


def file(samples: Samples, rate: int, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """A file as libsndfile writes it; sound [channels, t]."""
    out = BytesIO()
    soundfile.write(out, samples.T, rate, format=kind, subtype=subtype)
    return out.getvalue()


def comment(data: bytes) -> str:
    """What a file says of itself in the tag of that name."""
    with soundfile.SoundFile(BytesIO(data)) as opened:
        return str(opened.comment)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """A file in which some bytes are others."""
    return data[:at] + new + data[at + len(new) :]
