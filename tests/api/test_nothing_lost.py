"""Real signals under load: what was accepted is answered, what comes later is told to go elsewhere, nobody stays."""

import asyncio
import http.client
import os
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.processes.server import Drain, Server
from tests import toy, toy_video
from tests.api.process import PATIENCE, Process
from tests.api.test_workers import Service, gone
from tests.media import films

CLIENTS = 64
DRAIN = 10
FLAGS = ("--threads", "1", "--encode-threads", "1", "--drain-seconds", str(DRAIN))


@dataclass
class Crowd:
    """Clients that ask again as soon as they are answered, on connections that they keep for as long as they may."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    outcomes: Counter[str] = field(default_factory=Counter)
    unkind: list[str] = field(default_factory=list)
    """Answers that don't say what a client needs to know."""

    def ask(self, number: int) -> None:
        """One client, until it is told to go elsewhere or can't come in."""
        connection: http.client.HTTPConnection | None = None
        while not self.stop.is_set():
            kept = connection is not None
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                    connection.connect()
            except ConnectionRefusedError:
                self.outcomes["refused"] += 1
                return
            try:
                connection.request("POST", f"/generate?model=toy@1&n=8&seed={number}")
                answer = connection.getresponse()
                answer.read()
            except (ConnectionError, http.client.HTTPException):
                self.outcomes["lost" if kept else "never heard"] += 1
                connection = None
                continue
            self.outcomes[str(answer.status)] += 1
            if answer.status == 503:
                said = answer.getheader("Connection"), answer.getheader("Retry-After")
                self.unkind += [] if said == ("close", "1") else [str(said)]
                return
            if answer.getheader("Connection") == "close":
                connection = None


@contextmanager
def crowd(server: Process) -> Iterator[Crowd]:
    """So many clients that ask, all of which have been answered once at least."""
    these = Crowd(server.port)
    with ThreadPoolExecutor(CLIENTS) as clients:
        asking = [clients.submit(these.ask, number) for number in range(CLIENTS)]
        try:
            server.until(lambda: these.outcomes["200"] > CLIENTS, "the clients are not served")
            yield these
        finally:
            these.stop.set()
        for one in asking:
            one.result(PATIENCE)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    models = tmp_path / "models"
    toy.build(models)
    toy_video.build(models, "radar")
    with Process(models, tmp_path / "log", *FLAGS, "--batch-wait-ms", "40") as process:
        yield process


def test_sigterm_under_load_loses_nothing(server: Process) -> None:
    film = films.KINDS["gif"]
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with ThreadPoolExecutor(1) as patient, crowd(server) as these:
        # One job after the other, each of which waits for others to share its batch with.
        rollout = patient.submit(posted, server.port, "/predict?steps=30", film)
        time.sleep(0.3)
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: these.outcomes["503"] == CLIENTS, "some were neither answered nor sent away")
        assert not rollout.done()
        kept.request("POST", "/generate?model=toy@1")
        refused = kept.getresponse()
        assert (refused.status, refused.getheader("Retry-After"), refused.getheader("Connection")) == (
            503,
            "1",
            "close",
        )
        refused.read()
        assert rollout.result(PATIENCE) == 200
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < DRAIN
    assert set(these.outcomes) == {"200", "503"}
    assert these.unkind == []
    assert "Traceback" not in server.log.read_text()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


def test_whoever_is_at_the_door_at_the_end_is_let_in_and_told() -> None:
    """The kernel lets clients in before the service takes them: what it had not by then was cut off without a word."""
    loops: list[asyncio.AbstractEventLoop] = []
    come: list[http.client.HTTPConnection] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def arrive() -> None:
        # Keeps the event loop, so that none is taken meanwhile.
        for _ in range(CLIENTS):
            come.append(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE))
            come[-1].connect()

    def close(_: float) -> None:
        asyncio.run_coroutine_threadsafe(arrive(), loops[0]).result(PATIENCE)

    drain = Drain(lambda: loops.append(asyncio.get_running_loop()), close)
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as opened, ThreadPoolExecutor(1) as serving:
        port = opened.getsockname()[1]
        server = Server(uvicorn.Config(app, lifespan="off", log_config=None), drain, seconds=DRAIN)
        served = serving.submit(server.run, [opened])
        until(lambda: server.started)
        server.should_exit = True
        until(lambda: len(come) == CLIENTS)
        for one in come:
            one.request("POST", "/generate")
        assert Counter(one.getresponse().status for one in come) == {503: CLIENTS}
        served.result(PATIENCE)


def test_the_others_serve_when_a_worker_is_killed_under_load_and_sigterm_then_ends_all(
    models_dir: Path, tmp_path: Path
) -> None:
    # The paths of Unix sockets are short.
    with tempfile.TemporaryDirectory() as folder:
        service = Service(models_dir, tmp_path / "log", Path(folder))
        try:
            with crowd(service) as these:
                killed, other = service.pid(0), service.pid(1)
                os.kill(killed, signal.SIGKILL)
                before = these.outcomes["200"]
                service.until(lambda: these.outcomes["200"] > before + 2 * CLIENTS, "the other one does not serve")
                # Whoever was with the one that was killed asked again, and was served.
                assert set(these.outcomes) <= {"200", "lost", "never heard"}
                service.process.send_signal(signal.SIGTERM)
                assert service.process.wait(PATIENCE) == 0
            # By the kill, and by nothing else: each asks one request at a time.
            assert these.outcomes["lost"] + these.outcomes["never heard"] <= CLIENTS
            assert these.unkind == []
            assert gone(killed, other, service.pid(0))
            assert list(service.folder.iterdir()) == []
            assert "Traceback" not in service.log.read_text()
        finally:
            service.end()


def posted(port: int, path: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", path, body, {"Content-Type": "image/gif"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
