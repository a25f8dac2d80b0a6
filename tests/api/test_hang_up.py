"""A client that hangs up takes its samples out of the queue."""

import asyncio
import time
from concurrent.futures import Future
from threading import Thread
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.testclient import TestClient

from app.api.drawing import FEW, Drawing
from app.api.jobs import SOON, outcome
from app.engine.job import Arrays
from app.engine.model import LiveModel
from tests.api.conftest import Serve, count
from tests.api.held import hold, post, until


def test_who_hangs_up_while_waiting_drops_the_work(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

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


@pytest.mark.parametrize("first", ["the job", "the client"])
def test_a_job_that_ends_as_its_client_leaves_ends_once(first: str) -> None:
    troubles: list[dict[str, Any]] = []

    async def story() -> str:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
        leaves, job = asyncio.Event(), Future[str]()

        async def receive() -> dict[str, Any]:
            await leaves.wait()
            return {"type": "http.disconnect"}

        waiting = asyncio.create_task(outcome(job, Request({"type": "http"}, receive), lambda _: None))
        await asyncio.sleep(4 * SOON)
        if first == "the client":
            loop.call_soon(leaves.set)
            loop.call_soon(job.set_result, "a picture")
        else:
            # The job's end is seen a turn later, and the client's in the midst of that turn.
            loop.call_soon(job.set_result, "a picture")
            loop.call_soon(loop.call_soon, leaves.set)
        try:
            return await waiting
        except ClientDisconnect:
            return "gone"
        finally:
            await asyncio.sleep(SOON)

    # What has been made is handed over: whoever would send it finds out that nobody is there, and counts it.
    assert asyncio.run(story()) == "a picture"
    assert not troubles


def test_a_client_that_leaves_while_its_result_is_given_says_nothing_of_the_event_loop() -> None:
    lags: list[float] = []

    async def story() -> str:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        job = Future[str]()
        # As a job is that was claimed, and has no result yet.
        job.set_running_or_notify_cancel()
        Thread(target=finish, args=(job,)).start()
        return await outcome(job, Request({"type": "http"}, receive), lags.append)

    def finish(job: Future[str]) -> None:
        time.sleep(20 * SOON)
        job.set_result("a picture")

    assert asyncio.run(story()) == "a picture"
    assert not [lag for lag in lags if lag > 1]


def test_a_request_that_can_not_be_served_in_time_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

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


def test_who_is_gone_before_the_work_begins_costs_none(serve: Serve) -> None:
    client = serve()
    gone = asyncio.Event()
    gone.set()
    assert asyncio.run(post(client, "model=toy&n=3", gone))[0]["status"] == 499
    assert count(client, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") == 3
    assert count(client, "ganymede_images_total", model="toy@2") == 0


def test_who_leaves_while_many_samples_are_drawn_costs_no_more(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    gone = asyncio.Event()
    draw, submitted = Drawing._draw, []

    def leave(drawing: Drawing) -> Arrays:
        gone.set()
        return draw(drawing)

    monkeypatch.setattr(Drawing, "_draw", leave)
    monkeypatch.setattr(LiveModel, "submit", lambda *_, **__: submitted.append(1))
    assert asyncio.run(post(client, f"model=toy&n={FEW + 1}", gone))[0]["status"] == 499
    assert not submitted
    assert count(client, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") == FEW + 1
