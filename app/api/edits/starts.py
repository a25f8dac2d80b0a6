"""Where edits begin: samples of a seed, latents that a client brought, or the code of a picture."""

from dataclasses import dataclass, replace
from typing import Any

from app import classes
from app.api.classes import class_of, name_of, required_class
from app.api.codes import transport
from app.api.edits.schemas import EditParameters
from app.classes import Class
from app.contract import Manifest
from app.engine.job import Arrays
from app.errors import InvalidParameter
from app.latents import MAX_SEED, Floats

OF_SEEDS = ("n", "seed", "index", "truncation")
"""Parameters that say something of the samples of a seed, and nothing of a latent."""


@dataclass(frozen=True)
class Start:
    """`n` samples of `seed` from `index` on; or `latents`, float32 [n, size], where there is no seed.

    `source` is the SHA-256 of the picture whose code they are, if they are; the code is found later. `label` is the
    class asked for; `labels` are those of each, once they are known, None without classes.
    """

    n: int
    label: Class | None
    seed: int | None = None
    index: int = 0
    truncation: float = 1
    latents: Floats | None = None
    source: str | None = None
    labels: tuple[Class | None, ...] = ()

    def inputs(self, manifest: Manifest) -> Arrays:
        """What the generator eats for each, by ONNX name; of a seed, the very bits that `/generate` draws it of."""
        if self.latents is not None:
            return transport.inputs(manifest, self.latents, self.label)
        return manifest.inputs(self.seed or 0, range(self.index, self.index + self.n), self.label, self.truncation)

    def known(self, manifest: Manifest, inputs: Arrays) -> "Start":
        """The same, of which these inputs tell the classes."""
        label = manifest.graphs["generator"].input("label")
        if label is None or self.label is not None:
            return replace(self, labels=(self.label,) * self.n)
        return replace(self, labels=tuple(classes.single(inputs[label.name])))

    def single(self, row: int) -> "Start":
        """One of them, whose class is known; naming the class that it drew changes no bit."""
        return replace(
            self,
            n=1,
            index=self.index + row,
            label=self.labels[row],
            labels=self.labels[row : row + 1],
            latents=None if self.latents is None else self.latents[row : row + 1],
        )

    def class_name(self, manifest: Manifest) -> str | None:
        """The class asked for, or the one that all have in common; None if they differ or have none."""
        if self.label is not None or not self.labels:
            return name_of(manifest, self.label)
        first, *others = self.labels
        return None if any(other != first for other in others) else name_of(manifest, first)

    def parameters(self, manifest: Manifest) -> dict[str, Any]:
        """What it takes to begin there again, as a recipe holds it."""
        name = self.class_name(manifest)
        if self.latents is not None:
            return transport.carried(self.latents) | {"class": name}
        seeded = {"n": self.n, "seed": self.seed, "index": self.index, "truncation": self.truncation}
        return {"class": name} | seeded

    def stem(self) -> str:
        """What the name of a file says of it."""
        what = f"seed{self.seed}" if self.seed is not None else "latent" if self.source is None else "picture"
        return "_".join([what, *([str(self.index)] if self.index else []), *([f"x{self.n}"] if self.n > 1 else [])])


def of_seed(asked: EditParameters, manifest: Manifest, seed: int) -> Start:
    """The samples of a seed that are asked for.

    Raises `UnknownClass`, and `InvalidParameter` for a class that the model can't have and samples past the largest
    index.
    """
    if asked.index + asked.n - 1 > MAX_SEED:
        raise InvalidParameter.of(
            "index", f"must be an integer from 0 to {MAX_SEED - asked.n + 1} where n is {asked.n}"
        )
    label = None if asked.class_ is None else class_of(manifest, asked.class_)
    return Start(asked.n, label, seed, asked.index, asked.truncation)


def of_latents(asked: EditParameters, manifest: Manifest, latents: Floats, source: str | None = None) -> Start:
    """The latents, float32 [n, size], in place of samples of a seed; the code of a picture, if it has a `source`.

    Raises `UnknownClass`, and `InvalidParameter` where the model has classes and none is asked for, which no seed
    draws, or where something is asked for that only samples of a seed have.
    """
    return Start(len(latents), _label(asked, manifest, "latents"), latents=latents, source=source)


def of_picture(asked: EditParameters, manifest: Manifest, source: str) -> Start:
    """The picture with that SHA-256, whose code is still to be found; raises what `of_latents` raises."""
    return Start(1, _label(asked, manifest, "a picture"), source=source)


def _label(asked: EditParameters, manifest: Manifest, where: str) -> Class | None:
    """The class that is asked for where no seed draws it."""
    for name in OF_SEEDS:
        if name in asked.model_fields_set and getattr(asked, name) is not None:
            raise InvalidParameter.of(name, f"is of samples of a seed, and this begins at {where}; leave it out")
    return required_class(manifest, asked.class_)
