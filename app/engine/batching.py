"""The queue of one model and the batches cut from it: fair, and never waiting. Knows neither ONNX nor HTTP."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from app.engine.admission import Admission, Limits
from app.engine.cost import Cost
from app.engine.job import Arrays, Job
from app.engine.rotation import Rotation
from app.errors import DeadlineExceeded, InferenceFailed
from app.metrics import Drop, ModelMetrics, Release

T = TypeVar("T")


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
        """`run` computes a batch on the executor's thread; jobs are finished on `encode`, or there."""
        self.model = model
        self.run = run
        self.cost = cost
        self.metrics = metrics
        self.encode = encode
        self._rotation = rotation
        self._batch_wait = limits.batch_wait
        self._jobs: OrderedDict[Job[Any], None] = OrderedDict()
        """Jobs with samples that wait; the first one is served next."""
        self._since = 0.0
        self._door = door = Admission(model, cost, rotation, metrics, limits)
        metrics.watch(lambda: door.waiting, door.seconds)
        rotation.join(self)

    def submit(self, inputs: Arrays, *, deadline: float | None, finish: Callable[[Arrays], T]) -> Job[T]:
        """Queues a job of as many samples as the inputs' first axis is long, one or more.

        `finish` gets the outputs of all of them, off the caller's thread, and what it returns is the job's result.
        `deadline` is in `time.monotonic` seconds. Raises `Overloaded` if too much work is queued, or too much for
        the job to be done by its deadline; `Draining` at shutdown.
        """
        lengths = {len(value) for value in inputs.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"inputs must have the same number of samples, one or more, not {sorted(lengths)}")
        samples = lengths.pop()
        job: Job[T] = Job(inputs, samples, deadline, finish, self._withdraw)
        with self._rotation.lock:
            left = None if deadline is None else deadline - job.submitted
            self._door.admit(samples, len(self._jobs), left)
            if not self._jobs:
                self._since = job.submitted
            self._jobs[job] = None
            self._door.waiting += samples
            self._door.unfinished += samples
            self._rotation.enter(job, samples, partial(self.drop, job, "failed"))
        job.add_done_callback(partial(self._leave, samples))
        return job

    def seconds(self) -> float:
        """Predicted seconds of work in this queue."""
        return self._door.seconds()

    def due(self, now: float) -> float:
        """When the next batch may leave: `now` or earlier means at once, infinity that nothing waits. Lock held."""
        if not self._jobs:
            return math.inf
        if self._door.waiting >= self.cost.useful or self._rotation.draining:
            return now
        # The window opens when the queue stops being empty; what a batch leaves over has waited already.
        return self._since + self._batch_wait

    def take(self, now: float, executors: int) -> "Batch":
        """The next batch, a sample of each job in turn; jobs past their deadline leave the queue instead. Lock held.

        So many `executors` are idle and share what waits.
        """
        # Whoever waits for a batch to fill does not want it in pieces.
        wanted = self.cost.batch(self._door.waiting, 1 if self._batch_wait else executors)
        riding: dict[Job[Any], int] = {}
        expired = []
        taken = 0
        while taken < wanted and self._jobs:
            job, _ = self._jobs.popitem(last=False)
            if job.deadline is not None and job.deadline <= now:
                self._door.waiting -= job.waiting
                expired.append((job, job.waiting))
                continue
            riding[job] = riding.get(job, 0) + 1
            taken += 1
            job.waiting -= 1
            if job.waiting:
                self._jobs[job] = None
        self._door.waiting -= taken
        parts = [(job, job.board(count, taken)) for job, count in riding.items()]
        release: Release = "full" if taken >= self.cost.useful else "wait" if self._batch_wait else "idle"
        return Batch(self, parts, taken, release, expired)

    def drop(self, job: Job[Any], reason: Drop, error: Exception, *, lost: int = 0) -> None:
        """Ends a job with an error. `lost` counts its samples that are out of the queue already and go by this."""
        with self._rotation.lock:
            lost += self._remove(job)
        self.metrics.dropped[reason].inc(lost)
        job.fail(error)

    def expire(self, expired: list[tuple[Job[Any], int]]) -> None:
        """Ends jobs that left the queue past their deadline, each with how many samples."""
        now, backlog = time.monotonic(), self._rotation.seconds()
        for job, lost in expired:
            self.drop(job, "deadline", DeadlineExceeded(now - job.submitted, backlog), lost=lost)

    def complete(self, jobs: list[Job[Any]]) -> None:
        """Has the results of jobs made of their outputs, which are all there, on the encode pool.

        While another executor is idle it would take what comes, so this one encodes the last of them: that saves the
        waking of a thread, which takes as long as encoding a small picture.
        """
        last = jobs.pop() if jobs and self._rotation.idle else None
        for job in jobs:
            self.encode.submit(job.finish, self._observe)
        if last is not None:
            last.finish(self._observe)

    def _leave(self, samples: int, job: Future[Any]) -> None:
        with self._rotation.lock:
            self._door.unfinished -= samples
            self._rotation.leave(job)

    def _withdraw(self, job: Job[Any]) -> None:
        with self._rotation.lock:
            lost = self._remove(job)
        self.metrics.dropped["cancelled"].inc(lost)

    def _remove(self, job: Job[Any]) -> int:
        """Takes what is left of a job out of the queue; returns how many samples that was. Lock held."""
        if job not in self._jobs:
            return 0
        del self._jobs[job]
        self._door.waiting -= job.waiting
        return job.waiting

    def _observe(self, job: Job[Any], seconds: float) -> None:
        self._door.encoded(job.samples, seconds)
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

    def expire(self) -> None:
        """Ends the jobs whose deadline has passed; off this thread, since they may be thousands."""
        if self.expired:
            self.batcher.encode.submit(self.batcher.expire, self.expired)

    def deliver(self, outputs: Arrays) -> None:
        """Hands each job its rows; jobs that have all of theirs go on to be finished."""
        for name, value in outputs.items():
            if len(value) != self.size:
                raise ValueError(f"output {name} has {len(value)} rows for a batch of {self.size}")
        start = 0
        complete = []
        for job, rows in self.parts:
            stop = start + rows.stop - rows.start
            if job.receive(rows, {name: value[start:stop] for name, value in outputs.items()}):
                complete.append(job)
            start = stop
        self.batcher.complete(complete)

    def fail(self) -> None:
        """Ends the jobs that ride here, and no others, with `InferenceFailed`."""
        for job, rows in self.parts:
            error = InferenceFailed(self.batcher.model)
            self.batcher.drop(job, "failed", error, lost=rows.stop - rows.start)
