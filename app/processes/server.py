"""Uvicorn that finishes accepted work before it stops listening. Knows nothing of models: it is told how to drain."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from app.settings import Settings

SLOW_READERS = 5
"""Seconds that clients get to read answers which are finished, once the drain is over."""


class Server(uvicorn.Server):
    """Between SIGTERM and closing its socket, it drains.

    Uvicorn closes the socket at once, so readiness could never say 503 and new requests would see a refused
    connection. This one goes on answering until `drain` returns: `/readyz` and new work get a 503, so that a balancer
    looks elsewhere, and accepted work gets its answer. Then uvicorn's own shutdown follows.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain

    async def main_loop(self) -> None:
        await super().main_loop()
        await asyncio.to_thread(self._drain)


def run(app: ASGIApp, settings: Settings, drain: Callable[[], None], listening: Sequence[socket.socket] = ()) -> None:
    """Serves `app` until SIGTERM or Ctrl-C, then drains, then returns. `SystemExit` if the port is taken.

    It listens where the settings say, or on sockets that listen already.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SLOW_READERS,
    )
    server = Server(config, drain)
    # Uvicorn hears signals once its loop runs, and at the end raises the one that stopped it once more, for whoever
    # heard them before: here that is itself, so none is lost before and a clean stop stays one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run(list(listening) or None)
