"""How much work waits for a graph, in samples of the usual size and in predicted seconds, and whom that lets in."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import ref

from app.engine.cost import FRESH, Cost
from app.engine.health import Health
from app.engine.rotation import Queue, Returns, Rotation
from app.errors import Draining, NotReady, Overloaded
from app.metrics import Lane, ModelMetrics

LATE, STEP, MOST = 0.005, 0.008, 0.25
"""One job in 200 may take longer than was predicted with the allowance. Each that does makes it grow by 0.8 % of the
prediction, each other one shrink by a 200th of that (a quantile after Robbins & Monro 1951). It takes at most a quarter
of the time to a deadline, so that some are let in who can show that less will do."""


class Before(NamedTuple):
    """What comes before a job can queue: `seconds` until then, if others are made ready first, one each `each`, and the
    returns of those who were refused because of that.
    """

    seconds: float = 0.0
    each: float = 0.0
    returns: Returns | None = None


AT_ONCE = Before()


@dataclass(frozen=True)
class Limits:
    """How much may queue (`queue_seconds` of predicted work), how long a batch may wait to fill, in seconds, and how
    many threads encode.
    """

    queue_seconds: float
    batch_wait: float = 0
    encoders: int = 1


class Admission:
    """The door of one graph. Its methods are called with the rotation's lock held, unless they say otherwise.

    Work is counted in predicted seconds of the slower stage, the device or the encoders: behind a fast device it is
    the encoders' queue that would grow without bound.
    """

    def __init__(
        self,
        queue: Queue[Any],
        model: str,
        cost: Cost,
        rotation: Rotation[Any],
        health: Health,
        metrics: ModelMetrics,
        limits: Limits,
        lanes: Mapping[Lane, Sized],
    ) -> None:
        """`lanes` hold the jobs of the `queue` that wait for a batch."""
        # Weak, as the queue holds its door: in a circle, both would stay for a while after their model has left.
        self._queue = ref(queue)
        self.waiting: dict[Lane, float] = {"interactive": 0, "bulk": 0}
        """Work that waits for a batch."""
        self.unfinished = 0.0
        """Work of all open jobs: what waits, what is on the device, and what is being encoded."""
        self.allowance = 0.0
        """Seconds by which nearly no job takes longer than was predicted, lately."""
        self._encoding: float | None = None
        self._model = model
        self._cost = cost
        self._rotation = rotation
        self._health = health
        self._refused = metrics.refused
        self._limits = limits
        self._lanes = lanes

    @property
    def crowd(self) -> bool:
        """Whether so many interactive jobs wait that each executor could have an ample batch of them, at once."""
        enough = len(self._lanes["interactive"]) >= self._cost.ample * self._rotation.executors
        return enough and not self._limits.batch_wait

    def require_room(
        self, work: float, lane: Lane, left: float | None, pieces: int = 1, before: Before = AT_ONCE
    ) -> float:
        """Raises `Overloaded` or `Draining` unless a job may queue: so much work behind all other jobs of its lane,
        with `left` seconds to its deadline, encoded in so many pieces side by side.

        Predicted seconds until it is done; 0 if there was no need to ask. `ended` takes in what came of it.
        """
        self._require_open()
        queued, limit = self.seconds(lane), self._limits.queue_seconds
        if queued >= limit:
            self._refused["queue"].inc()
            detail = f"{queued:.3g} s of work wait for {self._model}; the limit is {limit:.3g} s."
            raise Overloaded(detail, self._back(work, lane, before))
        # While nothing waits no prediction refuses a job: if it is wrong, only the next job can put it right.
        others = self._rotation.ahead(lane, but=self._queue())
        if left is None or not (before.seconds or queued or any(others)):
            return 0
        needed = self._needed(work, lane, min(pieces, self._limits.encoders), others)
        # The device goes on meanwhile.
        needed += max(0.0, before.seconds - queued - sum(others))
        if needed > left - min(self.allowance, MOST * left):
            self._refused["deadline"].inc()
            detail = f"{self._model} would take {needed:.3g} s; the deadline is in {left:.3g} s."
            raise Overloaded(detail, self._back(work, lane, before))
        return needed

    def require_service(self) -> None:
        """Raises `Draining` or `NotReady` unless jobs are run; the last to be asked, since it may let one through that
        is to show whether the model works again.
        """
        self._require_open()
        try:
            self._health.admit()
        except NotReady:
            self._refused["failing"].inc()
            raise

    def seconds(self, lane: Lane = "bulk") -> float:
        """Predicted seconds in which device and encoders would work off what goes before a new job of that lane, of
        this model's jobs alone: bulk that waits is not in the way of interactive jobs. Needs no lock.
        """
        ahead = self.waiting["interactive"] + (self.waiting["bulk"] if lane == "bulk" else 0)
        return max(self._worked_off(ahead), self._encode_seconds(lane))

    def encoded(self, work: float, seconds: float) -> None:
        """Takes in how long one thread took to encode a job. Needs no lock: a lost update costs a little freshness."""
        each = seconds / work
        self._encoding = each if self._encoding is None else self._encoding + FRESH * (each - self._encoding)

    def ended(self, needed: float, seconds: float) -> None:
        """Takes in how long a job took that was predicted to need so many seconds. Needs no lock, as above."""
        late = seconds + 2 * self._rotation.lag > needed + self.allowance
        self.allowance = max(0.0, self.allowance + STEP * needed * (late - LATE))

    def encodable(self, seconds: float) -> float:
        """How much work one thread encodes in that time, a sample at least. Needs no lock."""
        return max(1, seconds / self._encoding) if self._encoding else 1

    def _require_open(self) -> None:
        if self._rotation.draining:
            self._refused["draining"].inc()
            raise Draining

    def _back(self, work: float, lane: Lane, before: Before) -> float:
        """Seconds until whoever is refused so much work is to come back."""
        usual = self._cost.useful
        seconds = work * self._cost.seconds(usual) / usual / self._rotation.executors
        returns = before.returns if before.seconds and before.returns else self._rotation.returns[lane]
        wait = max(before.seconds, self._rotation.seconds(lane))
        return returns.told(wait, max(seconds, before.each), self._limits.queue_seconds)

    def _needed(self, work: float, lane: Lane, encoders: int, others: Sequence[float]) -> float:
        """Predicted seconds until a job of that much work, queued now, would be done, where so many seconds go before
        it in each of the other queues.

        Jobs of a lane take turns by sample: of each job ahead at most as much is computed before this one is done.
        Models take turns: each of the others gets about as much time as this one, if it has that much work in this
        lane; and who asks little at a time, but again and again, goes on taking the share that it took lately. All that
        is interactive goes before bulk, and what the device is at before all. Then the job is encoded, on so many
        threads, and its answer waits for the event loop, as its request did before anyone could see its deadline.
        """
        executors, encoding = self._rotation.executors, self._encoding or 0
        alone = self._cost.seconds(self._cost.batch(work, executors))
        turns = min(self.waiting[lane], work * len(self._lanes[lane]))
        first = self.waiting["interactive"] if lane == "bulk" else 0
        own = max(alone, self._worked_off(first + turns + work), self._encode_seconds(lane))
        share = self._rotation.others(self._queue(), lane)
        between = max(sum([min(own, seconds) for seconds in others]), own * share / (1 - share))
        if lane == "bulk":
            between = max(between, sum(self._rotation.ahead("interactive", but=self._queue())))
        between += self._rotation.running / executors
        return own + between + work * encoding / encoders + 2 * self._rotation.lag

    def _worked_off(self, work: float) -> float:
        """Predicted seconds in which the executors would work off so much."""
        size = self._cost.ample if self.crowd else self._cost.useful
        return self._cost.queued(work, size) / self._rotation.executors

    def _encode_seconds(self, lane: Lane) -> float:
        """Predicted seconds in which the encoders would work off what goes before a new job of that lane."""
        ahead = self.unfinished - (0 if lane == "bulk" else self.waiting["bulk"])
        return ahead * (self._encoding or 0) / self._limits.encoders


def watch(metrics: ModelMetrics, doors: Sequence[Admission], health: Health) -> None:
    """Has a model's gauges show what waits at the doors of its graphs, until they are told to show others."""
    metrics.watch(
        lambda: sum(sum(door.waiting.values()) for door in doors),
        lambda: sum(door.waiting["bulk"] for door in doors),
        lambda: sum(door.seconds() for door in doors),
        lambda: health.reason is not None,
    )
