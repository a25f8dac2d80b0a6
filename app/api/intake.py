"""Uploads are decoded in turn, and only for those who can still be answered: that may cost more than to draw."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.api.jobs import require_client
from app.engine.admission import Before
from app.engine.batching import AGE_BATCHES, AGE_SECONDS
from app.engine.model import LiveModel
from app.engine.rotation import Returns
from app.errors import DeadlineExceeded
from app.metrics import Lane

T = TypeVar("T")

LANES: tuple[Lane, Lane] = ("interactive", "bulk")


class Taken(NamedTuple, Generic[T]):
    """What was made of an upload, the seconds that took from when it had come, and for how many of them it waited."""

    made: T
    seconds: float
    waited: float


class Intake:
    """Lets so many uploads be decoded at once, in the order in which they came, interactive ones before bulk.

    Bulk that waits is given a turn once it had none for a second and for ten of the others'. Of one event loop.

    The threads of a framework would decode forty at once, and nobody could tell when the last of them is done.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = self._free = at_once
        self._turns: dict[Lane, deque[asyncio.Future[None]]] = {"interactive": deque(), "bulk": deque()}
        self._bulk_since = 0.0
        """When bulk had its last turn, or began to wait."""
        self._before_bulk = 0
        """Turns of others since then."""
        self._here: dict[Lane, Counter[LiveModel]] = {"interactive": Counter(), "bulk": Counter()}
        """The uploads that are here, by what they are for."""
        self._returns: dict[Lane, Returns] = {"interactive": Returns(), "bulk": Returns()}

    async def take(
        self,
        request: Request,
        live: LiveModel,
        decode: Callable[[], T],
        *,
        deadline: float,
        lane: Lane,
        graph: str = "generator",
    ) -> Taken[T]:
        """What `decode` makes of an upload, on a thread, for a job of the graph of that role.

        Raises what it raises; `Overloaded` where that and the job would not be done by the deadline; `DeadlineExceeded`
        where it has passed when the turn comes; `ClientDisconnect` where the client is gone by then.
        """
        came, own = time.monotonic(), live.decoding
        # While nothing waits no prediction refuses, as at the engine's door.
        ahead = self._seconds(lane)
        ready = max(own, ahead + own / self._at_once) if ahead else 0.0
        before = Before(ready, own / self._at_once, self._returns[lane])
        live.require_room(1, deadline=deadline, lane=lane, graph=graph, before=before)
        self._here[lane][live] += 1
        try:
            async with self.turn(lane):
                require_client(request, live, 1)
                began = time.monotonic()
                if began > deadline:
                    live.metrics.dropped["deadline"].inc()
                    raise DeadlineExceeded(began - came, self._seconds(lane))
                made = await run_in_threadpool(decode)
                ended = time.monotonic()
        finally:
            self._here[lane][live] -= 1
            self._here[lane] += Counter()  # which drops what is none any more
        live.decoded(ended - began)
        live.metrics.decode.observe(ended - came)
        return Taken(made, ended - came, began - came)

    @asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """Waits for a turn, and passes it on afterwards."""
        await self._turn(lane)
        try:
            yield
        finally:
            self._pass_on()

    def _seconds(self, lane: Lane) -> float:
        """Predicted seconds until all are decoded that go before a new upload of that lane."""
        here = self._here["interactive"] + (self._here["bulk"] if lane == "bulk" else Counter())
        return sum(count * live.decoding for live, count in here.items()) / self._at_once

    async def _turn(self, lane: Lane) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        if lane == "bulk" and not self._turns["bulk"]:
            self._bulk_since, self._before_bulk = time.monotonic(), 0
        self._turns[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Gives a turn to whoever is next."""
        now = time.monotonic()
        aged = now - self._bulk_since > AGE_SECONDS and self._before_bulk >= AGE_BATCHES
        for lane in LANES[::-1] if aged else LANES:
            while self._turns[lane]:
                turn = self._turns[lane].popleft()
                if not turn.cancelled():
                    turn.set_result(None)
                    self._before_bulk += 1
                    if lane == "bulk":
                        self._bulk_since, self._before_bulk = now, 0
                    return
        self._free += 1
