"""The queue of one model and the batches cut from it: admission, deadlines, fairness. Knows neither ONNX nor HTTP."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from app.engine.cost import Cost
from app.engine.job import Arrays, Job
from app.engine.rotation import Rotation
from app.errors import DeadlineExceeded, Draining, InferenceFailed, Overloaded
from app.metrics import Drop, ModelMetrics, Release

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How much may queue (`queue_seconds` of predicted work), and how long a batch may wait to fill, in seconds."""

    queue_seconds: float
    batch_wait: float = 0


class Batcher:
    """The queue of one model.

    An idle executor takes what waits, at once, up to the largest useful batch, and idle ones share; while executors
    are busy, the queue fills, so load makes the batches. Jobs are served round robin by sample: one of 256 does not
    hold up one of 1.
    """

    def __init__(
        self,
        model: str,
        run: Callable[[Arrays], Arrays],
        cost: Cost,
        rotation: "Rotation[Batch]",
        encode: Executor,
        metrics: ModelMetrics,
        limits: Limits,
    ) -> None:
        """`run` computes a batch on the executor's thread; jobs are finished on `encode`."""
        self.model = model
        self.run = run
        self.cost = cost
        self.metrics = metrics
        self._rotation = rotation
        self._encode = encode
        self._limits = limits
        self._jobs: OrderedDict[Job[Any], None] = OrderedDict()
        """Jobs with samples that wait; the first one is served next."""
        self._samples = 0
        self._since = 0.0
        metrics.watch(lambda: self._samples, self.seconds)
        rotation.join(self)

    def submit(self, inputs: Arrays, *, deadline: float | None, finish: Callable[[Arrays], T]) -> Job[T]:
        """Queues a job of as many samples as the inputs' first axis is long, one or more.

        `finish` gets the outputs of all of them, on the encode pool, and what it returns is the job's result.
        `deadline` is in `time.monotonic` seconds. Raises `Overloaded` if too much work is queued, or too much for
        the job to be done by its deadline; `Draining` at shutdown.
        """
        lengths = {len(value) for value in inputs.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"inputs must have the same number of samples, one or more, not {sorted(lengths)}")
        samples = lengths.pop()
        job: Job[T] = Job(inputs, samples, deadline, finish, self._withdraw)
        with self._rotation.lock:
            self._admit(job)
            if not self._jobs:
                self._since = job.submitted
            self._jobs[job] = None
            self._samples += samples
            self._rotation.enter(job, samples, partial(self.drop, job, "failed"))
        job.add_done_callback(self._rotation.leave)
        return job

    def seconds(self) -> float:
        """Predicted seconds in which the device would work off this queue alone."""
        return self.cost.queued(self._samples) / self._rotation.executors

    def due(self, now: float) -> float:
        """When the next batch may leave: `now` or earlier means at once, infinity that nothing waits. Lock held."""
        if not self._jobs:
            return math.inf
        if self._samples >= self.cost.useful or self._rotation.draining:
            return now
        # The window opens when the queue stops being empty; what a batch leaves over has waited already.
        return self._since + self._limits.batch_wait

    def take(self, now: float, executors: int) -> "Batch":
        """The next batch, a sample of each job in turn; jobs past their deadline leave the queue instead. Lock held.

        So many `executors` are idle and share what waits.
        """
        wanted = self.cost.batch(self._samples, executors)
        riding: dict[Job[Any], int] = {}
        expired = []
        taken = 0
        while taken < wanted and self._jobs:
            job, _ = self._jobs.popitem(last=False)
            if job.deadline is not None and job.deadline <= now:
                self._samples -= job.waiting
                expired.append((job, job.waiting))
                continue
            riding[job] = riding.get(job, 0) + 1
            taken += 1
            job.waiting -= 1
            if job.waiting:
                self._jobs[job] = None
        self._samples -= taken
        parts = [(job, job.board(count, taken)) for job, count in riding.items()]
        release: Release = "full" if taken >= self.cost.useful else "wait" if self._limits.batch_wait else "idle"
        return Batch(self, parts, taken, release, expired)

    def drop(self, job: Job[Any], reason: Drop, error: Exception, *, lost: int = 0) -> None:
        """Ends a job with an error. `lost` counts its samples that are out of the queue already and go by this."""
        with self._rotation.lock:
            lost += self._remove(job)
        self.metrics.dropped[reason].inc(lost)
        job.fail(error)

    def expire(self, job: Job[Any], lost: int) -> None:
        """Ends a job whose deadline passed in the queue, where it had that many samples."""
        self.drop(job, "deadline", DeadlineExceeded(time.monotonic() - job.submitted, self._backlog()), lost=lost)

    def complete(self, job: Job[Any]) -> None:
        """Has the result of a job made of its outputs, which are all there, on the encode pool."""
        self._encode.submit(job.finish, self._observe)

    def _admit(self, job: Job[Any]) -> None:
        """Raises unless the job may queue. Lock held."""
        if self._rotation.draining:
            self.metrics.refused["draining"].inc()
            raise Draining
        queued, limit, backlog = self.seconds(), self._limits.queue_seconds, self._backlog()
        if queued >= limit:
            self.metrics.refused["queue"].inc()
            raise Overloaded(f"{queued:.3g} s of work wait for {self.model}; the limit is {limit:.3g} s.", backlog)
        # While nothing waits no prediction refuses a job: if it is wrong, only the next batch can put it right.
        if job.deadline is None or not backlog:
            return
        left, needed = job.deadline - job.submitted, self._seconds_for(job.samples)
        if needed > left:
            self.metrics.refused["deadline"].inc()
            raise Overloaded(f"{self.model} would take {needed:.3g} s; the deadline is in {left:.3g} s.", backlog)

    def _backlog(self) -> float:
        """Predicted seconds until everything that waits for the device now is done."""
        return self.seconds() + self._rotation.seconds(self)

    def _seconds_for(self, samples: int) -> float:
        """Predicted seconds until a job of that many samples, queued now, would be done.

        Jobs take turns by sample: of each job ahead at most as many are computed before this one is done. Models take
        turns by batch: each of the others gets about as much time as this one, if it has that much work.
        """
        ahead = min(self._samples, samples * len(self._jobs))
        executors = self._rotation.executors
        alone = self.cost.seconds(self.cost.batch(samples, executors))
        own = max(alone, self.cost.queued(ahead + samples) / executors)
        return own + self._rotation.seconds(self, at_most=own)

    def _withdraw(self, job: Job[Any]) -> None:
        with self._rotation.lock:
            lost = self._remove(job)
        self.metrics.dropped["cancelled"].inc(lost)

    def _remove(self, job: Job[Any]) -> int:
        """Takes what is left of a job out of the queue; returns how many samples that was. Lock held."""
        if job not in self._jobs:
            return 0
        del self._jobs[job]
        self._samples -= job.waiting
        return job.waiting

    def _observe(self, job: Job[Any]) -> None:
        self.metrics.queue.observe(job.timing.queue)
        self.metrics.infer.observe(job.timing.infer)
        self.metrics.encode.observe(job.timing.encode)
        self.metrics.images.inc(job.samples)


@dataclass(frozen=True)
class Batch:
    """Samples for one run. `parts` are the jobs that ride in it, each with which of its samples do, `size` in all.

    `expired` are jobs that left the queue past their deadline, with how many samples each; a batch may hold nothing
    else.
    """

    batcher: Batcher
    parts: list[tuple[Job[Any], slice]]
    size: int
    release: Release
    expired: list[tuple[Job[Any], int]]

    def inputs(self) -> Arrays:
        """The inputs of all parts, one after the other."""
        if len(self.parts) == 1:
            job, rows = self.parts[0]
            return {name: value[rows] for name, value in job.inputs.items()}
        names = self.parts[0][0].inputs
        return {name: np.concatenate([job.inputs[name][rows] for job, rows in self.parts]) for name in names}

    def deliver(self, outputs: Arrays) -> None:
        """Hands each job its rows; jobs that have all of theirs go on to be finished."""
        for name, value in outputs.items():
            if len(value) != self.size:
                raise ValueError(f"output {name} has {len(value)} rows for a batch of {self.size}")
        start = 0
        for job, rows in self.parts:
            stop = start + rows.stop - rows.start
            if job.receive(rows, {name: value[start:stop] for name, value in outputs.items()}):
                self.batcher.complete(job)
            start = stop

    def fail(self) -> None:
        """Ends the jobs that ride here, and no others, with `InferenceFailed`."""
        for job, rows in self.parts:
            error = InferenceFailed(self.batcher.model)
            self.batcher.drop(job, "failed", error, lost=rows.stop - rows.start)
