"""What whoever adds a graph says of it, and the two ways in which that can end badly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.contract import Task
from app.foreign import Layout

RANGES: dict[str, tuple[float, float]] = {"signed": (-1, 1), "unit": (0, 1), "byte": (0, 255)}
"""What black and white are, by the name that a flag gives it."""

MEANT = ", ".join(f"{name} [{black:g}, {white:g}]" for name, (black, white) in RANGES.items())
"""The same in words."""

Range = Literal["signed", "unit", "byte"]


class RefusedError(ValueError):
    """A graph that can't be served; the message says why, and what would help."""


class MissingError(ValueError):
    """What can't be seen of a graph, and so must be said: each of `needs` names a flag and why it is needed."""

    def __init__(self, needs: Sequence[str]) -> None:
        super().__init__("this can't be seen from the graph:\n" + "\n".join(f"  {need}" for need in needs))
        self.needs = tuple(needs)


@dataclass(frozen=True)
class Wishes:
    """What is said of a graph by flags of the same names. None and empty: that is to be seen from the graph."""

    name: str | None = None
    title: str | None = None
    task: Task | None = None
    style: str | None = None
    classes: tuple[str, ...] = ()
    licence: str | None = None
    data: str | None = None
    source: str = ""
    notes: str = ""
    latent: str | None = None
    label: str | None = None
    output: str | None = None
    layout: Layout | None = None
    input_range: Range | None = None
    range: Range | None = None
    size: int | None = None
