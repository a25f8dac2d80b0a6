"""Requests at moments of the test's choosing: a device that waits, and clients that hang up when told to."""

import asyncio
import itertools
import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.contract import Task


def hold(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    *,
    after: int = 0,
    failing: bool = False,
    model: str = "toy",
    task: Task = "generate",
    graph: str = "generator",
) -> tuple[Event, Event]:
    """Makes the device of a model, `toy@2` unless told, wait with each batch of a graph, after so many, until the
    second event, and then fail if told so; the first event tells that it has one.
    """
    batcher = client.app.state.service.catalog.get(model, task=task).queues[graph]
    run, batches, entered, go = batcher.run, itertools.count(), Event(), Event()

    def held(inputs: Any, alone: bool) -> Any:
        if next(batches) >= after:
            entered.set()
            assert go.wait(10), "the test never let this batch go"
            if failing:
                raise RuntimeError("out of memory")
        return run(inputs, alone)

    monkeypatch.setattr(batcher, "run", held)
    return entered, go


async def post(
    client: TestClient,
    query: str,
    hung_up: asyncio.Event,
    received: list[dict[str, Any]] | None = None,
    *,
    path: str = "/generate",
    content: bytes = b"",
    json_body: object = None,
) -> list[dict[str, Any]]:
    """What the app sends for a POST whose client hangs up at that event; `received` has it as it comes."""
    received = [] if received is None else received
    content = content if json_body is None else json.dumps(json_body).encode()
    body = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for part in body:
            return part
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        received.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [] if json_body is None else [(b"content-type", b"application/json")],
    }
    await client.app(scope, receive, send)
    return received


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
