"""One request as the engine sees it: n samples, when they must be done, and what becomes of their outputs."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from app import caller
from app.metrics import Lane

Arrays = Mapping[str, NDArray[Any]]
"""Arrays by ONNX name; the first axis of each is the sample."""

T = TypeVar("T")


@dataclass(frozen=True)
class Piecewise(Generic[T]):
    """A result that is put together of one piece for each sample; the pieces are made side by side.

    `each` gets the number of a sample in its job and the sample's outputs, without the axis of the batch, as soon as
    they are there, on any thread. `finish` gets what it returned for all samples, in their order.
    """

    each: Callable[[int, Arrays], Any]
    finish: Callable[[list[Any]], T]

    def __call__(self, outputs: Arrays) -> T:
        """The result of the outputs of all samples, made one after the other: for whoever has them all."""
        count = len(next(iter(outputs.values())))
        rows = ({name: value[row] for name, value in outputs.items()} for row in range(count))
        return self.finish([self.each(row, outputs) for row, outputs in enumerate(rows)])


Finish = Callable[[Arrays], T] | Piecewise[T]
"""What makes a job's result of the outputs of its samples: of all at once, or piecewise."""


@dataclass
class Timing:
    """Where a job's time went, in seconds that follow upon each other: their sum is submission to result.

    `queue` ends when the last sample enters a batch, `infer` when the last output is there, `encode` when the
    result is made. `batches` holds the size of each batch that the job rode in.
    """

    queue: float = 0
    infer: float = 0
    encode: float = 0
    batches: list[int] = field(default_factory=list)

    def __add__(self, later: "Timing") -> "Timing":
        """Where the time of two jobs went, of which one began when the other was done."""
        return Timing(
            self.queue + later.queue,
            self.infer + later.infer,
            self.encode + later.encode,
            [*self.batches, *later.batches],
        )


class Job(Future[T]):
    """A request of `samples` samples, which may ride in different batches. Made by `Batcher.submit`.

    A future of what `finish` makes of the outputs of all samples. Its result raises what `finish` raised,
    `DeadlineExceeded` if it was still queued at its `deadline` (`time.monotonic` seconds); `InferenceFailed`,
    `InvalidOutput` or `InferenceTimedOut` if a batch that it rode in failed, `NotReady` if those of others did, so
    that the model isn't run any more; `Draining` if the service ended first.
    """

    def __init__(
        self,
        inputs: Arrays,
        samples: int,
        deadline: float | None,
        finish: Finish[T],
        withdraw: Callable[["Job[T]"], None],
        lane: Lane = "interactive",
        scale: float = 1,
    ) -> None:
        super().__init__()
        self.caller = caller.current.get()
        """Who asked for it, if anyone is known to."""
        self.lane = lane
        self.inputs = inputs
        self.samples = samples
        self.scale = scale
        """The work that a sample is, in samples of the usual size."""
        self.work = samples * scale
        """All of its samples, in samples of the usual size."""
        self.form = tuple([value.shape[1:] for value in inputs.values()])
        """The shape of a sample: only jobs of one form share a batch."""
        self.deadline = deadline
        self.needed = 0.0
        """Seconds that it was predicted to take when it was let in; 0 if nobody asked."""
        self.timing = Timing()
        self.submitted = time.monotonic()
        self.waiting = samples
        """Samples that are still queued; the batcher counts it down, under its lock."""
        self.piecewise = isinstance(finish, Piecewise)
        self._finish = finish
        self._withdraw = withdraw
        self._lock = Lock()
        self._missing = samples
        self._ready: dict[int, Arrays] = {}
        self._pieces: list[Any] = [None] * samples if self.piecewise else []
        self._unmade = samples
        self._made: list[T] = []
        """The result, while it is made and not given."""
        self._encoding = 0.0
        self._device = 0.0
        self._claimed = False
        self._withdrawn = False
        self._marked = self.submitted

    @property
    def unmade(self) -> int:
        """Samples of which nothing has been made that could be sent."""
        return self._unmade if self.piecewise else self.samples

    def charge(self, seconds: float) -> None:
        """Adds to its share of the device's time. Called by several executors."""
        with self._lock:
            self._device += seconds

    def spent(self) -> tuple[int, float]:
        """The samples that went to the device, and their share of the device's seconds: by their work in each batch.

        Measured; while a batch is on the device, and if it fails, as was predicted.
        """
        return self.samples - self.waiting, self._device

    def cancel(self) -> bool:
        """Takes the samples that still wait out of the queue; rows that a device is computing are thrown away.

        False if the outcome is known.
        """
        # Without the lock, since this calls whoever waits for the end: the batcher, which charges jobs under its own.
        cancelled = super().cancel()
        with self._lock:
            first, self._withdrawn = not self._withdrawn, self._withdrawn or cancelled
        if cancelled and first:
            self._withdraw(self)
        return cancelled

    def keep(self) -> None:
        """Lifts the deadline: what has come of the job so far is in use, so the rest is wanted whenever it comes."""
        # Not None: whoever reads it meanwhile compares it.
        self.deadline = math.inf

    def board(self, count: int, size: int) -> slice:
        """Notes that the last `count` samples to leave the queue ride in a batch of `size`; returns which they are."""
        self.timing.batches.append(size)
        if not self.waiting:
            self.timing.queue = self._lap()
        stop = self.samples - self.waiting
        return slice(stop - count, stop)

    def receive(self, rows: slice, outputs: Arrays) -> Iterable[int]:
        """Takes in the outputs of samples `rows`; the numbers of the pieces that can be made now, see `encode`.

        A job that isn't piecewise is one piece, once it is complete. Called by several executors.
        """
        count = rows.stop - rows.start
        if self.piecewise:
            for row, piece in enumerate(range(rows.start, rows.stop)):
                self._ready[piece] = {name: value[row] for name, value in outputs.items()}
        elif count == self.samples:
            # The usual case, a job that rode in one batch, keeps the batch's rows as they are.
            self._ready[0] = outputs
        else:
            self._gather(rows, outputs)
        with self._lock:
            self._missing -= count
            complete = self._missing == 0
        if complete:
            self.timing.infer = self._lap()
            # Who reads a long answer slowly keeps the job, and need not keep what went in.
            self.inputs = {}
        if self.piecewise:
            return range(rows.start, rows.stop)
        return [0] if complete else []

    def encode(self, piece: int) -> bool:
        """Makes a piece of the result, or nothing if the outcome is known; called by several threads.

        True if the result is whole now, and can be given, see `give`.
        """
        if self.done():
            return False
        began = time.monotonic()
        try:
            # Whoever reads the result keeps the job for its timing; the pixels need not stay as long.
            outputs = self._ready.pop(piece)
            if isinstance(self._finish, Piecewise):
                self._pieces[piece] = self._finish.each(piece, outputs)
                if not self._last(time.monotonic() - began):
                    return False
                self._made = [self._finish.finish(self._pieces)]
            else:
                self._made = [self._finish(outputs)]
                self._encoding = time.monotonic() - began
        except Exception as error:
            self.fail(error)
            return False
        return True

    def give(self, observe: Callable[["Job[T]", float], None]) -> None:
        """Ends the job with the result that was made, unless the outcome is known.

        `observe` gets the job and the seconds that all encoding took, waiting for a thread not counted, before anyone
        sees the result.
        """
        (result,), self._made = self._made, []
        if self._claim():
            self.timing.encode = self._lap()
            observe(self, self._encoding)
            self.set_result(result)

    def fail(self, error: Exception) -> None:
        """Ends the job with an error, unless its outcome is known."""
        if self._claim():
            self.set_exception(error)

    def _gather(self, rows: slice, outputs: Arrays) -> None:
        """Puts rows that came in several batches together."""
        with self._lock:
            if not self._ready:
                self._ready[0] = {
                    name: np.empty((self.samples, *value.shape[1:]), value.dtype) for name, value in outputs.items()
                }
        for name, value in outputs.items():
            self._ready[0][name][rows] = value

    def _last(self, seconds: float) -> bool:
        """Notes that a piece was made, in so many seconds; whether it was the last."""
        with self._lock:
            self._encoding += seconds
            self._unmade -= 1
            return self._unmade == 0

    def _claim(self) -> bool:
        """Whether the caller may decide the outcome: the first one may, unless the job was cancelled."""
        with self._lock:
            first, self._claimed = not self._claimed, True
        return first and self.set_running_or_notify_cancel()

    def _lap(self) -> float:
        """Seconds since the last lap, or since the submission."""
        last, self._marked = self._marked, time.monotonic()
        return self._marked - last
