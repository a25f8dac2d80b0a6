"""A client that hangs up takes its samples out of the queue."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.engine.catalog import Catalog
from tests.api.conftest import Serve, count


def hold(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Makes the device of `toy@2` wait with each batch until the second event; the first tells that it has one."""
    batcher = catalog.get("toy").batcher
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


def test_who_hangs_up_while_waiting_drops_the_work(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    catalog = client.app.state.service.catalog
    entered, go = hold(catalog, monkeypatch)

    async def story() -> None:
        stays, leaves = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", stays))
        await until(entered.is_set)
        second = asyncio.create_task(post(client, "model=toy&n=40", leaves))
        await until(lambda: count(client, "ganymede_queue_samples", model="toy@2") == 40)
        leaves.set()
        assert (await second)[0]["status"] == 499
        assert count(client, "ganymede_queue_samples", model="toy@2") == 0
        go.set()
        assert (await first)[0]["status"] == 200

    asyncio.run(story())
    assert count(client, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") == 40
    assert count(client, "ganymede_images_total", model="toy@2") == 1
    assert count(client, "ganymede_requests_total", route="/generate", model="toy@2", status="499") == 1


def test_who_hangs_up_before_the_body_is_there_is_no_error(client: TestClient) -> None:
    before = count(client, "ganymede_requests_total", route="/generate", model="", status="499")

    async def story() -> list[dict[str, Any]]:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        sent = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/generate", "query_string": b"", "headers": []}
        await client.app(scope, receive, send)
        return sent

    assert asyncio.run(story())[0]["status"] == 499
    assert count(client, "ganymede_requests_total", route="/generate", model="", status="499") == before + 1


def test_a_request_that_can_not_be_served_in_time_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    entered, go = hold(client.app.state.service.catalog, monkeypatch)

    async def story() -> None:
        never = asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", never))
        await until(entered.is_set)
        second = asyncio.create_task(post(client, "model=toy&timeout=0.05", never))
        await asyncio.sleep(0.1)
        go.set()
        assert (await first)[0]["status"] == 200
        start, answer = await second
        assert start["status"] == 429
        assert b"The deadline passed after" in answer["body"]

    asyncio.run(story())
    assert count(client, "ganymede_dropped_samples_total", model="toy@2", reason="deadline") == 1
