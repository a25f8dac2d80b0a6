"""The protocol of a recipe: one system of the lecture, in one file of this folder; the loop knows nothing else of it.

A new system is a new file here and no edit elsewhere: `find` looks in this folder.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from app import contract
from training import data
from training.data import Examples, Split
from training.features import Features
from training.settings import RunSettings

Networks = dict[str, nn.Module]


@dataclass(frozen=True)
class Source:
    """What the networks must know of the data: pictures [n, channels, size, size] and the names of their classes.

    Of sound, `size` is the samples of a clip.
    """

    size: int
    channels: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Real examples, and where in the run they are seen."""

    real: Tensor
    """Pictures [n, c, h, w] in [-1, 1], a clip's next frame [n, c, h, w], or sound [n, 1, t] in [-1, 1]."""
    labels: Tensor | None
    """Class indices [n]; None without classes."""
    given: Tensor | None
    """What the generator starts from: a picture to translate [n, c, h, w], earlier frames [n, k·c, h, w], the oldest
    first, noisy sound [n, 1, t]; None where it starts from noise."""
    step: int
    progress: Tensor
    """The share of the run that is done, a scalar in [0, 1]."""

    def condition(self) -> Tensor:
        """What is given, where it must be."""
        assert self.given is not None
        return self.given


class Phase(NamedTuple):
    """One update: the networks that learn in it. The others are frozen meanwhile."""

    name: str
    learns: tuple[str, ...]
    begins: float = 0.0
    """The share of the run after which it takes place in every step, until `ends`; its rate falls within the two."""
    ends: float = 1.0

    def done(self, progress: float) -> float:
        """The share of this phase that is over at `progress` of the run: below 0 before it, 1 and more after it."""
        return (progress - self.begins) / (self.ends - self.begins)


class Panel(NamedTuple):
    """One labelled row of the sample sheet: pictures [n, c, h, w] in [-1, 1]."""

    label: str
    pictures: Tensor


class Measure(NamedTuple):
    """The number by which the best checkpoint is kept; lower is better."""

    name: str
    value: float


class Export(NamedTuple):
    """A graph to export: a module of the served signature, what its tensors mean, and one example of its inputs."""

    role: str
    module: nn.Module
    inputs: tuple[contract.Tensor, ...]
    outputs: tuple[contract.Tensor, ...]
    example: tuple[Tensor, ...]


class Recipe(BaseModel, ABC):
    """A system: its fields are its hyper-parameters, its methods what the loop asks of it.

    The mapping `networks` goes through every call by name; a network listed in `averaged` is also kept as a moving
    average, which `preview`, `measure` and `exports` are given in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    averaged: ClassVar[tuple[str, ...]] = ("generator",)
    tasks: ClassVar[tuple[contract.Task, ...]] = ("generate",)
    conditional: ClassVar[bool] = False
    capturable: ClassVar[bool] = False
    """Whether steps of one `kind` may be captured (see `training.capture`): `terms` branches on nothing else."""
    measured: ClassVar[int] = 1000
    """Examples in the fixed batch against which checkpoints are measured."""

    def examples(self, settings: RunSettings, split: Split = "train") -> Examples:
        """The data that the run draws from: pictures, unless the recipe learns from something else.

        Raises `DataError`, or `NoSplit` where only the split is missing.
        """
        pictures = data.load(settings.data, size=settings.size, channels=settings.channels, split=split)
        return replace(pictures, mirror=settings.mirror)

    @property
    def measured_by(self) -> Features | None:
        """The pre-trained network that `measure` looks through, if one is given. FeaturesError if it can't be read."""
        return None

    @abstractmethod
    def networks(self, source: Source) -> Networks:
        """The modules by name. The loop makes optimisers, averages and checkpoint entries from them."""

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The updates of one step, in order."""

    def kind(self, step: int) -> int:  # noqa: ARG002
        """Steps of one kind run the same operations, on other numbers. All do, unless a recipe says otherwise."""
        return 0

    @abstractmethod
    def terms(self, phase: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """The scalar losses of a phase by name, weighted: the loop sums, logs and follows their gradient."""

    @abstractmethod
    def health(self, networks: Networks, batch: Batch) -> dict[str, float]:
        """What tells a run in trouble, by name (see `training.health`); called now and then, without gradient."""

    @abstractmethod
    def measure(self, networks: Networks, batch: Batch) -> Measure:
        """How far the averaged networks are from the real examples of a large, fixed batch."""

    @abstractmethod
    def preview(self, networks: Networks, batch: Batch) -> list[Panel]:
        """Rows for the sample sheet, at fixed latents, so that sheets of one run compare.

        A model folder's sheet is drawn by it too, from the exported graphs in the place of the networks of those names.
        """

    @abstractmethod
    def exports(self, networks: Networks) -> list[Export]:
        """The graphs that the service reads; `generator` is the main one."""

    def styles(self) -> dict[str, str]:
        """The role of the graph that draws each style, for recipes whose task is one."""
        return {}


def names() -> Iterator[str]:
    """The recipes that there are."""
    return (module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> type[Recipe]:
    """The recipe in the file of that name; ValueError, with the known ones, if there is none."""
    if name not in set(names()):
        raise ValueError(f"no recipe {name!r}: there are {', '.join(sorted(names()))}")
    module = importlib.import_module(f"{__name__}.{name}")
    (recipe,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Recipe) and value.__module__ == module.__name__
    )
    return recipe
