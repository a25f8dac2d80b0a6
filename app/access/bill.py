"""What a request used of the device, so that its key can be charged. The door opens a bill, jobs are put on it."""

from collections.abc import Callable
from typing import Protocol


class Work(Protocol):
    """A job of the engine, as far as it is charged."""

    def done(self) -> bool:
        """Whether its outcome is known."""
        ...

    def spent(self) -> tuple[int, float]:
        """The samples of it that went to the device, and their share of the device's seconds, as far as is known."""
        ...


class Bill:
    """The pictures and device seconds of one request, which may be many jobs."""

    def __init__(self, require: Callable[[], None]) -> None:
        """`require` raises `QuotaExceeded` if the key has nothing left."""
        self._require = require
        self._opened = False
        self._pictures = 0
        self._seconds = 0.0
        self._jobs: list[tuple[Work, bool]] = []
        self._charged = 0, 0.0

    def open(self) -> None:
        """Before the first job: raises `QuotaExceeded` if the key has nothing left.

        Only here, so that what needs no device costs nothing, and what has begun is not stopped halfway.
        """
        if not self._opened:
            self._require()
            self._opened = True

    def put(self, job: Work, *, draws: bool) -> None:
        """Puts a job on the bill; `draws` tells that its samples are pictures, and no codes or scores."""
        # Those that are done go: a film of many frames need not keep each frame's job for its price.
        self._close([entry for entry in self._jobs if entry[0].done()])
        self._jobs.append((job, draws))

    def total(self) -> tuple[int, float]:
        """Pictures and device seconds. Of a job that was cancelled on the device, what its batch was predicted to take.

        `pictures` are samples that went to the device, delivered or not: it drew them.
        """
        pictures, seconds = self._pictures, self._seconds
        for job, draws in self._jobs:
            samples, spent = job.spent()
            pictures += samples * draws
            seconds += spent
        return pictures, seconds

    def due(self) -> tuple[int, float]:
        """What the total has grown by since this was asked before."""
        pictures, seconds = self._charged
        self._charged = self.total()
        return self._charged[0] - pictures, self._charged[1] - seconds

    def _close(self, done: list[tuple[Work, bool]]) -> None:
        for job, draws in done:
            samples, seconds = job.spent()
            self._pictures += samples * draws
            self._seconds += seconds
            self._jobs.remove((job, draws))
