"""One graph on GPUs: for each executor a lane of its own, with fixed batch sizes, bound buffers and CUDA graphs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import Graph, Tensor
from app.engine import adapt, providers, session
from app.engine.cost import fit
from app.engine.job import Arrays
from app.engine.providers import Device

log = logging.getLogger(__name__)

CAPTURING = 3
"""Runs in which a CUDA graph is captured for sure: the runtime wants up to two plain ones before."""

PATIENCE = 10.0
"""Seconds that a capture waits for the runs of others; nobody else begins one meanwhile."""


class Capture:
    """Many may run, or one may capture a CUDA graph.

    While one thread captures, CUDA forbids most calls of every thread of the process, plain copies among them, and
    gives up the capture for it.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._running = 0
        self._capturing = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Waits until nobody captures; keeps captures waiting."""
        with self._changed:
            self._changed.wait_for(lambda: not self._capturing)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                if not self._running:
                    self._changed.notify_all()

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Lets nobody begin a run, and waits until those that run are done; `TimeoutError` if one hangs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._capturing)
            self._capturing = True
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: not self._running, PATIENCE):
                    raise TimeoutError(f"other runs are not done after {PATIENCE:.3g} s")
            yield
        finally:
            with self._changed:
                self._capturing = False
                self._changed.notify_all()


CAPTURE = Capture()
"""Of this process, since a capture minds every thread of it."""


class Bound:
    """A session for batches of one size and the buffers that it reads and writes: nothing is allocated for a run.

    Only what leaves is new memory, since requests keep it while their pictures are encoded. Belongs to one thread.
    """

    def __init__(self, loaded: Any, graph: Graph, size: int, device: Device, gpu: int) -> None:
        """`ContractError` unless the shapes of a sample are known."""
        self._session = loaded
        self._binding = loaded.io_binding()
        self._options: Any = providers.UNCAPTURED
        self._graph = graph
        # A batch is put together in one array of the host, so that each input is one copy.
        self._staged = {one.name: np.zeros(_shape(one, size), _dtype(one)) for one in graph.inputs}
        self._inputs = {one.name: providers.buffer(_shape(one, size), _dtype(one), device, gpu) for one in graph.inputs}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for tensor in graph.outputs:
            output = providers.buffer(_shape(tensor, size), _dtype(tensor), device, gpu)
            self._binding.bind_ortvalue_output(tensor.name, output)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """The outputs for a batch of at most its size, which is padded with its first row: any row of it is a valid
        input, and zeros may not be.
        """
        with CAPTURE.running():
            return self._run(inputs)

    def capture(self, inputs: Arrays) -> None:
        """Runs are one CUDA graph from now on. Raises what the runtime raises if that can't be."""
        with CAPTURE.capturing():
            self._options = None
            for _ in range(CAPTURING):
                self._run(inputs)

    def _run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        samples = len(next(iter(inputs.values())))
        for tensor in self._graph.inputs:
            staged = self._staged[tensor.name]
            staged[:samples] = adapt.given_as(tensor, inputs[tensor.name])
            staged[samples:] = staged[0]
            self._inputs[tensor.name].update_inplace(staged)
        self._session.run_with_iobinding(self._binding, self._options)
        outputs = zip(self._graph.outputs, self._binding.copy_outputs_to_cpu(), strict=True)
        return {tensor.name: adapt.seen_as(tensor, value[:samples]) for tensor, value in outputs}


class GpuSession:
    """A graph on the GPUs of a device, with a lane for each executor: a `Bound` for each batch size, on streams of its
    own. A smaller batch is padded.

    Sizes are fixed because a convolution on a GPU keeps the plan of its last shape only, and plans for milliseconds at
    each change (onnxruntime#23006); a session for each keeps all plans. Samples of an unusual shape, where the graph
    takes such, go through one session more, which plans anew whenever the shape changes. An executor has a lane to
    itself because the runtime keeps cuDNN's state, and CUDA graphs, by thread.
    """

    def __init__(self, data: bytes, graph: Graph, device: Device, max_batch: int, *, folds: bool = True) -> None:
        """From the graph's checked bytes, see `providers.load`.

        `ContractError` if it can't be loaded or is not what the manifest says.

        Its lanes are not ready before `prepare`.
        """
        described = session.load(graph, lambda: providers.load(data, folds=folds))
        session.check(graph, described)
        self.sizes = [graph.batch] if graph.batch else session.sizes(max_batch)
        self.lanes = len(device.lanes)
        self._graph = graph
        self._device = device
        self._data = data
        self._folds = folds
        self._axes = {one.shape[0] for one in described.get_inputs() if isinstance(one.shape[0], str)}
        self._graphs = self._can_capture()
        self._bounds = [{size: self._bind(lane, size) for size in self.sizes} for lane in range(self.lanes)]
        self._open = [one for one in graph.inputs if any(isinstance(side, str) for side in one.shape[1:])]
        self._unbound = [self._any_shape(lane) for lane in range(self.lanes)] if self._open else []
        self._mine = threading.local()

    def prepare(self, lane: int, inputs: Arrays) -> None:
        """Readies a lane for batches of as many samples as the inputs have: plans, and captures a CUDA graph.

        To be called on the thread that is to run its batches. Where no graph can be captured, it goes without, with a
        line in the log.
        """
        bounds = self._mine.bounds = self._bounds[lane]
        self._mine.lane = lane
        size = fit(len(next(iter(inputs.values()))), self.sizes)
        bounds[size].run(inputs)
        if not self._graphs:
            return
        try:
            bounds[size].capture(inputs)
        except Exception as error:  # the runtime's errors share no other base
            log.warning("%s runs without CUDA graphs: in batches of %d, %s", self._graph.file, size, error)
            self._graphs = False
            # A stream whose capture broke off takes no more work.
            bounds[size] = self._bind(lane, size)

    def run(self, inputs: Arrays, alone: bool = False) -> dict[str, NDArray[Any]]:  # noqa: ARG002 - as `Session.run`
        """The outputs by name for a batch of at most the largest size, in the lane of the calling thread, which has
        one by `prepare`; as many rows as the inputs have.
        """
        if any(inputs[one.name].shape[1:] != one.sample for one in self._open):
            return self._run_unbound(self._unbound[self._mine.lane], inputs)
        bounds: dict[int, Bound] = self._mine.bounds
        return bounds[fit(len(next(iter(inputs.values()))), self.sizes)].run(inputs)

    def _run_unbound(self, loaded: Any, inputs: Arrays) -> dict[str, NDArray[Any]]:
        names = [tensor.name for tensor in self._graph.outputs]
        with CAPTURE.running():
            return dict(zip(names, loaded.run(names, inputs, providers.UNCAPTURED), strict=True))

    def _can_capture(self) -> bool:
        """Whether CUDA graphs are wanted, and every node is where one can be captured."""
        if not self._device.cuda.graphs or self._device.cuda.tensorrt:
            return False
        elsewhere = providers.placement(self._load(0, self.sizes[0], graphs=False)) - {providers.CUDA}
        if elsewhere:
            log.warning("%s runs without CUDA graphs: some of its nodes run on %s.", self._graph.file, *elsewhere)
        return not elsewhere

    def _bind(self, lane: int, size: int) -> Bound:
        loaded = self._load(lane, size, graphs=self._graphs)
        return Bound(loaded, self._graph, size, self._device, self._device.lanes[lane])

    def _any_shape(self, lane: int) -> Any:
        return adapt.adapted(self._load(lane, None, graphs=False), self._graph)

    def _load(self, lane: int, size: int | None, *, graphs: bool) -> Any:
        """A session of a lane, for batches of that size, or of any."""
        gpu = self._device.lanes[lane]
        where = f"{self._device.kind}:{gpu} in batches of {size or 'any size'}"
        axes = self._axes if size else ()
        return session.load(
            self._graph,
            lambda: providers.load_fixed(
                self._data, self._device, gpu, size or 1, axes, graphs=graphs, folds=self._folds
            ),
            where,
        )


def _shape(tensor: Tensor, size: int) -> list[int]:
    """The shape of a batch of `size` samples as the graph holds it, of the usual one where the manifest leaves axes
    open.
    """
    return [size, *(tensor.foreign.sample(tensor.sample) if tensor.foreign else tensor.sample)]


def _dtype(tensor: Tensor) -> str:
    """The type that the graph holds."""
    return (tensor.foreign or tensor).dtype
