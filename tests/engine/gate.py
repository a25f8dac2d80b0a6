"""A device under the test's control: a batch that enters it waits until the test lets it go.

It stands where a graph would stand, since no real device can be held at a chosen moment.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import Any

import numpy as np

from app.engine.admission import Limits, watch
from app.engine.batch import Batch
from app.engine.batching import Batcher
from app.engine.cost import Cost
from app.engine.executor import Executors
from app.engine.health import Health
from app.engine.job import Arrays, Job
from app.engine.rotation import Rotation
from app.metrics import Lane, Metrics

PATIENCE = 10
"""Seconds after which a test that waits has failed."""

ENCODERS = 2


class Gate:
    """Doubles its input `x` into `y`; notes the batches in the order in which they entered."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.broken = False
        self._entered = Semaphore(0)
        self._go = Semaphore(0)

    def run(self, inputs: Arrays, alone: bool = False) -> Arrays:
        self.batches.append([float(np.ravel(x)[0]) for x in inputs["x"]])
        self._entered.release()
        assert self._go.acquire(timeout=PATIENCE), "the test never let this batch go"
        if self.broken:
            raise RuntimeError("out of memory")
        return {"y": inputs["x"] * 2}

    def entered(self, batches: int = 1) -> None:
        """Waits until that many more batches have entered."""
        for _ in range(batches):
            assert self._entered.acquire(timeout=PATIENCE), f"no batch entered; so far: {self.batches}"

    def let(self, batches: int = 1) -> None:
        """Lets that many batches go, now or when they come."""
        self._go.release(batches)

    def pass_one(self) -> None:
        """Waits for a batch and lets it go."""
        self.entered()
        self.let()


class Line:
    """A device with executors, and batchers before it."""

    def __init__(self, executors: int = 1, patience: float = PATIENCE, device: str = "test") -> None:
        self.metrics = Metrics()
        self.rotation: Rotation[Batch] = Rotation(executors)
        self.encode = ThreadPoolExecutor(ENCODERS, "ganymede-encode")
        self.executors = Executors(self.rotation, device, patience)
        self.gates: list[Gate] = []

    def batcher(
        self,
        seconds: Mapping[int, float] | None = None,
        *,
        model: str = "toy@1",
        queue_seconds: float = 1000,
        batch_wait: float = 0,
        run: Callable[[Arrays, bool], Arrays] | None = None,
        scale: Callable[[Arrays], float] = lambda _: 1.0,
    ) -> tuple[Batcher, Gate]:
        """A batcher whose batches cost `seconds` by size (up to four samples for 1 s unless told) and its gate."""
        gate = Gate()
        self.gates.append(gate)
        cost = Cost(seconds or {1: 1, 4: 1})
        # The gate's own seconds say nothing about the cost that the test made up.
        cost.observe = lambda samples, seconds: None  # type: ignore[method-assign]
        limits = Limits(queue_seconds, batch_wait, ENCODERS)
        metrics = self.metrics.model(model)
        run = run or gate.run
        health = Health(model)
        made = Batcher(model, run, cost, self.rotation, self.encode, health, metrics, limits, scale)
        watch(metrics, [made.door], health)
        return made, gate

    def count(self, name: str, **labels: str) -> float:
        """The value of a series."""
        return self.metrics.registry.get_sample_value(name, {"model": "toy@1", **labels}) or 0

    def close(self) -> None:
        for gate in self.gates:
            gate.let(1000)
        self.rotation.drain(PATIENCE)
        self.executors.close()
        self.encode.shutdown()


def x(*values: float) -> Arrays:
    """Inputs of one sample for each value."""
    return {"x": np.array(values, np.float64)}


def send(
    batcher: Batcher, *values: float, deadline: float | None = None, lane: Lane = "interactive"
) -> Job[list[float]]:
    """Submits a job whose result is the list of its outputs."""
    return batcher.submit(x(*values), deadline=deadline, finish=lambda outputs: outputs["y"].tolist(), lane=lane)


def result(job: Job[Any]) -> Any:
    return job.result(timeout=PATIENCE)
