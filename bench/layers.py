"""The layers of the service, one by one, in this process: microseconds of processor time per request.

The device answers at once, and there is no socket. See `bench.overhead`, which prints them beside the whole.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.api import answers, deps, headers, problems, schemas
from app.api.counting import RequestCounter
from app.api.drawing import settle
from app.api.hot import FrontedApp, HotRoutes
from app.api.jobs import outcome
from app.engine.guests import Guests
from app.engine.job import Timing
from app.engine.model import LiveModel
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from bench.wire import Ask

REPETITIONS = 2000
ROUNDS = 5
"""The least of so many rounds counts: whatever else the machine does can only add."""
TARGET = "/generate?seed=42"

Act = Callable[[], object]


def measure(models: Path, name: str) -> dict[str, float]:
    """Microseconds by layer, with a folder of models and the name of one of them."""
    with _serving(models, name) as (app, live, run):
        return uvloop.run(_layers(app, live, run))


@contextmanager
def _serving(models: Path, name: str) -> Iterator[tuple[FastAPI, LiveModel, Act]]:
    """The application in this process, with a device that answers at once, its model, and what runs the graph once."""
    app = create_app(Settings(models=models, default_model=name, device="cpu", log_level="error"))
    catalog = app.state.service.catalog
    catalog.start()
    while any(entry.state == "loading" for entry in catalog.entries()):
        time.sleep(0.01)
    live: LiveModel = catalog.get(name)
    assert live.queues is not None
    run = partial(live.queues["generator"].run, dict(live.manifest.inputs(0, range(1))), False)
    pixels = run()
    live.queues["generator"].run = lambda _inputs, _alone: pixels
    try:
        yield app, live, run
    finally:
        catalog.close(1)


async def _layers(app: FastAPI, live: LiveModel, run: Act) -> dict[str, float]:
    """Microseconds by layer; `run` runs the graph."""
    here = app.state.service
    limits = schemas.limited(schemas.GenerateParameters, here.settings)
    asked = limits.model_validate({"seed": 42})
    drawing = settle(asked, live, 42, "png").of([None])
    inputs = live.manifest.inputs(42, range(1))
    image = live.manifest.graphs["generator"].output("image").name
    assert live.queues is not None
    outputs = live.queues["generator"].run(inputs, False)
    finish = cast(Callable[[Any], bytes], answers.body(drawing, image))
    picture = finish(outputs)
    said = headers.of_answer(asked, drawing, "POST", "")
    request = Request(_scope(app), _client())

    def answered() -> Response:
        return Response(picture, headers={**said, "Server-Timing": "x"}, media_type="image/png")

    def settled() -> None:
        one = settle(asked, live, 42, "png")
        fields = headers.of_answer(asked, one, "POST", "")
        fields["Server-Timing"] = headers.server_timing(Timing(batches=[1]), 0.001)
        Response(picture, headers=fields, media_type="image/png")

    async def through_the_engine() -> None:
        await outcome(live.submit(inputs, deadline=None, finish=lambda _: picture), request, live.lagged)

    shortcut, framework = (_empty(hot, answered) for hot in (True, False))
    return {
        "uvicorn: parse the request, send the answer": await _wire(answered()),
        "middleware, route, count of requests (`app/api/hot.py`)": await awaited(lambda: _call(shortcut, _scope(app))),
        "(the framework's own way to an endpoint, not taken)": await awaited(lambda: _call(framework, _scope(app))),
        "parameters: read and validate": await awaited(
            lambda: deps.parameters(Request(_scope(app), _client()), limits)
        ),
        "settle the drawing, write headers and response": _least(settled),
        "draw the latents": _least(lambda: live.manifest.inputs(42, range(1))),
        "queue, batch, hand-over between threads that are awake, phase metrics": await awaited(through_the_engine),
        "encode the picture, with its recipe": _least(lambda: finish(outputs)),
        "(of these, metrics: four observations and two counts)": _least(lambda: _metrics(here.metrics, live)),
        "all of it, one request after the other, without uvicorn: threads fall asleep between two": await awaited(
            lambda: _call(app, _scope(app))
        ),
        "a request for which nothing is drawn (`HEAD`), one after the other": await _after(_nothing, app),
        "(the same, each after a run of the graph)": await _after(run, app),
    }


def _least(act: Act) -> float:
    """Microseconds of processor time, of all threads, that a call takes."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPETITIONS):
            act()
        rounds.append(time.process_time() - began)
    return 1e6 * min(rounds) / REPETITIONS


async def awaited(act: Callable[[], Awaitable[object]]) -> float:
    """As `_least`, of what is awaited."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPETITIONS):
            await act()
        rounds.append(time.process_time() - began)
    return 1e6 * min(rounds) / REPETITIONS


def _nothing() -> None:
    """What is done between requests that follow upon each other."""


async def _after(between: Act, app: FastAPI) -> float:
    """Microseconds of this thread for a request that never leaves it, each after something else: the median."""
    took = []
    for _ in range(REPETITIONS // 10):
        between()
        began = time.thread_time()
        await _call(app, _scope(app, "HEAD"))
        took.append(time.thread_time() - began)
    return 1e6 * median(took)


def _metrics(metrics: Metrics, live: LiveModel) -> None:
    of_model = live.metrics
    for phase in (of_model.queue, of_model.infer, of_model.encode, of_model.batch_size):
        phase.observe(0.001)
    of_model.images.inc(1)
    metrics.request("/generate", live.manifest.reference, 200)


def _scope(app: FastAPI, method: str = "POST") -> dict[str, Any]:
    """What our own server says of a request."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/generate",
        "raw_path": b"/generate",
        "query_string": TARGET.partition("?")[2].encode(),
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"0")],
        "app": app,
        "gone": lambda: False,
        "listen": lambda _tell: _nothing,
    }


def _client() -> Callable[[], Awaitable[dict[str, Any]]]:
    """A client that sends an empty body, and then stays."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.get_running_loop().create_future()
        raise AssertionError("this client never hangs up")

    return receive


async def _call(app: FastAPI, scope: dict[str, Any]) -> None:
    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, message

    await app(scope, _client(), send)


def _empty(hot: bool, answer: Callable[[], Response]) -> FastAPI:
    """An application around an endpoint that answers at once, by the short cut or by the framework's own way."""

    async def endpoint(_: Request) -> Response:
        return answer()

    app = FrontedApp(telemetry={"tracing": False, "metrics": False, "logs": False})
    routes = APIRouter(route_class=deps.DirectRoute if hot else APIRoute)
    routes.post("/generate", response_class=Response)(endpoint)
    found = [route for route in routes.routes if isinstance(route, APIRoute)]
    app.front = RequestCounter(HotRoutes(app, found) if hot else app.framework, Metrics(), Guests())
    problems.install(app)
    app.include_router(routes)
    return app


class _Wire(asyncio.Transport):
    """A connection without a socket, which tells when an answer was written to its end."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.answered = asyncio.Event()
        self._content = content

    def write(self, data: Any) -> None:
        if data.endswith(self._content):
            self.answered.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Uvicorn's timer for idle connections ends this one after the last request."""


async def _wire(response: Response) -> float:
    """Microseconds in which uvicorn parses a request and sends that response."""
    config = uvicorn.Config(
        response, http="httptools", ws="none", access_log=False, log_config=None, server_header=False
    )
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {})
    wire = _Wire(bytes(response.body))
    protocol.connection_made(wire)
    asked = Ask(TARGET).request(42)

    async def exchange() -> None:
        wire.answered.clear()
        protocol.data_received(asked)
        await wire.answered.wait()

    return await awaited(exchange)
