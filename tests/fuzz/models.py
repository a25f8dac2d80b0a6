"""Toy models that can all that the routes can, under the names that the documentation's examples ask for.

So an example, and whatever is made of one, reaches the work behind the checks. Used by `fuzz.run`.
"""

from pathlib import Path

from tests import toy, toy_parts, toy_sound, toy_video

CLASSES = ("cat", "dog", "ship")


def build(models: Path) -> Path:
    """Writes the folders of one toy for each kind of model, and returns `models`."""
    cifar10 = toy_parts.add(toy.build(models, "cifar10", classes=CLASSES), "critic", "stage1")
    toy.present(toy.direct(cifar10, "warmth"))
    toy_parts.add(toy.build(models, "mixing", classes=CLASSES, weighs=True), "critic")
    toy_parts.add(toy.build(models, "fashion-ae", classes=()), "encoder")
    toy.direct(toy_parts.add(toy.build(models, "fashion-vae", classes=(), seed=1), "variational", "critic"), "warmth")
    toy.translator(models, "facades")
    toy.rewrite(toy.translator(models, "monet"), tasks=("style",), styles={"monet": "generator"})
    toy_sound.build(models, "speech")
    toy_video.build(models, "radar")
    return models
