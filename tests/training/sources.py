"""Small data of every kind, made of the bundled digits and of tones: any recipe can be run without a download."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from training import data
from training.recipes import Recipe

RATE = 16_000


def of(recipe: type[Recipe], folder: Path) -> dict[str, Any]:
    """The settings by which a recipe finds data of its kind; they are made in `folder` where there are none yet."""
    match recipe.tasks[0]:
        case "translate":
            return {"data": str(_once(folder / "pairs", pairs))}
        case "style":
            return {"data": str(_once(folder / "domains", domains))}
        case "enhance":
            return {"data": str(_once(folder / "speech", speech)), "noise": str(_once(folder / "noise", noise))}
        case _:
            return {"data": "digits"}


def pairs(folder: Path, side: int = 32, count: int = 40) -> None:
    """Digits on the left, where their ink is on the right: files of two squares, in three splits."""
    pictures = data.load("digits", size=side, channels=3).images[: 3 * count]
    for split, part in zip(("train", "val", "test"), np.split(pictures, 3), strict=True):
        (folder / split).mkdir(parents=True)
        for number, picture in enumerate(part):
            both = np.concatenate([picture, np.where(picture > 128, 255, 0).astype(np.uint8)], axis=1)
            Image.fromarray(both).save(folder / split / f"{number:03}.png")


def domains(folder: Path, side: int = 32, count: int = 60) -> None:
    """Digits as they are, called photos, and digits in blue on yellow, called Monet."""
    pictures = data.load("digits", size=side, channels=3).images
    for name, part in (("photo", pictures[:count]), ("monet", pictures[count : 2 * count])):
        (folder / name).mkdir(parents=True)
        for number, picture in enumerate(part):
            painted = picture if name == "photo" else 255 - picture // np.array([1, 1, 2], np.uint8)
            Image.fromarray(painted).save(folder / name / f"{number:03}.png")


def speech(folder: Path, count: int = 8, seconds: float = 2.0) -> None:
    """Chords that swell and fade, as voices do, in the folders of two splits."""
    time = np.arange(int(RATE * seconds)) / RATE
    for split in ("training", "evaluation"):
        for speaker in range(2):
            (folder / split / str(speaker)).mkdir(parents=True)
            for number in range(count // 2):
                tones = sum(np.sin(2 * np.pi * (110 + 20 * number + 55 * speaker) * k * time) / k for k in (1, 2, 3))
                swell = np.sin(2 * np.pi * 3 * time) ** 2
                soundfile.write(folder / split / str(speaker) / f"{number}.wav", 0.2 * tones * swell, RATE)


def noise(folder: Path, count: int = 10, seconds: float = 2.0) -> None:
    """Noise of two kinds, in a folder each."""
    rng = np.random.default_rng(0)
    for kind in ("hiss", "rumble"):
        (folder / kind).mkdir(parents=True)
        for number in range(count // 2):
            sound = rng.standard_normal(int(RATE * seconds))
            if kind == "rumble":
                sound = np.convolve(sound, np.ones(32) / 6, "same")
            soundfile.write(folder / kind / f"{number}.wav", 0.1 * sound.clip(-4, 4), RATE)


def _once(folder: Path, make: Any) -> Path:
    if not folder.exists():
        make(folder)
    return folder
