"""Whatever goes wrong under `/v1` and `/v2` is said as the clients of these protocols expect it, headers included."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Serve, count
from tests.api.held import hold, post, until
from tests.api.tensors import TOY, tensors

FACES = [
    ("/v1/images/generations", {"prompt": "a dog", "model": "toy"}, {"prompt": "a dog", "model": "toy", "n": 4}),
    (TOY, {"inputs": tensors(1)}, {"inputs": tensors(4)}),
]
"""Of each face: a path, what draws one sample, and what draws four."""

faces = pytest.mark.parametrize(("path", "one", "four"), FACES, ids=["openai", "inference"])


def said(answer: Any, status: int) -> str:
    """The message of an error in the shape of the face that it came from."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    error = answer.json()["error"]
    if not answer.request.url.path.startswith("/v1"):
        assert isinstance(error, str)
        return error
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v2/models/toy/config", "/v1", "/v2/repository/index"])
def test_a_route_that_does_not_exist_is_said_in_the_shape_of_the_face(client: TestClient, path: str) -> None:
    assert said(client.get(path), 404) == f"There is nothing at {path}; /docs lists every route."


def test_a_path_that_only_looks_like_a_face_is_none(client: TestClient) -> None:
    assert client.get("/v11/models").headers["content-type"] == "application/problem+json"


@faces
def test_a_method_that_a_route_does_not_have(client: TestClient, path: str, one: object, four: object) -> None:
    answer = client.get(path)
    assert said(answer, 405) == f"{path} has no GET; it has POST."
    assert answer.headers["allow"] == "POST"


@faces
def test_a_full_queue_says_when_to_come_back(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, one: object, four: object
) -> None:
    client = serve(queue_seconds=1e-9)
    entered, go = hold(client, monkeypatch)
    with ThreadPoolExecutor() as clients:
        first = clients.submit(client.post, path, json=one)
        assert entered.wait(10)
        second = clients.submit(client.post, path, json=one)
        while count(client, "ganymede_queue_samples", model="toy@2") == 0 and not second.done():
            time.sleep(0.002)
        answer = client.post(path, json=one)
        go.set()
        assert first.result().status_code == second.result().status_code == 200
    assert "s of work wait for toy@2; the limit is 1e-09 s." in said(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1
    assert int(answer.headers["retry-after-ms"]) >= 1
    if path.startswith("/v1"):
        error = answer.json()["error"]
        assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)


@faces
def test_a_failing_graph_is_named_and_its_reason_kept_to_the_log(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, one: object, four: object
) -> None:
    client = serve()
    _, go = hold(client, monkeypatch, failing=True)
    go.set()
    reason = "toy@2 failed while it computed this request; the server's log has the reason."
    assert said(client.post(path, json=one), 500) == reason


@faces
def test_a_service_that_shuts_down_refuses_work(serve: Serve, path: str, one: object, four: object) -> None:
    client = serve()
    client.app.state.service.catalog.close(0)
    assert said(client.post(path, json=one), 503) == "This replica is shutting down; ask another one."


@faces
def test_an_unforeseen_failure_shows_no_trace(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, one: object, four: object
) -> None:
    client = serve()
    monkeypatch.setattr("app.api.faces.openai.carried_out", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("app.api.faces.inference.carried_out", lambda *_, **__: 1 / 0)
    assert said(client.post(path, json=one), 500) == "The server failed unexpectedly; its log has the reason."


@faces
def test_who_hangs_up_while_waiting_drops_the_work(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, one: object, four: object
) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

    async def story() -> None:
        stays, leaves = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", stays))
        await until(entered.is_set)
        second = asyncio.create_task(post(client, "", leaves, path=path, json_body=four))
        await until(lambda: count(client, "ganymede_queue_samples", model="toy@2") == 4)
        leaves.set()
        assert (await second)[0]["status"] == 499
        assert count(client, "ganymede_queue_samples", model="toy@2") == 0
        go.set()
        assert (await first)[0]["status"] == 200

    asyncio.run(story())
    assert count(client, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") == 4
    assert count(client, "ganymede_images_total", model="toy@2") == 1


@faces
def test_samples_of_a_face_ride_in_the_batches_of_others(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, one: object, four: object
) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

    async def story() -> None:
        never = asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", never))
        await until(entered.is_set)
        others = [
            asyncio.create_task(post(client, "", never, path=path, json_body=four)),
            asyncio.create_task(post(client, "model=toy&n=3", never)),
        ]
        await until(lambda: count(client, "ganymede_queue_samples", model="toy@2") == 7)
        go.set()
        answers = await asyncio.gather(first, *others)
        assert [received[0]["status"] for received in answers] == [200, 200, 200]

    asyncio.run(story())
    assert count(client, "ganymede_batch_size_sum", model="toy@2") == 8
    assert count(client, "ganymede_batch_size_count", model="toy@2") == 2
