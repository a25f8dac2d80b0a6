"""The queue of one graph, cut into batches: fair, in two lanes, and never waiting. Knows neither ONNX nor HTTP."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar, cast

from app.engine.admission import AT_ONCE, Admission, Before, Limits
from app.engine.batch import Batch, Piece
from app.engine.cost import Cost
from app.engine.health import Health
from app.engine.job import Arrays, Finish, Job
from app.engine.rotation import Rotation
from app.errors import DeadlineExceeded
from app.metrics import Drop, Lane, ModelMetrics, Release

T = TypeVar("T")

AGE_SECONDS, AGE_BATCHES = 1.0, 10
"""The bulk lane goes first, for one batch, once it was given nothing for a second, or for ten batches if they take
longer. So it never takes more than a tenth of the device from those who wait, and it can't starve. It's the lane that
ages and not the job: of a thousand bulk jobs nearly all would be old, and the lanes would be one."""

LONGER = 1.5
"""A batch is not filled up behind interactive jobs that are complete in it if that makes it take so many times as long:
on a GPU it hardly ever does, on a CPU nearly always. Who asks for one sample beside one for many, or beside bulk, would
wait for theirs."""

SHARE, LEAST, MOST = 0.2, 0.0005, 0.005
"""What the encode pool is given at a time takes that share of the run's time to encode, but between so many seconds. So
many small pictures go in one task that waking threads, and the event loop, costs less than the work; larger ones go one
by one, side by side."""


class Batcher:
    """The queue of one graph of a model.

    An idle executor takes what waits, at once, as far as it makes the batch better, and idle ones share; while
    executors are busy, the queue fills, so load makes the batches. Jobs are served round robin by sample: one of 256
    does not hold up one of 1. Interactive jobs go first, and bulk fills the rest of their batches where that delays
    them little. The samples of a batch are of one shape; jobs of another one keep their place.
    """

    def __init__(
        self,
        model: str,
        run: Callable[[Arrays, bool], Arrays],
        cost: Cost,
        rotation: "Rotation[Batch]",
        encode: Executor,
        health: Health,
        metrics: ModelMetrics,
        limits: Limits,
        scale: Callable[[Arrays], float] = lambda _: 1.0,
    ) -> None:
        """`run` computes a batch on the executor's thread, told whether it has the device to itself; results
        are made on `encode`, or there. `scale` says how many samples of the usual size one sample of a job costs, 1 at
        least; sums of what it answers must be exact.
        """
        self.model = model
        self.run = run
        self.cost = cost
        self.metrics = metrics
        self.encode = encode
        self.health = health
        self._rotation = rotation
        self._batch_wait = limits.batch_wait
        self._lanes: dict[Lane, OrderedDict[Job[Any], None]] = {"interactive": OrderedDict(), "bulk": OrderedDict()}
        """Jobs with samples that wait; the first one of a lane is served next."""
        self._since = 0.0
        self._bulk_since = 0.0
        """When bulk was served the last time, or stopped being empty."""
        self._scale = scale
        self.door = Admission(self, model, cost, rotation, health, metrics, limits, self._lanes)
        rotation.join(self)

    def submit(
        self,
        inputs: Arrays,
        *,
        deadline: float | None,
        finish: Finish[T],
        lane: Lane = "interactive",
        room: float | None = None,
    ) -> Job[T]:
        """Queues a job of as many samples as the inputs' first axis is long, one or more.

        `finish` gets their outputs, off the caller's thread, and what it returns is the job's result.
        `deadline` is in `time.monotonic` seconds. Raises `Overloaded` if too much work is queued, or too much for
        the job to be done by its deadline; `NotReady` while the model isn't run; `Draining` at shutdown. `room` is what
        `require_room` said of this very job just now: it isn't asked again.
        """
        lengths = {len(value) for value in inputs.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"inputs must have the same number of samples, one or more, not {sorted(lengths)}")
        samples = lengths.pop()
        job: Job[T] = Job(inputs, samples, deadline, finish, self._withdraw, lane, self._scale(inputs))
        queue = self._lanes[lane]
        with self._rotation.lock:
            if room is None:
                left = None if deadline is None else deadline - job.submitted
                room = self.door.require_room(job.work, lane, left, samples if job.piecewise else 1)
            job.needed = room
            self.door.require_service()
            if not any(self._lanes.values()):
                self._since = job.submitted
            if lane == "bulk" and not queue:
                self._bulk_since = job.submitted
            queue[job] = None
            self.door.waiting[lane] += job.work
            self.door.unfinished += job.work
            self._rotation.enter(self, job, samples, partial(self.drop, job, "failed"))
        job.add_done_callback(partial(self._leave, job.work))
        return job

    def require_room(self, samples: int, deadline: float, lane: Lane, before: Before = AT_ONCE) -> float:
        """Raises what `submit` would of a job of that many samples, encoded side by side, that is yet to be made;
        else in how many seconds it is predicted to be done.
        """
        with self._rotation.lock:
            left = deadline - time.monotonic()
            return self.door.require_room(samples, lane, left, samples, before)

    def seconds(self, lane: Lane = "bulk") -> float:
        """Predicted seconds of the work in this queue that goes before a new job of that lane."""
        return self.door.seconds(lane)

    def due(self, now: float) -> float:
        """When the next batch may leave: `now` or earlier means at once, infinity that nothing waits. Lock held."""
        waiting = sum(self.door.waiting.values())
        if not waiting:
            return math.inf
        if waiting >= self.cost.useful or self._rotation.draining:
            return now
        # The window opens when the queue stops being empty; what a batch leaves over has waited already.
        return self._since + self._batch_wait

    def lane(self, now: float) -> Lane:
        """The lane that the next batch is of: bulk counts as interactive when it has aged. Lock held."""
        return "interactive" if self._lanes["interactive"] or self._aged(now) else "bulk"

    def take(self, now: float, executors: int, alone: bool) -> Batch:
        """The next batch, a sample of each job in turn; jobs past their deadline leave the queue instead. Lock held.

        So many `executors` are idle and share what waits; `alone` says that they are all, and no other job is open,
        nor was lately.
        """
        most = self._most(now)
        if self._batch_wait:
            # Whoever waits for a batch to fill does not want it in pieces.
            executors, most = 1, self.cost.useful
        full = self.cost.batch(sum(self.door.waiting.values()), executors, most)
        work = 0.0
        riding: dict[Job[Any], int] = {}
        expired: list[tuple[Job[Any], int]] = []
        lanes: tuple[Lane, ...] = ("bulk", "interactive") if self._aged(now) else ("interactive", "bulk")
        for lane in lanes:
            before, work = work, self._board(lane, work, full, now, riding, expired)
            if lane == "bulk" and work > before:
                self._bulk_since = now
        size = sum(riding.values())
        parts = [(job, job.board(count, size)) for job, count in riding.items()]
        release: Release = "full" if work >= most else "wait" if self._batch_wait else "idle"
        empty = not any(self._lanes.values())
        batch = Batch(self, parts, size, work, self.cost.seconds(work), release, alone and empty, expired)
        # Now, and put right when it is measured: else whoever always hangs up before the end would have it for nothing.
        batch.charge(batch.seconds)
        return batch

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
            self.door.ended(job.needed, math.inf)
            self.drop(job, "deadline", DeadlineExceeded(now - job.submitted, backlog), lost=lost)

    def refuse(self) -> None:
        """Ends the jobs that wait, since the model isn't run any more."""
        with self._rotation.lock:
            waiting = [job for queue in self._lanes.values() for job in queue]
        for job in waiting:
            self.drop(job, "failed", self.health.refusal())

    def finish(self, pieces: list[Piece], seconds: float) -> None:
        """Has pieces of results made, whose outputs are there after a run of so many seconds, on the encode pool.

        While another executor is idle it would take what comes, so this one encodes the last of them: that saves the
        waking of a thread, which takes as long as encoding a small picture.
        """
        last = pieces.pop() if pieces and self._rotation.idle else None
        for task in self._tasks(pieces, min(max(SHARE * seconds, LEAST), MOST)) if pieces else ():
            self.encode.submit(self._encode, task)
        if last is not None:
            self._encode([last])

    def _tasks(self, pieces: list[Piece], seconds: float) -> Iterator[list[Piece]]:
        """The pieces, as many at a time as are encoded in so many seconds, one at least."""
        most = self.door.encodable(seconds)
        task: list[Piece] = []
        filled = 0.0
        for job, piece in pieces:
            work = job.scale if job.piecewise else job.work
            # A result of several samples may be a film, and nobody's picture is to wait for one.
            several = work > job.scale
            if task and (several or filled + work > most):
                yield task
                task, filled = [], 0.0
            task.append((job, piece))
            filled += math.inf if several else work
        if task:
            yield task

    def _encode(self, task: list[Piece]) -> None:
        made = [job for job, piece in task if job.encode(piece)]
        # Together: else the event loop would wake, and be in the way of the next picture, for each of them.
        for job in made:
            job.give(self._observe)

    def _most(self, now: float) -> int:
        """How much work makes a batch worth its while, by how many wait. Lock held."""
        # Not where bulk goes first: the crowd is to wait for that no longer than it must.
        if self.door.crowd and not self._aged(now):
            return self.cost.ample
        return self.cost.modest if sum(map(len, self._lanes.values())) == 1 else self.cost.useful

    def _aged(self, now: float) -> bool:
        """Whether bulk has been given nothing for so long that it goes first."""
        if not self._lanes["bulk"]:
            return False
        return now - self._bulk_since > max(AGE_SECONDS, AGE_BATCHES * self.cost.seconds(self.cost.useful))

    def _board(
        self,
        lane: Lane,
        work: float,
        full: float,
        now: float,
        riding: dict[Job[Any], int],
        expired: list[tuple[Job[Any], int]],
    ) -> float:
        """Adds samples of a lane to a batch of that much `work` until it is `full`, notes whose they are, and returns
        how much it holds then. Only the last sample may exceed it. Lock held.
        """
        queue = self._lanes[lane]
        before = work
        others: list[Job[Any]] = []
        while work < full and queue:
            job, _ = queue.popitem(last=False)
            if job.deadline is not None and job.deadline <= now:
                self.door.waiting[lane] -= job.waiting * job.scale
                expired.append((job, job.waiting))
                continue
            if riding and job.form != next(iter(riding)).form:
                others.append(job)
                continue
            if (job in riding or lane == "bulk") and self._delays(riding, work, full):
                others.append(job)
                break
            riding[job] = riding.get(job, 0) + 1
            work += job.scale
            job.waiting -= 1
            if job.waiting:
                queue[job] = None
        for job in reversed(others):
            queue[job] = None
            queue.move_to_end(job, last=False)
        self.door.waiting[lane] -= work - before
        return work

    def _delays(self, riding: dict[Job[Any], int], work: float, full: float) -> bool:
        """Whether interactive jobs that are complete in a batch would wait for long if it were filled up. Lock held."""
        complete = any(job.lane == "interactive" and not job.waiting for job in riding)
        return complete and self.cost.seconds(full) > LONGER * self.cost.seconds(work)

    def _leave(self, work: float, job: Future[Any]) -> None:
        with self._rotation.lock:
            self.door.unfinished -= work
            self._rotation.leave(self, job)
            # Of a job that a piece failed of, samples may wait that nobody wants any more.
            ended = cast(Job[Any], job)
            lost = self._remove(ended) if ended.waiting and not ended.cancelled() else 0
        if lost:
            self.metrics.dropped["failed"].inc(lost)

    def _withdraw(self, job: Job[Any]) -> None:
        with self._rotation.lock:
            self._remove(job)
        self.metrics.dropped["cancelled"].inc(job.unmade)

    def _remove(self, job: Job[Any]) -> int:
        """Takes what is left of a job out of the queue; returns how many samples that was. Lock held."""
        queue = self._lanes[job.lane]
        if job not in queue:
            return 0
        del queue[job]
        self.door.waiting[job.lane] -= job.waiting * job.scale
        return job.waiting

    def _observe(self, job: Job[Any], seconds: float) -> None:
        timing = job.timing
        self.door.encoded(job.work, seconds)
        self.door.ended(job.needed, timing.queue + timing.infer + timing.encode)
        self.metrics.queue.observe(timing.queue)
        self.metrics.infer.observe(timing.infer)
        self.metrics.encode.observe(timing.encode)
        self.metrics.images.inc(job.samples)
