"""What a request costs where it enters: its id, its line in the log, and its spans where it is traced.

`python -m bench.entrance` prints a Markdown table: microseconds of this thread's processor time beyond the same
application without an entrance. The variants take turns, so that whatever else the machine does falls on all of them;
the median of the rounds counts, and the least says what it is on a machine with nothing else to do. Lines go to a file.
Spans are made by OpenTelemetry's SDK and kept; what sends them to a collector works on another thread.
"""

import logging
import time
from collections.abc import Iterable
from statistics import median
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any

import uvloop
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import caller
from app.api.entrance import Entrance
from app.api.spans import Traces
from app.engine.job import Timing
from app.processes.logs import HumanLines, JsonLines
from bench import conditions

REQUESTS, ROUNDS = 1000, 25
PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


class Kept(SpanProcessor):
    """Keeps the last span."""

    def on_end(self, span: ReadableSpan) -> None:
        """It replaces the one before."""
        self.last = span


def main() -> None:
    """Prints the table."""
    here = conditions.now()
    rows = uvloop.run(_measured())
    bare = rows.pop("bare")
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}\n")
    print("| of a request | µs, median | least |\n|---|---|---|")
    for name, rounds in rows.items():
        print(f"| {name} | {median(rounds) - median(bare):.0f} | {min(rounds) - min(bare):.0f} |")


async def _measured() -> dict[str, list[float]]:
    """Microseconds per request of each variant, in each round."""
    provider, never = TracerProvider(), TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(Kept())
    logged, unlogged = Entrance(_answer, lines=True), Entrance(_answer, lines=False)
    json, human = JsonLines(), HumanLines()
    variants: dict[str, tuple[ASGIApp, logging.Formatter, Iterable[tuple[bytes, bytes]]]] = {
        "bare": (_answer, json, ()),
        "its id": (unlogged, json, ()),
        "its id and a line of JSON": (logged, json, ()),
        "its id and a line for people": (logged, human, ()),
        "its id, that of its trace, and a line of JSON": (logged, json, [PARENT]),
        "its id, tracing on but not sampled": (Entrance(_answer, lines=False, traces=Traces(never)), json, ()),
        "its id and four spans": (Entrance(_answer, lines=False, traces=Traces(provider)), json, ()),
    }
    rounds: dict[str, list[float]] = {name: [] for name in variants}
    with TemporaryFile("w") as out:
        handler = logging.StreamHandler(out)
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        for _ in range(ROUNDS):
            for name, (app, form, headers) in variants.items():
                handler.setFormatter(form)
                rounds[name].append(await _round(app, headers))
    return rounds


async def _round(app: ASGIApp, headers: Iterable[tuple[bytes, bytes]]) -> float:
    scopes = [_scope(headers) for _ in range(REQUESTS)]
    began = time.thread_time()
    for scope in scopes:
        await app(scope, _receive, _send)
    return 1e6 * (time.thread_time() - began) / REQUESTS


def _scope(headers: Iterable[tuple[bytes, bytes]]) -> Scope:
    usual = [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*"), (b"content-length", b"0")]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/generate",
        "raw_path": b"/generate",
        "query_string": b"seed=42",
        "headers": [*usual, *headers],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "state": {},
    }


async def _answer(scope: Scope, _: Receive, send: Send) -> None:
    """What an endpoint leaves behind that drew a picture."""
    scope["route"] = SimpleNamespace(path="/generate")
    scope["state"]["model"] = "cifar10@1"
    if (asking := caller.current.get()) is not None:
        asking.jobs.append((time.monotonic(), Timing(0.001, 0.001, 0.0005, [8])))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/png")] * 8})
    await send({"type": "http.response.body", "body": b"x" * 2000})


async def _receive() -> Message:
    return {"type": "http.request", "body": b""}


async def _send(_: Any) -> None:
    """Nobody's answer."""


if __name__ == "__main__":
    main()
