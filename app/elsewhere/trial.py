"""Runs of a graph made elsewhere on what the service would give it: what it takes, and what comes of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.contract import Graph, Latent, Manifest, Tensor
from app.elsewhere import outputs
from app.elsewhere.look import Look
from app.elsewhere.outputs import Values
from app.elsewhere.wishes import RefusedError, Wishes
from app.engine import adapt
from app.engine.job import Arrays

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""What the sides of pictures may have to be multiples of, where they are open."""

MANY = 3
"""Rows that show whether a graph takes more than one."""

SAMPLES, SECONDS = 16, 10.0
"""So many samples are drawn to see what values they have; fewer of a graph that takes longer than that."""

Describe = Callable[[int | None, int], tuple[Tensor, ...]]
"""The inputs of a graph, by the batch that it is fixed to and the multiple that sides must be of."""


@dataclass(frozen=True)
class Trial:
    """A graph and what it is tried with: `inputs` as the service sees them, of `classes` classes."""

    look: Look
    inputs: tuple[Tensor, ...]
    latent: Latent | None
    classes: int

    def drawn(self, indices: range, label: int | None = None) -> Arrays:
        """What the service would give for samples `indices` of seed 0; of class `label`, or drawn."""
        facts: dict[str, Any] = {
            "graphs": {"generator": Graph(file="trial.onnx", inputs=self.inputs, outputs=())},
            "latent": self.latent,
            "classes": tuple(map(str, range(self.classes))),
        }
        draft = Manifest.model_construct(**facts)
        return draft.inputs(0, indices, label)

    def feed(self, indices: range, label: int | None = None) -> Arrays:
        """The same as the graph holds it."""
        drawn = self.drawn(indices, label)
        return {tensor.name: adapt.given_as(tensor, drawn[tensor.name]) for tensor in self.inputs}

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> "Trial":
        """The same with other inputs."""
        return replace(self, inputs=inputs)

    @property
    def multiple(self) -> int:
        """What open sides are multiples of."""
        return self.picture.multiple if self.picture else 1

    @property
    def picture(self) -> Tensor | None:
        """The picture that it is given, if it is."""
        return next((tensor for tensor in self.inputs if tensor.meaning == "image"), None)

    def first(self, rows: int) -> dict[str, Values]:
        """All outputs for the first rows, of the first class."""
        return self.look.run(self.feed(range(rows), label=0))

    def many(self, name: str, rows: int) -> Values:
        """An output for as many samples as are needed to see its values, in batches of `rows`."""
        drawn: list[Values] = []
        began = time.perf_counter()
        for start in range(0, SAMPLES, rows):
            drawn.append(self.look.run(self.feed(range(start, start + rows)))[name])
            if time.perf_counter() - began > SECONDS:
                break
        return np.concatenate(drawn)

    def repeats(self, name: str, rows: int) -> bool:
        """Whether equal inputs give equal outputs, to the last bit: a graph with random nodes inside doesn't."""
        feed = self.feed(range(rows))
        return np.array_equal(self.look.run(feed)[name], self.look.run(feed)[name], equal_nan=True)

    def fails(self, label: int, rows: int) -> str:
        """Why it doesn't run for that class, in the runtime's words; empty if it does."""
        return self.look.tried(self.feed(range(rows), label))[1]


def of_any_size(trial: Trial, describe: Describe, rows: int | None, wishes: Wishes) -> Trial:
    """The trial with sides that are the multiples that the graph takes; as it is where all sides are stated.

    `RefusedError` unless pictures of some multiple come out as large as they went in.
    """
    if trial.picture is None or trial.picture.usual is None:
        return trial
    said = []
    for multiple in MULTIPLES:
        tried = replace(trial, inputs=tuple(_sized(one, multiple) for one in describe(rows, multiple)))
        (height, width, _) = tried.picture.sample if tried.picture else (0, 0, 0)
        values, error = trial.look.tried(tried.feed(range(rows or 1)))
        if not error:
            name = outputs.chosen(trial.look, wishes, values, rows or 1)
            lies = outputs.layout(name, values[name], wishes)
            came = outputs.sides(values[name], lies)[:2]
            if came == (height, width):
                return replace(trial, inputs=describe(rows, multiple))
            error = f"{name} is {came[0]}×{came[1]}"
        said.append(f"{height}×{width}: {error}")
    raise RefusedError(f"pictures don't come out as large as they went in; of {said[0]}; of {said[-1]}")


def rows_taken(trial: Trial, name: str) -> tuple[int | None, str]:
    """The batch of a graph whose inputs declare none: None if it takes any, else the only one, with the reason in
    words; `name` is the output.
    """
    (output,) = (held for held in trial.look.outputs if held.name == name)
    declared = output.shape[0] if output.shape else None
    if isinstance(declared, int):
        return declared, f"its inputs declare an open batch, and {name} one of {declared}: it is run so"
    values, error = trial.look.tried(trial.feed(range(MANY), label=0))
    if not error and len(values[name]) == MANY:
        return None, ""
    why = error or f"for {MANY} it gives {name}, {outputs.shown(values[name])}"
    return 1, f"it declares an open batch, and takes one sample at a time: {why}"


def _sized(tensor: Tensor, multiple: int) -> Tensor:
    """A picture's open sides, as small as shows whether the multiple is right: odd multiples of it, and not equal."""
    if tensor.usual is None:
        return tensor
    tried = (128 + multiple, 64 + multiple)
    sides = [side if isinstance(side, int) else odd for side, odd in zip(tensor.shape[1:3], tried, strict=True)]
    return tensor.model_copy(update={"usual": (*sides, tensor.usual[2])})
