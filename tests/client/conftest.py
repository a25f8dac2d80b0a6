"""Both clients, and the services that they ask, over real sockets."""

import asyncio
import inspect
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.client import AsyncClient, Client, ServiceError
from app.settings import Settings
from tests import toy, toy_parts, toy_sound, toy_video
from tests.api.conftest import count
from tests.api.held import hold
from tests.live import Live, live

ROOT = Path(__file__).parents[2]

Connect = Callable[..., Any]


class Awaited:
    """An `AsyncClient` whose verbs are awaited for the caller, so that one test can drive both clients."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **named: Any) -> None:
        self._runner = runner
        self._client = AsyncClient(*arguments, **named)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            given = verb(*arguments, **named)
            return self._runner.run(given) if inspect.iscoroutine(given) else self._each(given)

        return call

    def _each(self, parts: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(parts)

        try:
            while True:
                try:
                    part = self._runner.run(following())
                except StopAsyncIteration:
                    return
                yield part
        finally:
            self._runner.run(parts.aclose())


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client, of either kind; they are closed after the test."""
    with asyncio.Runner() as runner:
        make = Client if request.param == "sync" else partial(Awaited, runner)
        made: list[Any] = []

        def connect(*arguments: Any, **named: Any) -> Any:
            made.append(make(*arguments, **named))
            return made[-1]

        yield connect
        for client in made:
            client.close()


@pytest.fixture(scope="session")
def service(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service of the toy models, one of sound among them, and of two shipped ones that take pictures."""
    folder = tmp_path_factory.mktemp("served")
    for model in (models_dir / "toy", models_dir / "shapes", ROOT / "models/facades", ROOT / "models/monet"):
        shutil.copytree(model, folder / model.name)
    toy_sound.build(folder)
    with live(Settings(models=folder, device="cpu", threads=2, encode_threads=2, max_batch=4)) as service:
        yield service


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service of toys with more than a generator: `clouds` and `codes` encode, `judged` has a critic and a first
    stage, `mixing` mixes classes, `drift` predicts frames; `codes` and `judged` have directions. Shared: for tests that
    leave nothing behind.
    """
    folder = tmp_path_factory.mktemp("workshop")
    toy_parts.add(toy.build(folder, "clouds", classes=(), seed=1), "variational")
    toy.direct(toy_parts.add(toy.build(folder, "codes", classes=(), seed=2), "encoder", "critic"))
    toy.direct(toy_parts.add(toy.build(folder, "judged"), "critic", "stage1"))
    toy.build(folder, "mixing", weighs=True)
    toy_video.build(folder)
    with live(Settings(models=folder, device="cpu", threads=2, encode_threads=2)) as service:
        yield service


@pytest.fixture
def client(connect: Connect, service: Live) -> Any:
    return connect(service.url)


@pytest.fixture
def maker(connect: Connect, workshop: Live) -> Any:
    return connect(workshop.url)


@pytest.fixture
def busy(models_dir: Path) -> Iterator[Live]:
    """A service of the toy models for a test of its own, which lets nearly nothing queue."""
    with live(Settings(models=models_dir, device="cpu", threads=1, encode_threads=1, queue_seconds=1e-9)) as service:
        yield service


@pytest.fixture
def held(busy: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """The device of `toy@2` in that service works and its queue is full, until the event."""
    entered, go = hold(busy, monkeypatch)
    with ThreadPoolExecutor() as others:
        others.submit(httpx.get, f"{busy.url}/generate?model=toy")
        assert entered.wait(10)
        others.submit(httpx.get, f"{busy.url}/generate?model=toy")
        until(lambda: count(busy, "ganymede_queue_samples", model="toy@2") == 1)
        yield go
        go.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def photo(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + y / 29), np.cos(x / 11), np.sin(y / 7) * (x > width / 2)]
    return np.rint(127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


def refusal(call: Callable[[], Any]) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value


class Prefixed:
    """An application seen below a prefix, as a proxy shows it; it keeps who asked what, and with which key."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix
        self.peers: set[Any] = set()
        self.keys: set[bytes] = set()
        self.queries: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.peers.add(scope["client"])
        self.keys.add(dict(scope["headers"]).get(b"authorization", b""))
        self.queries.append(dict(parse_qsl(scope["query_string"].decode())))
        assert scope["path"].startswith(self.prefix)
        scope |= {"path": scope["path"].removeprefix(self.prefix), "root_path": self.prefix}
        await self.app(scope, receive, send)


class Renamed:
    """An application that calls a class by another name in what it answers, one that no folder may have today."""

    def __init__(self, app: ASGIApp, name: str, other: str) -> None:
        self.app = app
        self.names = (f'"{name}"'.encode(), f'"{other}"'.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def renamed(message: Message) -> None:
            await send(message | {"body": message["body"].replace(*self.names)} if "body" in message else message)

        await self.app(scope, receive, renamed)
