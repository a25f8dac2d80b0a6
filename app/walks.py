"""Walks from stop to stop: how many pictures there are, which lie on a stop, and the values of each between them.

Pure functions of numbers, for latents and classes alike. numpy only; the service interpolates by them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Between = Callable[[Values, Values, float], Values]
"""What lies between a start (t = 0) and an end (t = 1): `lerp`, `slerp` or `nearest`. It must reach both to the bit."""

Easing = Literal["linear", "smooth"]

CORNERS = 4
"""The stops of a grid: top left, top right, bottom left, bottom right."""


@dataclass(frozen=True)
class Walk:
    """From each of `stops` stops to the next in `steps` pictures, both ends included, so that stops aren't doubled.

    In a `loop` it goes on from the last stop to the first, and ends before that comes again. A `grid` has `steps` rows
    of `steps` pictures between four corners: along the top and the bottom, then down between the two.
    """

    stops: int
    steps: int
    easing: Easing = "linear"
    loop: bool = False
    grid: bool = False

    def __len__(self) -> int:
        if self.grid:
            return self.steps**2
        return self.stops * (self.steps - 1) if self.loop else (self.stops - 1) * (self.steps - 1) + 1

    @property
    def landings(self) -> dict[int, int]:
        """Which stop lies at a picture, by the numbers of those pictures that have one."""
        last = self.steps - 1
        if self.grid:
            top, bottom = 0, self.steps * last
            return {top: 0, top + last: 1, bottom: 2, bottom + last: 3}
        return {stop * last: stop for stop in range(self.stops)}

    def along(self, values: Values, between: Between) -> Values:
        """The value at each picture, [pictures, …], of the values at the stops, [stops, …]."""
        return np.stack([self.at(number, values, between) for number in range(len(self))])

    def at(self, number: int, values: Values, between: Between) -> Values:
        """The value at one picture, […], of the values at the stops, [stops, …]."""
        if self.grid:
            row, column = divmod(number, self.steps)
            top = self._within(values[0], values[1], column, between)
            bottom = self._within(values[2], values[3], column, between)
            return self._within(top, bottom, row, between)
        leg, step = divmod(number, self.steps - 1)
        return values[leg] if step == 0 else self._within(values[leg], values[(leg + 1) % self.stops], step, between)

    def _within(self, start: Values, end: Values, step: int, between: Between) -> Values:
        return between(start, end, eased(step / (self.steps - 1), self.easing))


def most_steps(stops: int, pictures: int, *, loop: bool, grid: bool) -> int:
    """The most steps with which a walk has no more than so many pictures; with less than 2 there is none."""
    if grid:
        return math.isqrt(pictures)
    return pictures // stops + 1 if loop else (pictures - 1) // (stops - 1) + 1


def nearest(start: Values, end: Values, t: float) -> Values:
    """Of what can't be blended: the start in the first half of the way, then the end."""
    return start if t < 0.5 else end


def eased(t: float, easing: Easing) -> float:
    """`smooth` sets out and arrives slowly (smoothstep, 3t² − 2t³); 0 and 1 stay what they are."""
    return t * t * (3 - 2 * t) if easing == "smooth" else t
