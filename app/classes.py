"""Classes as generators take them: one by its index, or a mixture by weights.

A graph's label is int64 [n], an index for each sample, or float32 [n, classes], weights that sum to 1. Of these a row
with a single 1 stands for the class of that index, to the bit. Used through the contract, by training too. numpy only.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Class = int | Mapping[int, float]
"""A class by its index, or several by their weights, in any unit: `{5: 0.7, 3: 0.3}`."""


def indices(asked: Sequence[Class]) -> NDArray[np.int64]:
    """The index of each class, int64 [n]; ValueError for a mixture, which has none."""
    found = []
    for one in asked:
        if isinstance(one, Mapping):
            kinds = [index for index, weight in _shares(one).items() if weight]
            if len(kinds) > 1:
                raise ValueError(f"a mixture of classes {', '.join(map(str, kinds))}: this generator draws one at once")
            one = kinds[0]
        found.append(one)
    return np.array(found, np.int64)


def weights(asked: Sequence[Class], count: int) -> NDArray[np.float32]:
    """The weights of `count` classes, float32 [n, count]; each row sums to 1. ValueError for a class that is not there.

    A class by its index is a row of zeros with a single 1.
    """
    rows = np.zeros((len(asked), count), np.float32)
    for row, one in zip(rows, asked, strict=True):
        for index, weight in (_shares(one) if isinstance(one, Mapping) else {one: 1.0}).items():
            if not 0 <= index < count:
                raise ValueError(f"there is no class {index}: the generator knows 0 to {count - 1}")
            row[index] = weight
    return rows


def single(labels: NDArray[Any]) -> list[int | None]:
    """The index of each row's class, from either form of a label; None where the row is a mixture."""
    if labels.dtype.kind == "i":
        return [int(label) for label in labels]
    return [int(row.argmax()) if np.count_nonzero(row) == 1 else None for row in labels]


def _shares(mixture: Mapping[int, float]) -> dict[int, float]:
    """The weights, made to sum to 1; ValueError unless none is below 0 or infinite, and one is above 0."""
    if not all(math.isfinite(weight) and weight >= 0 for weight in mixture.values()):
        raise ValueError("the weight of a class is a finite number of at least 0")
    largest = max(mixture.values(), default=0)
    if largest == 0:
        raise ValueError("of the classes in a mixture, one at least needs a weight above 0")
    total = sum(weight / largest for weight in mixture.values())
    return {index: weight / largest / total for index, weight in mixture.items()}
