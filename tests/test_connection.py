"""What a connection knows of its client before the event loop comes to it."""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Event

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from app.api.jobs import SOON, hung_up, outcome
from app.processes.connection import AT_ONCE, Connection
from app.settings import Settings

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 10


class Busy:
    """An application that holds the event loop from a request's beginning until it is told to look for the client."""

    def __init__(self) -> None:
        self.entered = Event()
        self.look = Event()
        self.gone: list[bool] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        assert not hung_up(request)
        self.entered.set()
        assert self.look.wait(PATIENCE)
        self.gone.append(hung_up(request))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"x"})


class Working:
    """An application that begins a job, which ends for no other reason than that the client leaves."""

    def __init__(self) -> None:
        self.entered = Event()
        self.ended = Event()
        self.jobs: list[Future[str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.jobs.append(Future())
        self.entered.set()
        with pytest.raises(ClientDisconnect):
            await outcome(self.jobs[-1], Request(scope, receive), lambda _: None)
        self.ended.set()


def serve(app: ASGIApp, act: Callable[[socket.socket], None], state: ServerState | None = None) -> None:
    """Has `act` use a connection to the application, on a thread of its own, while the event loop serves it."""
    config = uvicorn.Config(app, http="httptools", ws="none", access_log=False, log_config=None, lifespan="off")
    config.load()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        uvicorns = {"config": config, "server_state": state or ServerState(), "app_state": {}, "_loop": loop}
        made = partial(Connection, Settings(), 10, lambda _: None, **uvicorns)
        server = await loop.create_server(made, "127.0.0.1", 0)

        def client() -> None:
            with socket.create_connection(server.sockets[0].getsockname(), PATIENCE) as connected:
                act(connected)

        async with server:
            await asyncio.to_thread(client)

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(story())


@pytest.mark.parametrize("requests", [1, 2], ids=["that asked once", "that asked twice"])
@pytest.mark.parametrize("cut", [False, True], ids=["closes", "is cut off"])
def test_a_busy_server_sees_at_once_that_a_client_left(requests: int, cut: bool) -> None:
    app = Busy()

    def leave(connected: socket.socket) -> None:
        connected.sendall(REQUEST * requests)
        assert app.entered.wait(PATIENCE)
        if cut:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connected.close()
        app.look.set()

    serve(app, leave)
    assert app.gone[0]


UPLOAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    "asked",
    [REQUEST, REQUEST * 2, UPLOAD + bytes(1_000_000), UPLOAD + bytes(900_000)],
    ids=["one request", "another behind it", "a body that nobody reads", "half of a body"],
)
@pytest.mark.parametrize("seconds", [0, 4 * SOON], ids=["at once", "later"])
def test_the_job_of_a_client_that_leaves_is_cancelled(asked: bytes, seconds: float) -> None:
    app = Working()

    def leave(connected: socket.socket) -> None:
        connected.sendall(asked)
        assert app.entered.wait(PATIENCE)
        time.sleep(seconds)
        connected.close()
        assert app.ended.wait(PATIENCE)

    serve(app, leave)
    assert all(job.cancelled() for job in app.jobs)


def test_the_job_of_a_client_that_had_left_before_is_cancelled() -> None:
    entered, ended = Event(), Event()
    job: Future[str] = Future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        while not scope["gone"]():
            await asyncio.sleep(0.001)
        with pytest.raises(ClientDisconnect):
            await asyncio.wait_for(outcome(job, Request(scope, receive), lambda _: None), PATIENCE)
        ended.set()

    def leave(connected: socket.socket) -> None:
        connected.sendall(REQUEST)
        assert entered.wait(PATIENCE)
        connected.close()
        assert ended.wait(2 * PATIENCE)

    serve(app, leave)
    assert job.cancelled()


@pytest.mark.parametrize("seconds", [0.001, 4 * SOON], ids=["soon", "later"])
def test_it_is_cancelled_though_another_request_has_come_meanwhile(seconds: float) -> None:
    app = Working()

    def leave(connected: socket.socket) -> None:
        connected.sendall(REQUEST)
        assert app.entered.wait(PATIENCE)
        for _ in range(2):
            time.sleep(seconds)
            connected.sendall(REQUEST)
        time.sleep(seconds)
        connected.close()
        assert app.ended.wait(PATIENCE)

    serve(app, leave)
    assert all(job.cancelled() for job in app.jobs)


def test_a_client_that_leaves_with_requests_unanswered_leaves_no_connection_behind() -> None:
    state, entered, closed = ServerState(), Event(), Event()
    gone: list[bool] = []
    left: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # It reads no body, which would have uvicorn read on.
        entered.set()
        assert closed.wait(PATIENCE)
        gone.append(hung_up(Request(scope, receive)))

    def leave(connected: socket.socket) -> None:
        connected.sendall(REQUEST * 2)
        assert entered.wait(PATIENCE)
        connected.close()
        closed.set()
        end = time.monotonic() + PATIENCE
        while state.connections and time.monotonic() < end:
            time.sleep(0.01)
        # Here, since the server's end ends them all.
        left.append(len(state.connections))

    serve(app, leave, state)
    assert gone == [True]
    assert left == [0]


def test_who_has_an_answer_is_told_nothing_of_the_client() -> None:
    told = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        deaf = scope["listen"](partial(told.append, "gone"))
        deaf()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def ask(connected: socket.socket) -> None:
        connected.sendall(REQUEST)
        assert connected.recv(1000)

    serve(app, ask)
    assert not told


def test_a_client_that_waits_is_answered() -> None:
    app = Busy()

    def stay(connected: socket.socket) -> None:
        connected.sendall(REQUEST)
        assert app.entered.wait(PATIENCE)
        app.look.set()
        assert connected.recv(1000).endswith(b"\r\n\r\nx")

    serve(app, stay)
    assert app.gone == [False]
