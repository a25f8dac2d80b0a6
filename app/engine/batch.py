"""The samples of one run, and what becomes of the jobs that ride in it."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from app.engine.cost import Cost
from app.engine.health import Health
from app.engine.job import Arrays, Job
from app.errors import InferenceTimedOut, InvalidOutput, Problem
from app.metrics import Drop, ModelMetrics, Release

UNTRACED = nullcontext()

Piece = tuple[Job[Any], int]
"""A job, and the number of a piece of its result."""


class Source(Protocol):
    """The queue that a batch was taken from, as far as its run and its end know it."""

    model: str
    cost: Cost
    encode: Executor
    health: Health
    metrics: ModelMetrics

    @property
    def run(self) -> Callable[[Arrays, bool], Arrays]: ...
    def drop(self, job: Job[Any], reason: Drop, error: Exception, *, lost: int = 0) -> None: ...
    def expire(self, expired: list[tuple[Job[Any], int]]) -> None: ...
    def finish(self, pieces: list[Piece], seconds: float) -> None: ...
    def refuse(self) -> None: ...


@dataclass(frozen=True)
class Batch:
    """Samples for one run. `parts` are the jobs that ride in it, each with which of its samples do, `size` in all,
    which are so much `work`.

    It is predicted to take so many `seconds`. `alone` says that its job is the only open one, and was lately.
    `expired` are jobs that left the queue past their deadline, with how many samples each; a batch may hold nothing
    else.
    """

    source: Source
    parts: list[tuple[Job[Any], slice]]
    size: int
    work: float
    seconds: float
    release: Release
    alone: bool
    expired: list[tuple[Job[Any], int]]

    def inputs(self) -> Arrays:
        """The inputs of all parts, one after the other."""
        if len(self.parts) == 1:
            job, rows = self.parts[0]
            return {name: value[rows] for name, value in job.inputs.items()}
        names = self.parts[0][0].inputs
        return {name: np.concatenate([job.inputs[name][rows] for job, rows in self.parts]) for name in names}

    def charge(self, seconds: float) -> None:
        """Charges so much time of the device to the jobs that ride here, each by its work."""
        for job, rows in self.parts:
            job.charge(seconds * (rows.stop - rows.start) * job.scale / self.work)

    def requests(self) -> list[str]:
        """The ids of the requests that ride here, as far as they are known."""
        return list(dict.fromkeys(job.caller.request_id for job, _ in self.parts if job.caller))

    def traced(self) -> AbstractContextManager[object]:
        """What stands around its run, for the traces of the requests that ride here."""
        traces = [job.caller.trace for job, _ in self.parts if job.caller and job.caller.trace]
        if not traces:
            return UNTRACED
        return traces[0].batch(self.source.model, self.size, self.release, list(dict.fromkeys(traces)))

    def expire(self) -> None:
        """Ends the jobs whose deadline has passed; off this thread, since they may be thousands."""
        if self.expired:
            self.source.encode.submit(self.source.expire, self.expired)

    def deliver(self, outputs: Arrays) -> None:
        """Hands each job its rows; what can be made of them goes on to be encoded.

        Raises `InvalidOutput`, and hands out nothing, if there are not as many rows as samples.
        """
        for name, value in outputs.items():
            if len(value) != self.size:
                flaw = f"output {name} has {len(value)} rows for a batch of {self.size}"
                raise InvalidOutput(self.source.model, flaw)
        start = 0
        pieces: list[Piece] = []
        for job, rows in self.parts:
            stop = start + rows.stop - rows.start
            ready = job.receive(rows, {name: value[start:stop] for name, value in outputs.items()})
            pieces += [(job, piece) for piece in ready]
            start = stop
        self.source.health.good()
        self.source.finish(pieces, self.seconds)

    def fail(self, problem: Callable[[], Problem]) -> None:
        """Ends the jobs that ride here, and no others, unless it is one failure too many: see `Health`."""
        self._drop(problem)
        if self.source.health.bad(problem().detail):
            self.source.refuse()

    def give_up(self, seconds: float) -> None:
        """Ends the jobs that ride here and those that wait: the run hangs, after so many seconds."""
        problem = partial(InferenceTimedOut, self.source.model, seconds, self.seconds)
        self.source.health.lost(problem().detail)
        self._drop(problem)
        self.source.refuse()

    def _drop(self, problem: Callable[[], Problem]) -> None:
        for job, rows in self.parts:
            self.source.drop(job, "failed", problem(), lost=rows.stop - rows.start)
