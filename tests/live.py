"""The real application behind a real socket, in a thread: for clients that speak HTTP, and tests that reach inside."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import uvicorn
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings


@dataclass(frozen=True)
class Live:
    """A service that is up. `app` is what runs in it."""

    url: str
    app: FastAPI


@contextmanager
def live(settings: Settings) -> Iterator[Live]:
    """A service of these settings on a free port, from when none of its models is loading any more."""
    app = create_app(settings)
    with listening(app) as url:
        end = time.monotonic() + 20
        while any(entry.state == "loading" for entry in app.state.service.catalog.entries()):
            assert time.monotonic() < end, "the models are still loading"
            time.sleep(0.005)
        yield Live(url, app)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address at which this application answers."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=server.run, args=([door],))
        thread.start()
        try:
            end = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive(), "the application did not start"
                assert time.monotonic() < end, "the application is still starting"
                time.sleep(0.005)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
