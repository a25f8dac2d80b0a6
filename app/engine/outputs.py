"""Whether what a graph computed can be sent: a device that misbehaves may give back anything."""

from collections.abc import Callable, Sequence

import numpy as np

from app.contract import ContractError, Tensor
from app.engine.adapt import NotFiniteError
from app.engine.job import Arrays
from app.errors import InvalidOutput

Run = Callable[[Arrays, bool], Arrays]


def checked(model: str, run: Run, declared: Sequence[Tensor], nan: Callable[[float], None] = lambda _: None) -> Run:
    """`run`, which raises `InvalidOutput` for outputs that are not as declared; `nan` is told how many of their
    values aren't finite.
    """

    def run_checked(inputs: Arrays, alone: bool) -> Arrays:
        try:
            outputs = run(inputs, alone)
            for tensor in declared:
                if flaw := _flaw(tensor, outputs):
                    raise InvalidOutput(model, flaw)
        except ContractError as error:  # a graph from elsewhere gave what is no picture, or any what is no number
            if isinstance(error, NotFiniteError):
                nan(error.values)
            raise InvalidOutput(model, str(error)) from error
        return outputs

    return run_checked


def _flaw(tensor: Tensor, outputs: Arrays) -> str | None:
    """What is wrong with an output, in words; `NotFiniteError` for what is right but for its values.

    Its type and each axis that the manifest fixes must be those declared, and floats finite. uint8 holds neither NaN
    nor infinity: a graph that computes one and casts it gives pictures that only the golden samples could tell apart,
    so a native graph is checked for them when it is loaded, not here.
    """
    value = outputs.get(tensor.name)
    if value is None:
        return f"output {tensor.name} is missing"
    if value.dtype != tensor.dtype:
        return f"output {tensor.name} is {value.dtype}, not {tensor.dtype}"
    axes = zip(tensor.shape[1:], value.shape[1:], strict=False)
    if value.ndim != len(tensor.shape) or any(isinstance(due, int) and due != came for due, came in axes):
        due = ", ".join(map(str, tensor.shape[1:]))
        return f"output {tensor.name} has samples of shape {list(value.shape[1:])}, not [{due}]"
    if value.dtype.kind == "f" and not (finite := np.isfinite(value)).all():
        raise NotFiniteError(tensor.name, int(np.count_nonzero(~finite)))
    return None
