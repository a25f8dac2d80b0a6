"""Toy models that can all that the routes can, under the names that the documentation's examples ask for.

So an example, and whatever is made of one, reaches the work behind the checks. Used by `fuzz` and the documents' tests.
"""

from pathlib import Path

from app import contract
from tests import toy, toy_parts, toy_sound, toy_video

CLASSES = ("cat", "dog", "ship")


def build(models: Path) -> Path:
    """Writes the folders of one toy for each kind of model, and returns `models`."""
    drawing = toy_parts.add(toy.build(models, "cifar10", classes=CLASSES), "critic", "stage1")
    for name in ("samples.png", "README.md"):
        (drawing / name).write_bytes(b"")
    files = {each.name: contract.digest(each.read_bytes()) for each in drawing.iterdir() if each.name != "model.json"}
    toy.rewrite(drawing, files=files)
    toy_parts.add(toy.build(models, "mixing", classes=CLASSES, weighs=True), "critic")
    toy_parts.add(toy.build(models, "fashion-ae", classes=()), "encoder")
    toy_parts.add(toy.build(models, "fashion-vae", classes=(), seed=1), "variational", "critic")
    toy.translator(models, "facades")
    toy.rewrite(toy.translator(models, "monet"), tasks=("style",), styles={"monet": "generator"})
    toy_sound.build(models, "speech")
    toy_video.build(models, "radar")
    return models
