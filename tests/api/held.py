"""Requests at moments of the test's choosing: a device that waits, and clients that hang up when told to."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient


def hold(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Makes the device of `toy@2` wait with each batch until the second event; the first tells that it has one."""
    batcher = client.app.state.service.catalog.get("toy").batcher
    run, entered, go = batcher.run, Event(), Event()

    def held(inputs: Any) -> Any:
        entered.set()
        assert go.wait(10), "the test never let this batch go"
        return run(inputs)

    monkeypatch.setattr(batcher, "run", held)
    return entered, go


async def post(client: TestClient, query: str, hung_up: asyncio.Event) -> list[dict[str, Any]]:
    """What the app sends for a POST whose client hangs up at that event."""
    received: list[dict[str, Any]] = []
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

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
        "path": "/generate",
        "raw_path": b"/generate",
        "query_string": query.encode(),
        "headers": [],
    }
    await client.app(scope, receive, send)
    return received


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
