"""What the models of one device share: its executors, the turns they take, one lock, and the count of open jobs."""

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Lock
from typing import Any, Generic, Protocol, TypeVar

from app.engine.cost import FRESH
from app.errors import Draining
from app.metrics import Lane

TOGETHER = 0.02
"""Who is to come back within so many seconds is told the same moment, as an operating system does with timers that need
not be exact: beside a busy device, which leaves nothing in the caches, the first of a group costs as much as four more.
"""


LATELY = 1.0
"""Seconds in which what a queue had is forgotten to a third."""

FORGOTTEN = 0.001
"""Seconds that count as none."""

SECLUDED = 0.05
"""Seconds without two jobs open at once after which whoever has the device is expected to keep it. Two clients who take
turns are in each other's way where one is given every core: they wait up to 10 % longer."""


class Returns:
    """When those who were refused come back, if they do as they are told: one after the other.

    Of all who came back at once few would be let in, and refusing the rest takes the time that answers need: once a
    busy machine is late, it would stay so.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def told(self, wait: float, work: float, at_most: float) -> float:
        """Seconds until whoever is refused `work` seconds of work is to come back: after `wait`, when what goes before
        it is done, and that long after whoever was refused last, but no more than `at_most` later.
        """
        now = time.monotonic()
        self._last = min(max(now + wait, self._last + work), now + wait + at_most)
        return max(0.0, self._last // TOGETHER * TOGETHER - now)


class Turn(Protocol):
    """What a queue gives an executor to do."""

    @property
    def seconds(self) -> float:
        """How long it is predicted to take."""
        ...


B = TypeVar("B", bound=Turn)
T = TypeVar("T")
Cut = TypeVar("Cut", bound=Turn, covariant=True)


class Queue(Protocol[Cut]):
    """The queue of one model, as the rotation sees it. `due`, `lane` and `take` are called with the lock held."""

    def due(self, now: float) -> float:
        """When the next batch may leave: `now` or earlier means at once, infinity that nothing waits."""
        ...

    def lane(self, now: float) -> Lane:
        """The lane of the next batch, of a queue that isn't empty."""
        ...

    def take(self, now: float, executors: int, alone: bool) -> Cut:
        """The next batch; so many executors are free to share what waits. `alone` says that they are all there are,
        and that no other job is open, nor was lately.
        """
        ...

    def seconds(self, lane: Lane) -> float:
        """Predicted seconds of the work that goes before a new job of that lane."""
        ...


class Rotation(Generic[B]):
    """The queues of one device, which take turns batch by batch, interactive ones before bulk.

    Turns are fair in device time: of the queues with work in the same lane, the next is the one that has had the
    least. A queue that comes back from a pause is put level with the others, as it may not save up time
    (start-time fair queueing, Goyal et al. 1996). Time is what the batch is predicted to take: a prediction is there
    when the next one is chosen, is the same for all who compare, and follows what batches really take.

    The lock is held for bookkeeping only, microseconds at a time; arrays are touched and futures settled outside it.
    """

    def __init__(self, executors: int) -> None:
        self.executors = executors
        self.idle = 0
        """Executors that wait for work."""
        self.draining = False
        self.lock = Lock()
        self._asleep: list[Condition] = []
        """What those wait on whom nobody has woken yet, the one that lay down last at the end."""
        self._finished = Condition(self.lock)
        self._had: dict[Queue[B], float] = {}
        """Virtual time that each queue has had, in seconds."""
        self._jobs: dict[Queue[B], int] = {}
        """The open jobs of the queues that have any: what the others cost would grow with the number of models."""
        self._lately: dict[Lane, dict[Queue[B], float]] = {"interactive": {}, "bulk": {}}
        """Seconds of the device that each queue was given for a lane, less the longer ago it was."""
        self._shared = -math.inf
        """When more than one job was open the last time."""
        self._given = 0.0
        """When something was given the last time."""
        self._now = 0.0
        """Virtual time: what the queue had had whose turn was the last."""
        self._open: dict[Future[Any], Callable[[Exception], None]] = {}
        self._closed = False
        self.lag = 0.0
        """Seconds from the end of a job until whoever waits for it goes on, lately."""
        self._errands: dict[int, deque[tuple[Callable[[], None], Future[Any]]]] = {}
        self.returns: dict[Lane, Returns] = {"interactive": Returns(), "bulk": Returns()}
        """Of those who were refused because of what waits here."""
        self._taken: dict[int, float] = {}
        """Predicted seconds of the batch that each executor took and has not come back from."""

    def join(self, queue: Queue[B]) -> None:
        """Gives a queue its turns."""
        with self.lock:
            self._had[queue] = self._now

    def part(self, queue: Queue[B]) -> None:
        """Takes the turns of a queue that is empty."""
        with self.lock:
            self._had.pop(queue, None)
            for lately in self._lately.values():
                lately.pop(queue, None)

    def ahead(self, lane: Lane, but: Queue[B] | None = None) -> list[float]:
        """Predicted seconds of the work that goes before a new job of that lane, of each queue that has any, but for
        one. Needs no lock.
        """
        return [queue.seconds(lane) for queue in list(self._jobs) if queue is not but]

    def seconds(self, lane: Lane = "bulk") -> float:
        """The sum of `ahead`. Needs no lock."""
        return sum(self.ahead(lane))

    def others(self, queue: Queue[B] | None, lane: Lane) -> float:
        """The share of the device that other queues took lately with what goes before a job of that lane: of each no
        more than is fair while all have work, and less the longer nobody has had anything. Lock held.
        """
        mine = theirs = 0.0
        rivals = set()
        for before in ("interactive", "bulk") if lane == "bulk" else ("interactive",):
            for one, seconds in self._lately[before].items():
                if one is queue:
                    mine += seconds
                else:
                    theirs += seconds
                    rivals.add(one)
        if not theirs:
            return 0.0
        share = min(theirs / (mine + theirs), len(rivals) / (len(rivals) + 1))
        return share * math.exp((self._given - time.monotonic()) / LATELY)

    @property
    def running(self) -> float:
        """Predicted seconds of the batches that are on the device, of all executors together; none counts as done in
        part. Needs no lock.
        """
        return sum(self._taken.copy().values())

    def lagged(self, seconds: float) -> None:
        """Takes in how long a job that had ended waited to be seen. Needs no lock."""
        self.lag += FRESH * (seconds - self.lag)

    def enter(self, queue: Queue[B], job: Future[Any], samples: int, abandon: Callable[[Exception], None]) -> None:
        """Counts a job of a queue as open and wakes as many idle executors as can share its samples. Lock held.

        `abandon` ends the job with an error, should it outlast the drain.
        """
        self._open[job] = abandon
        self._jobs[queue] = self._jobs.get(queue, 0) + 1
        self._wake(samples)

    def leave(self, queue: Queue[B], job: Future[Any]) -> None:
        """Counts a job that was open as done. Lock held."""
        del self._open[job]
        self._jobs[queue] -= 1
        if not self._jobs[queue]:
            del self._jobs[queue]
        if self._open:
            self._shared = time.monotonic()
        else:
            self._finished.notify_all()

    def on(self, executor: int, errand: Callable[[], T]) -> T:
        """What an errand returns, or raises, on the thread of an executor, which runs it before its next batch.

        Those for one executor go in their order. Raises `Draining` if the rotation is closed before it begins.
        """
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(errand())
            except Exception as error:
                done.set_exception(error)

        with self.lock:
            if self._closed:
                raise Draining
            self._errands.setdefault(executor, deque()).append((run, done))
            self._wake(len(self._asleep))
        return done.result()

    def take(self, executor: int = 0) -> B | None:
        """Waits for work and returns the next batch; None once the rotation is closed. Runs the executor's errands."""
        with self.lock:
            self._taken.pop(executor, None)
            while not self._closed:
                if self._run_errand(executor):
                    continue
                now = time.monotonic()
                batch, due = self._next(now)
                if batch is not None:
                    self._taken[executor] = batch.seconds
                    # Of those who sleep the last one alone may know when the rest is due, and that may be this one.
                    if self._asleep and any(queue.due(now) < math.inf for queue in self._jobs):
                        self._wake(1)
                    return batch
                self._sleep(None if due == math.inf else due - now)
        return None

    def poll(self, now: float) -> B | None:
        """The next batch, if one may leave now."""
        with self.lock:
            batch, _ = self._next(now)
        return batch

    def drain(self, seconds: float) -> None:
        """Refuses new jobs, gives open ones that long to finish, and ends the rest with `Draining`."""
        with self.lock:
            self.draining = True
            self._wake(len(self._asleep))
            self._finished.wait_for(lambda: not self._open, seconds)
            rest = list(self._open.values())
        for abandon in rest:
            abandon(Draining())

    def close(self) -> None:
        """Ends every `take`."""
        with self.lock:
            self._closed = True
            self._wake(len(self._asleep))
            errands, self._errands = self._errands, {}
        for _, done in (errand for waiting in errands.values() for errand in waiting):
            done.set_exception(Draining())

    def _sleep(self, seconds: float | None) -> None:
        """Waits to be woken, at most that long. Lock held, but for the wait."""
        bed = Condition(self.lock)
        self._asleep.append(bed)
        self.idle += 1
        bed.wait(seconds)
        self.idle -= 1
        if bed in self._asleep:
            self._asleep.remove(bed)

    def _wake(self, executors: int) -> None:
        """Wakes as many that sleep, the last one first: what it needs is still at hand. Lock held.

        One client of a picture that takes 0.7 ms, on two cores: answers come 16 % sooner than if they took turns.
        """
        for _ in range(min(executors, len(self._asleep))):
            self._asleep.pop().notify()

    def _run_errand(self, executor: int) -> bool:
        """Runs the errand of an executor, without the lock, which is held; False if there is none."""
        if executor not in self._errands:
            return False
        waiting = self._errands[executor]
        run, _ = waiting.popleft()
        if not waiting:
            del self._errands[executor]
        self.lock.release()
        try:
            run()
        finally:
            self.lock.acquire()
        return True

    def _next(self, now: float) -> tuple[B | None, float]:
        """The next batch, or None and when one may leave. Lock held.

        Apart from `take`, which waits: there a variable would keep a queue alive that has parted, and its model.
        """
        first: tuple[bool, float, float, Queue[B]] | None = None
        soonest = math.inf
        for queue in self._jobs:
            due = queue.due(now)
            soonest = min(soonest, due)
            if due > now:
                continue
            had = self._had[queue]
            # Of several that paused, the one that has had the least of all.
            order = (queue.lane(now) == "bulk", max(had, self._now), had, queue)
            if first is None or order[:3] < first[:3]:
                first = order
        if first is None:
            return None, soonest
        bulk, self._now, _, queue = first
        executors = 1 + self.idle
        # Under load a queue may be empty for a moment, but never was only one job open for a while.
        alone = executors == self.executors and len(self._open) == 1 and now - self._shared > SECLUDED
        batch = queue.take(now, executors, alone)
        self._had[queue] = self._now + batch.seconds
        self._give(queue, "bulk" if bulk else "interactive", batch.seconds, now)
        return batch, now

    def _give(self, queue: Queue[B], lane: Lane, seconds: float, now: float) -> None:
        """Notes what a queue is given. Lock held."""
        kept = math.exp((self._given - now) / LATELY)
        self._given = now
        for which, lately in self._lately.items():
            # What is next to nothing is forgotten, or every model would be a rival for ever.
            self._lately[which] = {one: had * kept for one, had in lately.items() if had * kept > FORGOTTEN}
        given = self._lately[lane]
        given[queue] = given.get(queue, 0.0) + seconds
