"""One graph on the CPU: loaded, its signature checked against the manifest, and run on batches of any size."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

from app.contract import ContractError, Graph, Meaning, Tensor
from app.engine import adapt, memory, providers
from app.engine.cost import Ways
from app.engine.job import Arrays
from app.engine.niceness import behind

TYPES = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
}
NATIVE: dict[Meaning, tuple[str, ...]] = {
    "latent": ("float32",),
    "label": ("int64", "float32"),
    "image": ("uint8",),
    "frames": ("uint8",),
    "audio": ("float32",),
}

T = TypeVar("T")


def sizes(max_batch: int) -> list[int]:
    """The batch sizes that are warmed up, ascending: powers of two, and the largest one."""
    return [2**power for power in range(max_batch.bit_length()) if 2**power < max_batch] + [max_batch]


class Session:
    """A graph, ready to run on any thread.

    It runs single-threaded; a batch that has the machine to itself may go through a second session, on all `threads`,
    which `narrow` gives up.
    """

    def __init__(self, data: bytes, graph: Graph, max_batch: int, threads: int = 1, *, folds: bool = True) -> None:
        """From the graph's checked bytes, see `providers.load`.

        `ContractError` if it can't be loaded or is not what the manifest says.
        """
        self.sizes = sizes(max_batch)
        self._outputs = [output.name for output in graph.outputs]
        loaded = load(graph, lambda: providers.load(data, folds=folds))
        check(graph, loaded)
        self._session = adapt.adapted(loaded, graph)
        wide = load(graph, lambda: behind(lambda: providers.load(data, threads, folds=folds))) if threads > 1 else None
        self._wide = None if wide is None else adapt.adapted(wide, graph)
        self._ways = Ways()

    @property
    def wide(self) -> bool:
        """Whether a batch that has the machine to itself may run on several threads."""
        return self._wide is not None

    def narrow(self) -> None:
        """Gives up the session of several threads."""
        self._wide = None

    def run_wide(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """As `run`, on several threads; there are some."""
        return self._run(self._wide, inputs)

    def run(self, inputs: Arrays, alone: bool = False) -> dict[str, NDArray[Any]]:
        """The outputs by name for a batch of at most the largest size; as many rows as the inputs have.

        `alone` says that nothing else wants the device now.
        """
        if alone and self._wide is not None:
            return self._run_alone([self._session, self._wide], inputs)
        return self._run(self._session, inputs)

    def _run_alone(self, sessions: list[Any], inputs: Arrays) -> dict[str, NDArray[Any]]:
        """On one thread or on several: whichever was the quicker lately."""
        way = self._ways.choose()
        began = time.perf_counter()
        outputs = self._run(sessions[way], inputs)
        self._ways.observe(way, (time.perf_counter() - began) / len(next(iter(inputs.values()))))
        return outputs

    def _run(self, session: Any, inputs: Arrays) -> dict[str, NDArray[Any]]:
        return dict(zip(self._outputs, session.run(self._outputs, inputs), strict=True))


@memory.apart()
def load(graph: Graph, loading: Callable[[], T], where: str = "cpu") -> T:
    """What `loading` returns; `ContractError` with the file's name for whatever the runtime raises."""
    try:
        return loading()
    except Exception as error:  # the runtime's errors share no other base
        raise ContractError(f"{graph.file} can't be loaded on {where}: {error}") from error


def check(graph: Graph, session: Any) -> None:
    """`ContractError` if the graph that was loaded is not the one that the manifest describes, or what the service is
    to see of it is not native.
    """
    read = [output for output in session.get_outputs() if output.name not in graph.unread]
    flaws = [
        *_differences("input", graph.inputs, session.get_inputs()),
        *_differences("output", graph.outputs, read),
    ]
    if absent := set(graph.unread) - {output.name for output in session.get_outputs()}:
        flaws.append(f"it has no output {', '.join(sorted(absent))} to leave unread")
    for tensor in (*graph.inputs, *graph.outputs):
        native = NATIVE.get(tensor.meaning, (tensor.dtype,))
        if tensor.dtype not in native:
            flaws.append(f"{tensor.meaning} {tensor.name} is {tensor.dtype}; native graphs have {' or '.join(native)}")
        if tensor.meaning == "image" and (tensor.layout != "NHWC" or len(tensor.shape) != 4):
            flaws.append(f"image {tensor.name} is not laid out as [n, height, width, channels] (NHWC)")
    if flaws:
        raise ContractError(f"{graph.file} does not fit the manifest: {'; '.join(flaws)}")


def _differences(kind: str, declared: Sequence[Tensor], actual: Sequence[Any]) -> list[str]:
    """What differs between the tensors that the manifest declares and those that the graph has, in words."""
    found = {tensor.name: tensor for tensor in actual}
    names = {tensor.name for tensor in declared}
    if names != set(found):
        return [f"its {kind}s are {', '.join(sorted(found))}, the manifest says {', '.join(sorted(names))}"]
    flaws = []
    for tensor in declared:
        there, said = found[tensor.name], tensor.foreign or tensor
        dtype = TYPES.get(there.type, there.type)
        if dtype != said.dtype:
            flaws.append(f"{kind} {tensor.name} is {dtype}, the manifest says {said.dtype}")
        rows = there.shape[0] if there.shape else None
        if isinstance(rows, int) and (tensor.foreign is None or tensor.foreign.batch is None):
            flaws.append(f"{kind} {tensor.name} has a fixed batch of {rows}; it must be dynamic")
        # The runtime shows a rank that isn't known as none at all.
        elif (there.shape or tensor.foreign is None) and not _fits(said.shape, there.shape):
            flaws.append(f"{kind} {tensor.name} is {_shape(there.shape)}, the manifest says {_shape(said.shape)}")
    return flaws


def _fits(declared: Sequence[int | str], actual: Sequence[int | str | None]) -> bool:
    """Whether a shape is as declared, as far as the graph knows it: an axis it leaves open shows at the first run."""
    if len(declared) != len(actual):
        return False
    return all(not isinstance(there, int) or there == said for said, there in zip(declared, actual, strict=True))


def _shape(shape: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if axis is None else str(axis) for axis in shape)}]"
