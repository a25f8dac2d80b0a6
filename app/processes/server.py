"""Uvicorn that finishes accepted work before it stops listening, and lets no client hold a connection for nothing.

Knows nothing of models: it is told how to drain.
"""

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.metrics import Metrics
from app.processes import listening
from app.processes.connection import Connection
from app.settings import Settings

SLOW_READERS = 5
"""Seconds that clients get to read answers which are finished, once the drain is over."""

FAREWELL = 1
"""Seconds that clients which have come in and asked nothing yet get to ask, and be told to go elsewhere."""

LOOK = 0.02
"""Seconds between two looks at whether accepted requests are still at work."""


@dataclass(frozen=True)
class Drain:
    """How what is served comes to its end: `refuse` turns new requests away from then on; `close` gives what is queued
    so many seconds to finish, and blocks meanwhile.
    """

    refuse: Callable[[], None]
    close: Callable[[float], None]


class Server(uvicorn.Server):
    """Between SIGTERM and closing its socket, it drains.

    Uvicorn closes the socket at once, so readiness could never say 503 and new requests would see a refused
    connection. This one goes on answering: `/readyz` and new work get a 503, so that a balancer looks elsewhere, and
    accepted work gets its answer. Every answer ends its connection, so that a client opens the next one elsewhere.
    Then uvicorn's own shutdown follows.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, seconds: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._seconds = seconds

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; of those, once it looks for clients that are too slow."""
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                cast(Connection, connection).look(now)
        return await super().on_tick(counter)

    async def main_loop(self) -> None:
        await super().main_loop()
        end = time.monotonic() + self._seconds
        self._drain.refuse()
        for cycle in self._cycles():
            cycle.keep_alive = False
        self.config.encoded_headers.append((b"connection", b"close"))
        closing = asyncio.create_task(self._close(end))
        while not closing.done():
            # Makes the headers of further answers, which tell the time.
            await self.on_tick(0)
            await asyncio.wait([closing], timeout=1)
        closing.result()

    async def _close(self, end: float) -> None:
        """Lets accepted requests finish, those of several jobs, too; what is at work at the end is given up."""
        while any(map(_accepted, self._cycles())) and time.monotonic() < end:
            await asyncio.sleep(LOOK)
        await asyncio.to_thread(self._drain.close, max(0, end - time.monotonic()))
        await self._farewell(min(end, time.monotonic() + FAREWELL))

    async def _farewell(self, end: float) -> None:
        """Takes in who is at the door, then shuts it, and answers those who have come and asked nothing so far.

        What the kernel has let in, and nobody took, would be cut off without a word, as if the service had crashed.
        """
        with DefaultSelector() as door:
            for server in self.servers:
                for one in server.sockets:
                    door.register(one.fileno(), EVENT_READ)
            while door.select(0) and time.monotonic() < end:
                await asyncio.sleep(0)  # lets one in
        for server in self.servers:
            server.close()
        while self._silent() and time.monotonic() < end:
            await asyncio.sleep(LOOK)

    def _silent(self) -> bool:
        """Whether a connection has had no request yet."""
        return any(isinstance(one, HttpToolsProtocol) and one.cycle is None for one in self.server_state.connections)

    def _cycles(self) -> list[RequestResponseCycle]:
        """The requests that have no answer yet, or not all of it."""
        here = [one.cycle for one in self.server_state.connections if isinstance(one, HttpToolsProtocol)]
        return [cycle for cycle in here if cycle is not None and not cycle.response_complete]


def _accepted(cycle: RequestResponseCycle) -> bool:
    """Whether a request has found its model: the application notes that in its state."""
    return "model" in cycle.scope.get("state", {})


def run(
    app: ASGIApp,
    settings: Settings,
    metrics: Metrics,
    drain: Drain,
    opened: Sequence[socket.socket] = (),
) -> None:
    """Serves `app` until SIGTERM or Ctrl-C, then drains, then returns. `SystemExit` if the port is taken.

    It listens where the settings say, or on sockets that listen already.
    """
    most = listening.most_connections(settings.max_connections)
    connection = partial(Connection, settings, most, lambda reason: metrics.closed[reason].inc())
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # Called, and no more, so it need be no class.
        http=cast(type[Connection], connection),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SLOW_READERS,
    )
    server = Server(config, drain, settings.drain_seconds)
    metrics.connections.set_function(lambda: len(server.server_state.connections))
    # Uvicorn hears signals once its loop runs, and at the end raises the one that stopped it once more, for whoever
    # heard them before: here that is itself, so none is lost before and a clean stop stays one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    # What is here by now stays. A full collection would go through all of it, 20 to 60 ms in which nothing is answered.
    gc.collect()
    gc.freeze()
    server.run(list(opened) or None)
