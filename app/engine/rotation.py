"""What the models of one device share: its executors, the turns they take, one lock, and the count of open jobs."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Lock
from typing import Any, Generic, Protocol, TypeVar

from app.errors import Draining

B = TypeVar("B", covariant=True)


class Queue(Protocol[B]):
    """The queue of one model, as the rotation sees it. `due` and `take` are called with the lock held."""

    def due(self, now: float) -> float:
        """When the next batch may leave: `now` or earlier means at once, infinity that nothing waits."""
        ...

    def take(self, now: float, executors: int) -> B:
        """The next batch; so many executors are free to share what waits."""
        ...

    def seconds(self) -> float:
        """Predicted seconds of work that waits."""
        ...


class Rotation(Generic[B]):
    """The queues of one device, which take turns batch by batch.

    The lock is held for bookkeeping only, microseconds at a time; arrays are touched and futures settled outside it.
    """

    def __init__(self, executors: int) -> None:
        self.executors = executors
        self.idle = 0
        """Executors that wait for work."""
        self.draining = False
        self.lock = Lock()
        # Two conditions of one lock: a new job must wake an executor, not whoever waits for the last job's end.
        self._work = Condition(self.lock)
        self._finished = Condition(self.lock)
        self._queues: tuple[Queue[B], ...] = ()
        self._turn = 0
        self._open: dict[Future[Any], Callable[[Exception], None]] = {}
        self._closed = False

    def join(self, queue: Queue[B]) -> None:
        """Gives a queue its turns."""
        with self.lock:
            self._queues += (queue,)

    def seconds(self, at_most: float = math.inf) -> float:
        """Predicted seconds of work in all queues, counting at most so much of each. Needs no lock."""
        return sum(min(queue.seconds(), at_most) for queue in self._queues)

    def enter(self, job: Future[Any], samples: int, abandon: Callable[[Exception], None]) -> None:
        """Counts a queued job as open and wakes as many idle executors as can share its samples. Lock held.

        `abandon` ends the job with an error, should it outlast the drain.
        """
        self._open[job] = abandon
        self._work.notify(samples)

    def leave(self, job: Future[Any]) -> None:
        """Counts a job as done. Lock held."""
        self._open.pop(job, None)
        if not self._open:
            self._finished.notify_all()

    def take(self) -> B | None:
        """Waits for work and returns the next batch; None once the rotation is closed."""
        with self.lock:
            while not self._closed:
                now = time.monotonic()
                soonest = math.inf
                for position in range(self._turn, self._turn + len(self._queues)):
                    queue = self._queues[position % len(self._queues)]
                    due = queue.due(now)
                    if due <= now:
                        self._turn = position + 1
                        return queue.take(now, 1 + self.idle)
                    soonest = min(soonest, due)
                self.idle += 1
                self._work.wait(None if soonest == math.inf else soonest - now)
                self.idle -= 1
        return None

    def drain(self, seconds: float) -> None:
        """Refuses new jobs, gives open ones that long to finish, and ends the rest with `Draining`."""
        with self.lock:
            self.draining = True
            self._work.notify_all()
            self._finished.wait_for(lambda: not self._open, seconds)
            rest = list(self._open.values())
        for abandon in rest:
            abandon(Draining())

    def close(self) -> None:
        """Ends every `take`."""
        with self.lock:
            self._closed = True
            self._work.notify_all()
