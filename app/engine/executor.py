"""The executors of one device: threads that take batches, run them, and hand the outputs back."""

import logging
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Event, Lock, Thread, current_thread

from app.engine import niceness
from app.engine.batch import Batch
from app.engine.job import Arrays
from app.engine.rotation import Rotation
from app.errors import InferenceFailed, InvalidOutput

log = logging.getLogger(__name__)

PATIENCE, TIMES = 10.0, 50.0
"""A run hangs that has taken 10 seconds, and 50 times as long as predicted. A machine may be ten times slower for a
while; a run that is given up too soon costs a thread and answers, one that is given up late only a wait."""

LOOKS = 10
"""How often a run is looked at in that time."""


class Executors:
    """As many threads as the rotation says, until `close`: on a CPU one for each core, on a GPU one for each stream.

    They are daemons: a run can't be interrupted, and one that hangs must not keep the process alive. A thread whose
    run hangs is given up and, on a CPU, replaced; a GPU's stream that hangs would hang again. When the run comes back
    at last, nobody wants its outputs; its thread ends where it was replaced, else it goes on.
    """

    def __init__(self, rotation: Rotation[Batch], device: str, patience: float = PATIENCE) -> None:
        """`patience` is the least number of seconds after which a run hangs."""
        self._rotation = rotation
        self._computes = device != "cuda"
        self._name = f"ganymede-{device}"
        self._patience = patience
        self._lock = Lock()
        self._numbers = count()
        self._running: dict[int, tuple[Batch, Thread]] = {}
        """The runs: whoever takes one out of here says how it ends, the thread that ran it or the one that watches."""
        self._closed = Event()
        self._threads: list[Thread] = []
        for number in range(rotation.executors):
            self._threads.append(self._start(number))
        self._watch = Thread(target=self._look, name=f"{self._name}-watch", daemon=True)
        self._watch.start()

    def close(self, seconds: float = 1) -> None:
        """Ends the threads after the batches they are at; waits at most that long for them."""
        self._rotation.close()
        self._closed.set()
        end = time.monotonic() + seconds
        for thread in (*self._threads, self._watch):
            thread.join(max(0, end - time.monotonic()))

    def _start(self, number: int) -> Thread:
        thread = Thread(target=self._serve, args=(number,), name=f"{self._name}-{number}", daemon=True)
        # Started first, since a thread that has not been started can't be joined.
        thread.start()
        return thread

    def _serve(self, executor: int) -> None:
        if self._computes:
            niceness.step_back()
        while (batch := self._rotation.take(executor)) is not None:
            batch.expire()
            if batch.parts and not self._execute(batch) and self._computes:
                return
            # Whoever waits for the next one must not keep a model in memory that has left meanwhile.
            del batch

    def _execute(self, batch: Batch) -> bool:
        """Runs a batch on the calling thread; False if this was given up meanwhile."""
        with self._lock:
            number = next(self._numbers)
            self._running[number] = batch, current_thread()
        end = run(batch)
        with self._lock:
            mine = self._running.pop(number, None) is not None
        if mine:
            end()
        else:
            batch.source.health.returned()
        return mine

    def _look(self) -> None:
        """Gives up the runs that hang. Counts looks, not seconds: a process that was stopped has not waited."""
        period = self._patience / LOOKS
        looks: dict[int, int] = {}
        while not self._closed.wait(period):
            looks = self._overdue(looks, period)

    def _overdue(self, looks: dict[int, int], period: float) -> dict[int, int]:
        """Gives up the runs that hang; returns how often each of the others was seen, counting from `looks`.

        Apart from `_look`, which waits: there a variable would keep a batch alive, and its model.
        """
        with self._lock:
            running = {number: batch.seconds for number, (batch, _) in self._running.items()}
        looks = {number: looks.get(number, 0) + 1 for number in running}
        for number, predicted in running.items():
            seconds = (looks[number] - 1) * period  # it was there for at least so long
            if seconds >= max(self._patience, TIMES * predicted):
                self._give_up(number, seconds)
        return looks

    def _give_up(self, number: int, seconds: float) -> None:
        with self._lock:
            batch, thread = self._running.pop(number, (None, None))
        if batch is None or thread is None:
            return
        log.error(
            "A run of %s hangs: %d samples, not done after %.3g s.",
            batch.source.model,
            batch.size,
            seconds,
            extra=_riders(batch),
        )
        batch.give_up(seconds)
        if self._computes:
            executor = self._threads.index(thread)
            self._threads[executor] = self._start(executor)


def run(batch: Batch) -> Callable[[], None]:
    """Runs a batch on the calling thread. Returns what ends its jobs: with their outputs or, whatever it raised, an
    error.
    """
    source = batch.source
    source.metrics.batch_size.observe(batch.size)
    source.metrics.padding.inc(source.cost.size(batch.size) - batch.size)
    source.metrics.released[batch.release].inc()
    try:
        with batch.traced():
            began = time.perf_counter()
            outputs = source.run(batch.inputs(), batch.alone)
            seconds = time.perf_counter() - began
        batch.charge(seconds - batch.seconds)
    except Exception as error:
        return partial(_fail, batch, error)
    return partial(_deliver, batch, outputs, seconds)


def _deliver(batch: Batch, outputs: Arrays, seconds: float) -> None:
    # The curve is that of a device which is shared: one that isn't may be quicker.
    if not batch.alone:
        batch.source.cost.observe(batch.work, seconds)
    try:
        batch.deliver(outputs)
    except Exception as error:
        _fail(batch, error)


def _fail(batch: Batch, error: Exception) -> None:
    model = batch.source.model
    log.error("A batch of %d samples of %s failed.", batch.size, model, exc_info=error, extra=_riders(batch))
    if isinstance(error, InvalidOutput):
        batch.fail(partial(InvalidOutput, model, error.flaw))
    else:
        batch.fail(partial(InferenceFailed, model))


def _riders(batch: Batch) -> dict[str, object]:
    """What a line says of the requests in a batch: it belongs to several, and this thread to none."""
    return {"fields": {"requests": batch.requests()}}
