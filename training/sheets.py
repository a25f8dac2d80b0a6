"""The sample sheet of a model folder and the sheet of its directions, drawn by the exported graphs."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app import contract, latents
from training import config, data, journal, runtime
from training.batches import batch_of, fixed, tensor
from training.interior import Generator
from training.recipes import Networks, Panel, Recipe
from training.served import Served

EXAMPLES = 8
WALKERS = 3
"""Samples that a sheet of directions moves."""
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""How far it moves them, in parts of a direction's range."""


def draw(manifest: contract.Manifest, folder: Path, recipe: Recipe, settings: dict[str, Any]) -> Image.Image:
    """What the model makes of noise, or of the first examples of the test split.

    Raises `DataError` where the examples that a sheet needs are not there any more.
    """
    if manifest.tasks == ("generate",) and "stage1" not in manifest.graphs:
        return journal.sheet(_samples(manifest, folder))
    _, shared = config.build(settings)
    try:
        examples = recipe.examples(shared, "test")
    except data.NoSplit:
        examples = recipe.examples(shared)
    networks: Networks = {
        role: Served(runtime.load((folder / graph.file).read_bytes()), graph) for role, graph in manifest.graphs.items()
    }
    panels = recipe.preview(networks, batch_of(examples.draw(fixed(examples, EXAMPLES), None)))
    return journal.sheet([panel._replace(label=_named(panel.label, manifest.classes)) for panel in panels])


def directions(manifest: contract.Manifest, folder: Path) -> Image.Image:
    """A row for each direction: the first samples of seed 0, of classes far apart, each moved along it in steps."""
    generator = Generator(manifest, folder)
    draw = generator.ask(generator.image)
    starts = latents.noise(0, range(WALKERS), generator.size)
    panels = []
    for direction in manifest.directions:
        low, high = direction.range
        pictures = []
        for index, start in enumerate(starts):
            way = [direction.move(start, step * (high if step > 0 else -low)) for step in STEPS]
            pictures.append(draw(np.stack(way), [index * generator.classes // WALKERS] * len(STEPS)))
        panels.append(Panel(direction.name, tensor(np.concatenate(pictures))))
    return journal.sheet(panels)


def _named(label: str, classes: tuple[str, ...]) -> str:
    """A row's label, with the name of the class in the place of the number that it begins with, if it does."""
    number, space, rest = label.partition(" ")
    return classes[int(number)] + space + rest if classes and number.isdecimal() else label


def _samples(manifest: contract.Manifest, folder: Path) -> list[Panel]:
    """Samples of seed 0: for each class its first ten, or the first 64."""
    generator = manifest.graphs["generator"]
    session = runtime.load((folder / generator.file).read_bytes())

    def row(label: str, indices: range, of: int | None) -> Panel:
        (pixels,) = session.run([generator.output("image").name], manifest.inputs(0, indices, of))
        return Panel(label, tensor(pixels))

    if manifest.classes:
        return [row(name, range(10), i) for i, name in enumerate(manifest.classes[:16])]
    return [row("", range(start, start + 8), None) for start in range(0, 64, 8)]
