"""The commands `ganymede train`, `evaluate`, `export` and `directions`, and the words in which they fail."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from app import contract
from app.contract import ContractError
from app.directions import Name
from training import config, evaluation, features, loop
from training import export as exporting
from training.checkpoint import CheckpointError
from training.config import ConfigError, Flags
from training.data import DataError
from training.evaluation import EvaluationError, Request
from training.features import FeaturesError
from training.parity import ExportError
from training.settings import Count

MISTAKES = (
    CheckpointError,
    ConfigError,
    ContractError,
    DataError,
    EvaluationError,
    ExportError,
    FeaturesError,
)
"""What a user can get wrong: told in one line, without a traceback."""


class Export(Flags):
    """Write a run's generator as a model folder: its graph, manifest, golden samples, sample sheet and card."""

    run: CliPositionalArg[Path] = Field(description="the folder that `ganymede train` wrote")
    to: Path = Field(Path("models"), description="the folder of models")
    name: str | None = Field(None, description="the model's name; default: the run folder's")
    title: str | None = Field(None, description="the model's name for people")
    version: int | None = Field(None, gt=0, description="default: the next free one")
    weights: Literal["best", "last"] = Field("best", description="by the run's measure, or as the run ended")
    data_licence: str = Field("not stated", description="licence and source of the training data, for the card")
    weights_licence: str = Field("not stated", description="licence of the weights, for the card")
    notes: str = Field("", description="what the card should say besides, in Markdown")
    half: bool = Field(False, description="store the weights in float16: half the file, rounded")
    data: str | None = Field(None, description="where the run's data are now, if not where they were")


class Evaluate(Flags):
    """Measure a model folder against real data, and write the numbers into its manifest and card."""

    model: CliPositionalArg[Path] = Field(description="a model folder, e.g. models/cifar10/1")
    data: str = Field(description="the real data: as for `ganymede train`")
    noise: str | None = Field(None, description="for the task enhance: the folder of noise")
    rain: str | None = Field(None, description="for the task predict, on radar: rates in mm/h to hit, e.g. 0.1,1,2.5")
    beside: dict[str, Path] = Field({}, description="model folders to compare with: --beside 'L1 only'=FOLDER")
    features: list[Path] = Field([], description="networks to measure distances on; may be given several times")
    classifier: Path | None = Field(None, description="network that says which class a picture shows")
    samples: Count = Field(10_000, gt=0, description="examples on each side, at most")
    seed: int = Field(0, ge=0, description="of the drawn pictures")


class Directions(Flags):
    """Find the directions of a model's latent space in its graph, and write them into its manifest and card."""

    model: CliPositionalArg[Path] = Field(description="a model folder, e.g. models/cifar10/1")
    keep: dict[str, Name] = Field(
        {},
        description="those to keep, in that order, under names of your own: --keep sefa-1=brightness --keep pca-2=hue",
    )


def train(arguments: list[str]) -> int:
    """Train a generator: `ganymede train RECIPE --data … --out …`."""
    return _told(lambda: loop.train(config.parse(arguments)))


def export(arguments: list[str]) -> int:
    """Write a run as a model folder: `ganymede export RUN --to models`."""

    def run() -> None:
        flags = config.read(Export, arguments)
        exporting.export(
            flags.run,
            flags.to,
            name=flags.name or flags.run.resolve().name.lower(),
            title=flags.title,
            version=flags.version,
            weights=flags.weights,
            licence=contract.Licence(data=flags.data_licence, weights=flags.weights_licence),
            notes=flags.notes,
            half=flags.half,
            data=flags.data,
        )

    return _told(run)


def evaluate(arguments: list[str]) -> int:
    """Measure a model against real data: `ganymede evaluate models/NAME/1 --data … --features …`."""

    def run() -> None:
        flags = config.read(Evaluate, arguments)
        request = Request.of(
            flags.model,
            flags.data,
            features=[features.load(path) for path in flags.features],
            classifier=features.load(flags.classifier) if flags.classifier else None,
            options={name: value for name in ("noise", "rain") if (value := getattr(flags, name))},
            samples=flags.samples,
            seed=flags.seed,
        )
        metrics = evaluation.compared(request, flags.beside)
        exporting.record(flags.model, metrics)
        print(evaluation.table(metrics))

    return _told(run)


def directions(arguments: list[str]) -> int:
    """Find a model's directions: `ganymede directions models/NAME/1`."""

    def run() -> None:
        flags = config.read(Directions, arguments)
        manifest = exporting.find_directions(flags.model, flags.keep)
        print(", ".join(direction.name for direction in manifest.directions))

    return _told(run)


def _told(run: Callable[[], object]) -> int:
    """Runs a command; 0, or 2 after telling what the user got wrong."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        run()
    except MISTAKES as error:
        logging.getLogger("ganymede").error("%s", error)
        return 2
    return 0
