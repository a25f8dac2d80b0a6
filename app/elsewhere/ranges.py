"""Which values of a graph's pictures are black and white, by the values that it gave."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.elsewhere.wishes import MEANT, RANGES, MissingError, Range

OUTSIDE = 0.1
"""Share of the values that may overshoot a range."""

SPREAD = 0.25
"""Share of a range that values must span to be told by it: a few grey levels fit into every range."""

DARK = -0.25
"""Values in [-1, 1] go at least so low. What stays above it is in [0, 1], or overshoots that."""


def seen(name: str, values: NDArray[Any], wished: Range | None) -> tuple[tuple[float, float], str]:
    """The range of an output, and a remark if many of its values are clipped; `MissingError` if it can't be told."""
    low, high = float(values.min()), float(values.max())
    fitting = [wished] if wished else [found for found in ("signed", "unit", "byte") if _fits(values, low, high, found)]
    # One that is wished is taken at its word.
    if len(fitting) != 1:
        may = " or ".join(_shown(found) for found in fitting)
        why = f"which may be {may}" if may else "which tells none of them"
        need = f"--range RANGE: what black and white are in {name}: {MEANT}; it gave {low:.3g} to {high:.3g}, {why}"
        raise MissingError([need])
    beyond = _beyond(values, fitting[0])
    remark = f"{beyond:.0%} of the values of {name}, {low:.3g} to {high:.3g}, lie outside {_shown(fitting[0])}: clipped"
    return RANGES[fitting[0]], remark if beyond > OUTSIDE else ""


def _fits(values: NDArray[Any], low: float, high: float, found: Range) -> bool:
    black, white = RANGES[found]
    spread = min(high, white) - max(low, black)
    dark = found != "signed" or low < DARK
    return dark and spread >= SPREAD * (white - black) and _beyond(values, found) <= OUTSIDE


def _beyond(values: NDArray[Any], found: Range) -> float:
    black, white = RANGES[found]
    return float(np.mean((values < black) | (values > white)))


def _shown(found: Range) -> str:
    black, white = RANGES[found]
    return f"[{black:g}, {white:g}]"
