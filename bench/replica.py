"""One replica in virtual time: the service's own queue and door, on a device that only takes the time it would take.

What decides is the code that decides in service (`Batcher`, `Rotation`, `Admission`, `Cost`); only clock, device and
encoders are stood in for, so a day passes in minutes and there is no second scheduler that could drift from the first.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from app.engine import batching, health, job, rotation
from app.engine.admission import Limits
from app.engine.batch import Batch
from app.engine.batching import Batcher
from app.engine.cost import HANDLING, Cost
from app.engine.health import Health
from app.engine.job import Arrays, Piecewise
from app.engine.rotation import Rotation
from app.errors import Overloaded
from app.metrics import Metrics
from bench.curve import Curve

ROWS = {"z": np.zeros((4096, 0), np.float32)}
"""Inputs without a value: nobody computes them."""


class Clock:
    """Stands where the engine has the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Has something happen then."""
        heapq.heappush(self._events, (moment, next(self._numbers), event))

    def run(self) -> None:
        """Lets everything happen, one after the other, until nothing is left to."""
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()

    def lasts(self, act: Callable[[], object]) -> float:
        """Does what moves the clock on by itself, and puts it back; the moment when that was done."""
        began = self.now
        act()
        done, self.now = self.now, began
        return done


@contextmanager
def virtual_time() -> Iterator[Clock]:
    """A clock that the engine reads in place of the real one."""
    clock = Clock()
    with ExitStack() as real:
        for module in (batching, health, job, rotation):
            real.enter_context(patch.object(module, "time", clock))
        yield clock


class Encoders(Executor):
    """So many threads that encode; a task moves the clock on by what it takes."""

    def __init__(self, clock: Clock, threads: int) -> None:
        self._clock = clock
        self._free = threads
        self._tasks: deque[Callable[[], object]] = deque()

    def submit(self, act: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        self._tasks.append(partial(act, *given, **named))
        self._next()
        return Future()  # nobody asks the engine's for its result

    def _next(self) -> None:
        while self._free and self._tasks:
            self._free -= 1
            self._clock.at(self._clock.lasts(self._tasks.popleft()), self._done)

    def _done(self) -> None:
        self._free += 1
        self._next()


class Replica:
    """A model of that cost on a device of its own."""

    def __init__(self, clock: Clock, curve: Curve, queue_seconds: float, timeout: float) -> None:
        self.open = 0
        """Requests that are not answered yet."""
        self._clock = clock
        self._curve = curve
        self._timeout = timeout
        self._free = curve.executors
        self._rotation: Rotation[Batch] = Rotation(curve.executors)
        self._batcher = Batcher(
            curve.model,
            lambda inputs, _: inputs,
            Cost(curve.seconds, fixed=curve.fixed, streams=curve.executors if curve.fixed else 1),
            self._rotation,
            Encoders(clock, curve.encoders),
            Health(curve.model),
            Metrics().model(curve.model),
            Limits(queue_seconds, encoders=curve.encoders),
        )

    @property
    def queue_seconds(self) -> float:
        """What the gauge `ganymede_queue_seconds` would show."""
        return self._batcher.seconds()

    def ask(self, pictures: int, answered: Callable[[bool], None]) -> bool:
        """Asks for so many pictures; False if that is refused. `answered` is told, at the time, whether they came."""

        def done(future: Future[Any]) -> None:
            self.open -= 1
            answered(future.exception() is None)

        deadline = self._clock.now + self._timeout
        finish = Piecewise(self._encode, lambda pieces: pieces)
        try:
            asked = self._batcher.submit({"z": ROWS["z"][:pictures]}, deadline=deadline, finish=finish)
        except Overloaded:
            return False
        self.open += 1
        asked.add_done_callback(done)
        self._start()
        return True

    def _encode(self, *_: object) -> None:
        self._clock.now += self._curve.encode

    def _start(self) -> None:
        """Gives each executor that is free what waits, as `Rotation.take` does."""
        while self._free:
            self._rotation.idle = self._free - 1
            batch = self._rotation.poll(self._clock.now)
            if batch is None:
                break
            batch.expire()
            if batch.parts:
                self._free -= 1
                self._clock.at(self._clock.now + batch.seconds + HANDLING, partial(self._end, batch))
        self._rotation.idle = self._free

    def _end(self, batch: Batch) -> None:
        outputs: Arrays = {"image": ROWS["z"][: batch.size]}
        # An executor may encode a picture itself, before it takes the next batch.
        self._clock.at(self._clock.lasts(partial(batch.deliver, outputs)), self._back)

    def _back(self) -> None:
        self._free += 1
        self._start()
