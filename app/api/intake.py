"""Uploads are decoded in turn, and only for those who can still be answered: that may cost more than to draw."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.api.jobs import require_client
from app.engine.admission import Before
from app.engine.model import LiveModel
from app.errors import DeadlineExceeded
from app.metrics import Lane

T = TypeVar("T")


class Taken(NamedTuple, Generic[T]):
    """What was made of an upload, the seconds that took from when it had come, and for how many of them it waited."""

    made: T
    seconds: float
    waited: float


class Intake:
    """Lets so many uploads be decoded at once, in the order in which they came. Of one event loop.

    The threads of a framework would decode forty at once, and nobody could tell when the last of them is done.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = 0.0
        """Predicted seconds, on one thread, of the uploads that are here."""

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
        seconds = (self._waiting + own) / self._at_once if self._waiting else 0.0
        before = Before(seconds, own / self._at_once)
        live.require_room(1, deadline=deadline, lane=lane, graph=graph, before=before)
        self._waiting += own
        try:
            async with self._turns:
                require_client(request, live, 1)
                began = time.monotonic()
                if began > deadline:
                    live.metrics.dropped["deadline"].inc()
                    raise DeadlineExceeded(began - came, self._waiting / self._at_once)
                made = await run_in_threadpool(decode)
                ended = time.monotonic()
        finally:
            self._waiting -= own
        live.decoded(ended - began)
        live.metrics.decode.observe(ended - came)
        return Taken(made, ended - came, began - came)
