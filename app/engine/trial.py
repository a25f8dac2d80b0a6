"""The first runs of a graph, which may do anything: in bounded memory, before any session without a bound is made.

Whoever wrote a folder may have meant harm. What can be seen of a file was seen by `app.onnxfile`; how much memory its
values take shows only when it is run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np

from app.contract import ContractError, Graph, Tensor
from app.engine import adapt, memory, providers, session
from app.engine.job import Arrays

FLOOR = 64_000_000
"""Bytes that any graph may take: a budget below is kept by what was measured after a load, and nothing is in danger."""

OUT_OF_MEMORY = ("available memory of", "bad_alloc", "failed to allocate")
"""What the runtime says when the arena is full."""


def budget(megabytes: float | None) -> int:
    """Bytes that the values of one graph may take: a model's budget, or what is free here if there is none."""
    return max(FLOOR, memory.available() if megabytes is None else int(megabytes * 1_000_000))


class TooLargeError(ContractError):
    """A batch that needs more memory than there may be; a smaller one may not."""


class Trial:
    """A graph in an arena that takes no more than `most` bytes, weights aside, of which nothing is computed ahead.

    A session folds constants as it is made, in memory that nothing bounds: ten bytes may stand for gigabytes. Here
    they are computed in a run.
    """

    def __init__(self, data: bytes, graph: Graph, most: int) -> None:
        """From bytes that were screened. `ContractError` if they can't be loaded or are not what the manifest says."""
        self.largest = _largest(graph, most)
        """The most samples whose inputs and outputs alone have room."""
        loaded = session.load(graph, lambda: providers.load_bounded(data, most))
        session.check(graph, loaded)
        self._graph = graph
        self._most = most
        self._session = adapt.adapted(loaded, graph)
        self._options = providers.stoppable()

    def take(self, inputs: Arrays) -> None:
        """Runs a batch; `TooLargeError` if it needs more memory than there may be."""
        try:
            self._session.run([output.name for output in self._graph.outputs], inputs, self._options)
        except Exception as error:  # the runtime's errors share no other base
            if not any(words in str(error).lower() for words in OUT_OF_MEMORY):
                raise
            size = len(next(iter(inputs.values())))
            raise TooLargeError(
                f"{self._graph.file} takes more memory than there may be for it, {_megabytes(self._most)}, in a batch "
                f"of {size}"
            ) from error

    def stop(self) -> None:
        """Ends a run between two nodes; further ones end at once."""
        self._options.terminate = True


@contextmanager
def named(graph: Graph) -> Iterator[None]:
    """A `TimeoutError` inside is a `ContractError` with the file's name."""
    try:
        yield
    except TimeoutError as error:
        raise ContractError(f"{graph.file} was given up: its warm-up was {error}") from error


def _largest(graph: Graph, most: int) -> int:
    """The most samples whose inputs and outputs take at most that many bytes; `ContractError` if not even one does."""
    each = sum(map(_bytes, (*graph.inputs, *graph.outputs)))
    if each > most:
        raise ContractError(
            f"one sample that {graph.file} takes and gives has {_megabytes(each)}; there may be {_megabytes(most)}"
        )
    return most // max(1, each)


def _bytes(tensor: Tensor) -> int:
    """Bytes of one sample, by the axes that are stated."""
    sides = tensor.usual or tensor.shape[1:]
    return prod(side for side in sides if isinstance(side, int)) * np.dtype(tensor.dtype).itemsize


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.3g} MB"
