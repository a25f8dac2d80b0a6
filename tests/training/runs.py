"""Small real runs, a second or two long."""

from pathlib import Path
from typing import Any

from tests.training import sources
from training import config, loop
from training.recipes import find
from training.run import Run
from training.settings import RunSettings

SMALL = {"images": 640, "batch": 32, "width": 8, "latent": 8, "blocks": 1, "critic_width": 8, "threads": 1, "seed": 3}


def values(recipe: str, out: Path, **changed: Any) -> dict[str, Any]:
    """A run's settings: the recipe's smoke preset on small data of its kind, made small and exactly repeatable."""
    kind = find(recipe)
    fields = kind.model_fields | RunSettings.model_fields
    small = {name: value for name, value in SMALL.items() if name in fields}
    return {"recipe": recipe, "out": out, **kind.presets["smoke"], **small, **sources.of(kind, out.parent), **changed}


def run(recipe: str, out: Path, **changed: Any) -> Run:
    """The run before its first step."""
    return Run(values(recipe, out, **changed))


def train(recipe: str, out: Path, **changed: Any) -> Path:
    """The run's folder after its last step."""
    return loop.train(values(recipe, out, **changed))


def parse(*arguments: str) -> Any:
    """Recipe and settings of a command line."""
    return config.build(config.parse(list(arguments)))
