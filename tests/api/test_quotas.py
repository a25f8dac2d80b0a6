"""What a key may use: refused when it is used up, told in headers while it isn't, and charged for what was computed."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from app.access import quotas
from app.settings import Settings
from tests.api.conftest import count, start
from tests.api.held import hold, until
from tests.keyring import key, written

Limited = Callable[..., TestClient]
NOON = 20_000 * 86_400 + 12 * 3600 + 15.5
"""15.5 seconds after noon on some day."""


class Clock:
    """The time of the quotas, which stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(quotas, "time", clock)
    return clock


@pytest.fixture
def limited(models_dir: Path, tmp_path: Path, clock: Clock) -> Iterator[Limited]:
    """Starts an app of which one key has this quota, and another none; the client uses the one."""
    with ExitStack() as running:

        def limited(**quota: float) -> TestClient:
            token, one = key("limited", "generate", "metrics", **quota)
            other_token, other = key("free", "generate", "metrics")
            file = written(tmp_path / "keys.json", one, other)
            settings = Settings(models=models_dir, device="cpu", threads=1, encode_threads=1, keys_file=file)
            client = start(running, settings)
            client.headers["Authorization"] = f"Bearer {token}"
            client.free = {"X-API-Key": other_token, "Authorization": ""}  # type: ignore[attr-defined]
            return client

        yield limited


def left(client: TestClient, path: str = "/models", **asked: object) -> tuple[int, str]:
    answer = client.get(path, **asked)  # type: ignore[arg-type]
    return answer.status_code, answer.headers.get("RateLimit", "")


def test_requests_a_minute(limited: Limited, clock: Clock) -> None:
    client = limited(requests_per_minute=2)
    assert [left(client) for _ in range(3)] == [
        (200, '"minute";r=1;t=45'),
        (200, '"minute";r=0;t=45'),
        (429, '"minute";r=0;t=45'),
    ]
    refused = client.get("/models")
    assert refused.headers["RateLimit-Policy"] == '"minute";q=2;w=60'
    assert (refused.headers["Retry-After"], refused.headers["Retry-After-Ms"]) == ("45", "44500")
    assert refused.json() == {
        "type": "urn:ganymede:problem:quota-exceeded",
        "title": "Quota exceeded",
        "status": 429,
        "detail": "The key 'limited' has used up its quota: at most 2 requests a minute.",
        "violated-policies": ["minute"],
        "request_id": refused.headers["X-Request-ID"],
    }
    assert client.get("/v1/models").json()["error"]["code"] == "rate_limit_exceeded"
    # Who isn't limited is not told of limits, nor held up by others'.
    assert left(client, headers=client.free) == (200, "")  # type: ignore[attr-defined]
    # What needs no key counts for none.
    assert client.get("/healthz").status_code == 200
    clock.now += 44.5
    assert left(client) == (200, '"minute";r=1;t=60')
    assert count(client, "ganymede_key_refused_requests_total", key="limited", reason="minute") == 3


def test_pictures_a_day(limited: Limited, clock: Clock) -> None:
    client = limited(pictures_per_day=5)
    assert left(client, "/generate?model=toy@1&n=3&seed=1") == (200, '"pictures";r=2;t=43185')
    # A picture that the client has costs nothing, and a refusal neither.
    tag = client.get("/generate?model=toy@1&n=1&seed=1").headers["ETag"]
    again = client.get("/generate?model=toy@1&n=1&seed=1", headers={"If-None-Match": tag})
    assert (again.status_code, again.headers["RateLimit"]) == (304, '"pictures";r=1;t=43185')
    assert left(client, "/generate?model=toy@1&n=0") == (422, '"pictures";r=1;t=43185')
    # The last request may go beyond it, as what it costs is known at its end.
    assert left(client, "/generate?model=toy@1&n=8&seed=1&format=ndjson")[0] == 200
    refused = client.get("/generate?model=toy@1&n=1&seed=1")
    assert refused.status_code == 429
    assert refused.json()["detail"] == (
        "The key 'limited' has used up its quota: at most 5 pictures a day, from midnight UTC."
    )
    assert (refused.headers["Retry-After"], refused.headers["RateLimit"]) == ("43185", '"pictures";r=0;t=43185')
    assert refused.headers["RateLimit-Policy"] == '"pictures";q=5;w=86400;qu="pictures"'
    # What draws nothing is there nevertheless.
    assert client.get("/models").status_code == 200
    assert client.get("/generate?model=toy@1&n=1&seed=1", headers={"If-None-Match": tag}).status_code == 304
    assert count(client, "ganymede_key_refused_requests_total", key="limited", reason="pictures") == 1
    clock.now += 43185
    assert client.get("/generate?model=toy@1&n=1&seed=1").status_code == 200
    assert count(client, "ganymede_key_images_total", key="limited") == 3 + 1 + 8 + 1


def test_seconds_of_the_device_are_what_batches_took(limited: Limited) -> None:
    client = limited(device_seconds_per_day=1000)
    answers = [client.get(f"/generate?model=toy@1&n=20&seed={seed}&format=zip") for seed in range(5)]
    infer = [float(re.findall(r"infer;dur=([\d.]+)", answer.headers["Server-Timing"])[0]) for answer in answers]
    spent = count(client, "ganymede_key_device_seconds_total", key="limited")
    # All else that `infer` holds are moments between device and queue.
    assert 0 < spent <= sum(infer) / 1000
    assert answers[0].headers["RateLimit-Policy"] == '"device-seconds";q=1000;w=86400;qu="device-seconds"'
    assert answers[0].headers["RateLimit"] == '"device-seconds";r=999;t=43185'

    client = limited(device_seconds_per_day=1e-6)
    assert client.get("/generate?model=toy@1&seed=1").status_code == 200
    assert client.get("/generate?model=toy@1&seed=1").json()["violated-policies"] == ["device-seconds"]


def test_who_hangs_up_while_the_device_works_pays_nevertheless(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = limited(pictures_per_day=2, device_seconds_per_day=1000)
    entered, go = hold(client, monkeypatch)
    token = client.headers["Authorization"].encode()

    async def story() -> None:
        leaves = asyncio.Event()
        request = asyncio.create_task(asked(client, token, b"model=toy&n=3", leaves))
        await until(entered.is_set)
        leaves.set()
        await request
        go.set()

    asyncio.run(story())
    assert client.get("/generate?model=toy@1").json()["violated-policies"] == ["pictures"]
    assert count(client, "ganymede_key_device_seconds_total", key="limited") > 0


def test_who_hangs_up_while_it_waits_pays_nothing(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    client = limited(pictures_per_day=2)
    entered, go = hold(client, monkeypatch)
    token = client.headers["Authorization"].encode()

    async def story() -> None:
        leaves, stays = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(asked(client, token, b"model=toy", stays))
        await until(entered.is_set)
        second = asyncio.create_task(asked(client, token, b"model=toy&n=30", leaves))
        await until(lambda: count(client, "ganymede_queue_samples", model="toy@2") == 30)
        leaves.set()
        await second
        go.set()
        await first

    asyncio.run(story())
    assert left(client) == (200, '"pictures";r=1;t=43185')


def test_whoever_has_all_of_an_answer_finds_it_counted(limited: Limited) -> None:
    client = limited(pictures_per_day=5)
    token = client.headers["Authorization"].encode()
    seen = []

    async def look() -> None:
        service = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=service, base_url="http://service") as other:
            seen.append((await other.get("/models", headers={"Authorization": token})).headers["RateLimit"])

    asyncio.run(asked(client, token, b"model=toy&n=3", asyncio.Event(), at_the_end=look))
    assert seen == ['"pictures";r=2;t=43185']


def test_requests_at_a_time(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    client = limited(concurrent=1)
    entered, go = hold(client, monkeypatch)
    token = client.headers["Authorization"].encode()
    statuses = []

    async def story() -> None:
        stays = asyncio.Event()
        first = asyncio.create_task(asked(client, token, b"model=toy", stays))
        await until(entered.is_set)
        statuses.append((await asked(client, token, b"model=toy", stays))[0])
        go.set()
        statuses.append((await first)[0])

    asyncio.run(story())
    assert [start["status"] for start in statuses] == [429, 200]
    headers = [dict(start["headers"]) for start in statuses]
    assert headers[0][b"retry-after"] == b"1"
    assert [said[b"ratelimit"] for said in headers] == [b'"concurrent";r=0', b'"concurrent";r=0']
    assert headers[1][b"ratelimit-policy"] == b'"concurrent";q=1;qu="concurrent-requests"'
    # Answered is over: the next one comes in, and so does one after a failure.
    for _ in range(3):
        assert client.get("/models").status_code == 200
        assert client.get("/models/none").status_code == 404


@pytest.mark.usefixtures("clock")
def test_what_a_critic_looks_at_is_time_and_no_picture(studio_dir: Path, tmp_path: Path) -> None:
    token, one = key("limited", "generate", pictures_per_day=100)
    settings = Settings(models=studio_dir, device="cpu", keys_file=written(tmp_path / "keys.json", one))
    with ExitStack() as running:
        client = start(running, settings)
        client.headers["Authorization"] = f"Bearer {token}"
        assert left(client, "/generate?model=judged&n=2&best_of=4&seed=1") == (200, '"pictures";r=92;t=43185')


def test_a_model_that_has_to_come_first_is_charged_as_any(models_dir: Path, tmp_path: Path) -> None:
    token, one = key("limited", "generate", pictures_per_day=2)
    file = written(tmp_path / "keys.json", one)
    settings = Settings(models=models_dir, device="cpu", load="first-use", keys_file=file)
    with ExitStack() as running:
        client = start(running, settings)
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/generate?model=toy@1&n=3&seed=1").status_code == 200
        assert count(client, "ganymede_key_images_total", key="limited") == 3
        assert count(client, "ganymede_key_device_seconds_total", key="limited") > 0
        assert client.get("/generate?model=toy@1&n=3&seed=1").status_code == 429


async def asked(
    client: TestClient,
    token: bytes,
    query: bytes,
    hung_up: asyncio.Event,
    *,
    at_the_end: Callable[[], Awaitable[None]] | None = None,
) -> list[dict]:  # type: ignore[type-arg]
    """What the app sends for a POST to `/generate`, whose client hangs up at that event.

    What is to be done `at_the_end` is done when the client has all of the answer, and the app does not know yet.
    """
    received = []
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        for part in body:
            return part
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        received.append(message)
        if at_the_end and message["type"] == "http.response.body" and not message.get("more_body"):
            await at_the_end()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/generate",
        "query_string": query,
        "headers": [(b"authorization", token)],
    }
    await client.app(scope, receive, send)
    return received
