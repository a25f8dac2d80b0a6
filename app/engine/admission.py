"""How much work waits for a model, in samples and in predicted seconds, and whom that lets in."""

from dataclasses import dataclass

from app.engine.cost import FRESH, Cost
from app.engine.rotation import Rotation
from app.errors import Draining, Overloaded
from app.metrics import ModelMetrics


@dataclass(frozen=True)
class Limits:
    """How much may queue (`queue_seconds` of predicted work), how long a batch may wait to fill, in seconds, and how
    many threads encode.
    """

    queue_seconds: float
    batch_wait: float = 0
    encoders: int = 1


class Admission:
    """The door of one model. Its methods are called with the rotation's lock held, unless they say otherwise.

    Work is counted in predicted seconds of the slower stage, the device or the encoders: behind a fast device it is
    the encoders' queue that would grow without bound.
    """

    def __init__(
        self, model: str, cost: Cost, rotation: Rotation[object], metrics: ModelMetrics, limits: Limits
    ) -> None:
        self.waiting = 0
        """Samples that wait for a batch."""
        self.unfinished = 0
        """Samples of all open jobs: those that wait, those on the device, and those being encoded."""
        self._encoding: float | None = None
        self._model = model
        self._cost = cost
        self._rotation = rotation
        self._refused = metrics.refused
        self._limits = limits

    def admit(self, samples: int, jobs: int, left: float | None) -> None:
        """Raises `Overloaded` or `Draining` unless a job may queue: `samples` of it behind so many other jobs, with
        `left` seconds to its deadline.
        """
        if self._rotation.draining:
            self._refused["draining"].inc()
            raise Draining
        queued, limit = self.seconds(), self._limits.queue_seconds
        if queued >= limit:
            self._refused["queue"].inc()
            detail = f"{queued:.3g} s of work wait for {self._model}; the limit is {limit:.3g} s."
            raise Overloaded(detail, self._rotation.seconds())
        # While nothing waits no prediction refuses a job: if it is wrong, only the next job can put it right.
        if left is None or not self._rotation.seconds():
            return
        needed = self._needed(samples, jobs)
        if needed > left:
            self._refused["deadline"].inc()
            detail = f"{self._model} would take {needed:.3g} s; the deadline is in {left:.3g} s."
            raise Overloaded(detail, self._rotation.seconds())

    def seconds(self) -> float:
        """Predicted seconds in which device and encoders would work off this model's jobs alone. Needs no lock."""
        device = self._cost.queued(self.waiting) / self._rotation.executors
        return max(device, self.unfinished * (self._encoding or 0) / self._limits.encoders)

    def encoded(self, samples: int, seconds: float) -> None:
        """Takes in how long one thread took to encode a job. Needs no lock: a lost update costs a little freshness."""
        each = seconds / samples
        self._encoding = each if self._encoding is None else self._encoding + FRESH * (each - self._encoding)

    def _needed(self, samples: int, jobs: int) -> float:
        """Predicted seconds until a job of that many samples, queued now behind so many others, would be done.

        Jobs take turns by sample: of each job ahead at most as many are computed before this one is done. Models take
        turns by batch: each of the others gets about as much time as this one, if it has that much work. Then the job
        is encoded, on one thread.
        """
        executors, encoding = self._rotation.executors, self._encoding or 0
        alone = self._cost.seconds(self._cost.batch(samples, executors))
        shared = self._cost.queued(min(self.waiting, samples * jobs) + samples) / executors
        own = max(alone, shared, self.unfinished * encoding / self._limits.encoders)
        others = self._rotation.seconds(at_most=own) - min(own, self.seconds())
        return own + others + samples * encoding
