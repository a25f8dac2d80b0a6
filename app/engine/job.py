"""One request as the engine sees it: n samples, when they must be done, and what becomes of their outputs."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]
"""Arrays by ONNX name; the first axis of each is the sample."""

T = TypeVar("T")


@dataclass
class Timing:
    """Where a job's time went, in seconds that follow upon each other: their sum is submission to result.

    `queue` ends when the last sample enters a batch, `infer` when the last output is there, `encode` when `finish`
    has returned. `batches` holds the size of each batch that the job rode in.
    """

    queue: float = 0
    infer: float = 0
    encode: float = 0
    batches: list[int] = field(default_factory=list)


class Job(Future[T]):
    """A request of `samples` samples, which may ride in different batches. Made by `Batcher.submit`.

    A future of what `finish` returns for the outputs of all samples. Its result raises what `finish` raised,
    `DeadlineExceeded` if it was still queued at its `deadline` (`time.monotonic` seconds), `InferenceFailed` if a
    batch that it rode in failed, `Draining` if the service ended first.
    """

    def __init__(
        self,
        inputs: Arrays,
        samples: int,
        deadline: float | None,
        finish: Callable[[Arrays], T],
        withdraw: Callable[["Job[T]"], None],
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.samples = samples
        self.deadline = deadline
        self.timing = Timing()
        self.submitted = time.monotonic()
        self.waiting = samples
        """Samples that are still queued; the batcher counts it down, under its lock."""
        self._finish = finish
        self._withdraw = withdraw
        self._lock = Lock()
        self._outputs: dict[str, NDArray[np.generic]] = {}
        self._missing = samples
        self._claimed = False
        self._marked = self.submitted

    def cancel(self) -> bool:
        """Takes the samples that still wait out of the queue; rows that a device is computing are thrown away.

        False if the outcome is known, or `finish` has begun.
        """
        cancelled = super().cancel()
        if cancelled:
            self._withdraw(self)
        return cancelled

    def board(self, count: int, size: int) -> slice:
        """Notes that the last `count` samples to leave the queue ride in a batch of `size`; returns which they are."""
        self.timing.batches.append(size)
        if not self.waiting:
            self.timing.queue = self._lap()
        stop = self.samples - self.waiting
        return slice(stop - count, stop)

    def receive(self, rows: slice, outputs: Arrays) -> bool:
        """Takes in the outputs of samples `rows`; True when they were the last. Called by several executors."""
        count = rows.stop - rows.start
        if count == self.samples:
            # The usual case, a job that rode in one batch, keeps the batch's rows as they are.
            self._outputs = dict(outputs)
        else:
            with self._lock:
                for name, value in outputs.items():
                    if name not in self._outputs:
                        self._outputs[name] = np.empty((self.samples, *value.shape[1:]), value.dtype)
            for name, value in outputs.items():
                self._outputs[name][rows] = value
        with self._lock:
            self._missing -= count
            complete = self._missing == 0
        if complete:
            self.timing.infer = self._lap()
        return complete

    def finish(self, observe: Callable[["Job[T]", float], None]) -> None:
        """Makes the result of the outputs, which are complete.

        `observe` gets the job and the seconds that it took, waiting for a thread not counted, before anyone sees it.
        """
        if not self._claim():
            return
        # Whoever reads the result keeps the job for its timing; the pixels need not stay as long.
        outputs, self._outputs = self._outputs, {}
        began = time.monotonic()
        try:
            result = self._finish(outputs)
        except Exception as error:
            self.set_exception(error)
            return
        self.timing.encode = self._lap()
        observe(self, time.monotonic() - began)
        self.set_result(result)

    def fail(self, error: Exception) -> None:
        """Ends the job with an error, unless its outcome is known or `finish` has begun."""
        if self._claim():
            self.set_exception(error)

    def _claim(self) -> bool:
        """Whether the caller may decide the outcome: the first one may, unless the job was cancelled."""
        with self._lock:
            first, self._claimed = not self._claimed, True
        return first and self.set_running_or_notify_cancel()

    def _lap(self) -> float:
        """Seconds since the last lap, or since the submission."""
        last, self._marked = self._marked, time.monotonic()
        return self._marked - last
