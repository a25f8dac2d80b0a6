"""Small real runs on the bundled digits, a second or two long."""

from pathlib import Path
from typing import Any

from training import config, loop
from training.recipes import find
from training.run import Run


def values(recipe: str, out: Path, **changed: Any) -> dict[str, Any]:
    """A run's settings: the recipe's smoke preset, made small and exactly repeatable."""
    small = {"images": 640, "batch": 32, "width": 8, "latent": 8, "threads": 1, "seed": 3}
    preset = dict(find(recipe).presets["smoke"])
    return {"recipe": recipe, "data": "digits", "out": out, **preset, **small, **changed}


def run(recipe: str, out: Path, **changed: Any) -> Run:
    """The run before its first step."""
    return Run(values(recipe, out, **changed))


def train(recipe: str, out: Path, **changed: Any) -> Path:
    """The run's folder after its last step."""
    return loop.train(values(recipe, out, **changed))


def parse(*arguments: str) -> Any:
    """Recipe and settings of a command line."""
    return config.build(config.parse(list(arguments)))
