"""Whether an exported graph answers as torch does: the same values at several batch sizes, each row on its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.recipes import Export

BATCHES = (1, 3, 32)
"""Batch sizes at which a graph is held against torch; of large inputs, the last one is smaller."""
LARGE = 2**20
"""Values in a batch of large inputs."""
FEW = 2
"""Values of a picture that may differ by a grey level however small the batch is: of a thousand, one is no share."""
Arrays = dict[str, NDArray[np.generic]]


class ExportError(ValueError):
    """Weights that can't become a model folder; the message says why."""


def check(made: Export, session: Any, classes: int, share: float = 0.001) -> None:
    """Raises ExportError unless the graph in `session` answers as the module that it was made of.

    Of pictures at most that `share` of the values may differ, or `FEW`, by one grey level; floats may by 1e-4 of the
    largest.
    """
    outputs = [tensor.name for tensor in made.outputs]
    values = max(int(np.prod(tensor.sample)) for tensor in made.inputs)
    batches = (*BATCHES[:-1], max(4, min(BATCHES[-1], LARGE // values)))
    for size in batches:
        given = _inputs(made, size, classes)
        _compare(made, given, session.run(outputs, given), size, share)
    _rows_stand_alone(made, session, _inputs(made, max(batches), classes))


def _inputs(made: Export, count: int, classes: int) -> Arrays:
    """Random inputs of the meanings that the graph takes; the same in every export."""
    rng = np.random.default_rng(count)
    inputs: Arrays = {}
    for tensor in made.inputs:
        if tensor.meaning == "label" and tensor.dtype == "float32":
            inputs[tensor.name] = rng.dirichlet(np.ones(classes), count).astype(np.float32)
        elif tensor.meaning == "label":
            inputs[tensor.name] = rng.integers(classes, size=count)
        elif tensor.dtype == "uint8":
            inputs[tensor.name] = rng.integers(256, size=(count, *tensor.sample), dtype=np.uint8)
        else:
            inputs[tensor.name] = rng.standard_normal((count, *tensor.sample), np.float32)
    return inputs


def _compare(made: Export, inputs: Arrays, answers: Sequence[NDArray[Any]], size: int, share: float) -> None:
    """ExportError unless the graph's answers are near enough to torch's."""
    with torch.no_grad():
        told: Tensor | tuple[Tensor, ...] = made.module(*(torch.from_numpy(value) for value in inputs.values()))
    expected = told if isinstance(told, tuple) else (told,)
    for tensor, ours, theirs in zip(made.outputs, expected, answers, strict=True):
        difference = np.abs(ours.numpy().astype(np.float64) - theirs.astype(np.float64))
        bound = 1 if tensor.dtype == "uint8" else 1e-4 * max(1.0, float(ours.abs().max()))
        changed = float((difference > 0).mean())
        allowed = max(share, FEW / difference.size)
        if difference.max() > bound or (tensor.dtype == "uint8" and changed > allowed):
            raise ExportError(
                f"{made.role}: at batch {size} the graph's {tensor.name} differs from torch by up to "
                f"{difference.max():.3g} (at most {bound:.3g}), {changed:.2%} of the values at all"
            )


def _rows_stand_alone(made: Export, session: Any, inputs: Arrays) -> None:
    """ExportError unless row i of a batch equals the same row alone."""
    outputs = [tensor.name for tensor in made.outputs]
    together = session.run(outputs, inputs)
    for row in range(3):
        alone = session.run(outputs, {name: value[row : row + 1] for name, value in inputs.items()})
        for name, one, all_ in zip(outputs, alone, together, strict=True):
            if not np.array_equal(one[0], all_[row]):
                raise ExportError(f"{made.role}: {name} of row {row} depends on the batch that it rides in")
