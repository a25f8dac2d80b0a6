"""One line in the log for each request: what was asked, what came of it, and where the time went."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from app.api.entrance import Entrance
from app.settings import Settings
from tests.api.conftest import Serve
from tests.api.held import hold, post, until
from tests.api.lines import Lines, listening
from tests.keyring import key, written
from tests.live import live

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with listening() as lines:
        yield lines


def test_a_line_tells_what_was_asked_and_where_the_time_went(client: TestClient, lines: Lines) -> None:
    headers = {"X-Request-ID": "one", "traceparent": TRACEPARENT}
    answer = client.get("/generate?model=toy@1&seed=1&format=json", headers=headers)
    line = lines.of("one")
    assert line["message"] == "GET /generate 200"
    assert (line["level"], line["method"], line["path"], line["route"]) == ("info", "GET", "/generate", "/generate")
    assert (line["status"], line["bytes"], line["model"]) == (200, len(answer.content), "toy@1")
    assert (line["batch"], line["batches"], line["client"]) == (1, 1, "testclient")
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert 0 < line["queue_ms"] + line["infer_ms"] + line["encode_ms"] <= line["duration_ms"]
    assert "ended" not in line


def test_a_line_names_the_key_and_never_its_token(serve: Serve, tmp_path: Path, lines: Lines) -> None:
    token, studio = key("studio", "generate")
    client = serve(keys_file=written(tmp_path / "keys.json", studio))
    for path, name, sent in (
        ("/generate?model=toy@1", "drawn", token),
        ("/metrics", "refused", token),
        ("/models", "unknown", "gny_wrong"),
        ("/healthz", "open", token),
    ):
        client.get(path, headers={"Authorization": f"Bearer {sent}", "X-Request-ID": name})
    told = {
        name: (lines.of(name)["status"], lines.of(name).get("key")) for name in ("drawn", "refused", "unknown", "open")
    }
    assert told == {"drawn": (200, "studio"), "refused": (403, "studio"), "unknown": (401, None), "open": (200, None)}
    assert "gny_" not in json.dumps(lines.told)


def test_a_request_that_needs_no_device_has_no_phases(client: TestClient, lines: Lines) -> None:
    client.get("/models/toy@1", headers={"X-Request-ID": "two"})
    line = lines.of("two")
    assert (line["path"], line["status"]) == ("/models/toy@1", 200)
    assert line["route"].startswith("/models/{")
    assert {"queue_ms", "batch", "trace_id"}.isdisjoint(line)


def test_of_several_jobs_one_after_the_other_the_phases_are_added_up(
    serve: Serve, studio_dir: Path, lines: Lines
) -> None:
    serve(models=studio_dir).get("/generate?model=judged&seed=1&best_of=4", headers={"X-Request-ID": "chosen"})
    assert (lines.of("chosen")["batch"], lines.of("chosen")["batches"]) == (4, 2)


def test_the_wait_for_a_model_counts_as_time_in_the_queue(serve: Serve, lines: Lines) -> None:
    serve(load="first-use").get("/generate?model=toy@1&seed=1", headers={"X-Request-ID": "first"})
    line = lines.of("first")
    assert (line["status"], line["batch"]) == (200, 1)
    assert line["queue_ms"] > line["infer_ms"]


def test_no_secret_and_no_query_is_logged(client: TestClient, lines: Lines) -> None:
    secrets = {"Authorization": "Bearer hunter2", "X-API-Key": "hunter2", "Cookie": "hunter2"}
    client.get("/generate?model=toy@1&api_key=hunter2", headers=secrets)
    client.post("/generate?token=hunter2", headers=secrets, json={"prompt": "hunter2"})
    assert len(lines.told) >= 2
    assert "hunter2" not in str(lines.told)


def test_a_path_is_logged_as_it_was_sent_and_cut_where_it_is_long(client: TestClient, lines: Lines) -> None:
    client.get("/a%0Aforged%20line", headers={"X-Request-ID": "odd"})
    client.get("/" + "x" * 1000, headers={"X-Request-ID": "long"})
    assert (lines.of("odd")["path"], lines.of("odd")["route"]) == ("/a%0Aforged%20line", "none")
    assert lines.of("long")["path"] == "/" + "x" * 511 + "…"


def test_a_stream_is_logged_when_it_ends(client: TestClient, lines: Lines) -> None:
    headers = {"X-Request-ID": "stream"}
    with client.stream("GET", "/generate?model=toy@1&n=20&format=ndjson", headers=headers) as answer:
        content = answer.read()
    line = lines.of("stream")
    assert (line["bytes"], line["batches"] >= 1, line["encode_ms"] > 0) == (len(content), True, True)


def test_the_body_of_an_answer_to_head_does_not_count(client: TestClient, lines: Lines) -> None:
    client.head("/healthz", headers={"X-Request-ID": "head"})
    assert lines.of("head")["bytes"] == 0


def test_who_hangs_up_while_waiting_is_cancelled(serve: Serve, monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

    async def story() -> None:
        leaves = asyncio.Event()
        waiting = asyncio.create_task(post(client, "model=toy", leaves))
        await until(entered.is_set)
        leaves.set()
        await waiting
        go.set()

    asyncio.run(story())
    [line] = [line for line in lines.told if "status" in line]
    assert (line["status"], line["ended"]) == (499, "cancelled")


def test_who_hangs_up_in_a_stream_is_cancelled_with_what_was_sent(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    client = serve(max_batch=4)
    entered, go = hold(client, monkeypatch, after=1)

    async def story() -> int:
        leaves, sent = asyncio.Event(), []
        task = asyncio.create_task(post(client, "model=toy&n=40&format=ndjson", leaves, sent))
        await until(lambda: entered.is_set() and len(sent) == 1 + 4)
        leaves.set()
        await task
        go.set()
        return sum(len(message.get("body", b"")) for message in sent)

    sent = asyncio.run(story())
    [line] = [line for line in lines.told if "status" in line]
    assert (line["status"], line["ended"], line["bytes"]) == (200, "cancelled", sent)


def test_an_answer_that_the_service_could_not_finish_is_cut(lines: Lines) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("the disk is gone")

    client = TestClient(Entrance(breaks, lines=True), raise_server_exceptions=False)
    client.get("/", headers={"X-Request-ID": "half"})
    assert (lines.of("half")["status"], lines.of("half")["ended"], lines.of("half")["bytes"]) == (200, "cut", 4)


def test_what_fails_before_any_route_is_answered_with_its_id_too(lines: Lines) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("the door is broken")

    client = TestClient(Entrance(fails, lines=True), raise_server_exceptions=False)
    answer = client.get("/", headers={"X-Request-ID": "outside"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "outside")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == "outside"
    assert "door" not in answer.text
    assert lines.of("outside")["status"] == 500


def test_the_name_of_the_key_is_told(lines: Lines) -> None:
    async def keyed(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["key"] = "studio"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    TestClient(Entrance(keyed, lines=True)).get("/", headers={"X-Request-ID": "known"})
    assert lines.of("known")["key"] == "studio"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_and_scrapes_are_of_the_level_debug(client: TestClient, lines: Lines, path: str) -> None:
    client.get(path, headers={"X-Request-ID": "probe"})
    assert lines.of("probe")["level"] == "debug"


def test_at_the_level_info_probes_leave_no_line(client: TestClient) -> None:
    with listening(logging.INFO) as lines:
        client.get("/healthz")
        client.get("/nowhere")
    assert [line["path"] for line in lines.told] == ["/nowhere"]


def test_the_lines_can_be_switched_off_and_ids_stay(serve: Serve, lines: Lines) -> None:
    client = serve(log_requests=False)
    before = len(lines.told)
    answer = client.get("/generate?model=toy@1", headers={"X-Request-ID": "unlogged"})
    assert answer.headers["x-request-id"] == "unlogged"
    assert not [line for line in lines.told[before:] if "status" in line]


def test_a_failed_batch_names_the_requests_that_rode_in_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch, failing=True)
    batcher = client.app.state.service.catalog.get("toy").queues["generator"]  # type: ignore[attr-defined]

    async def story() -> list[str]:
        stays = asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", stays))
        await until(entered.is_set)
        others = [asyncio.create_task(post(client, "model=toy", stays)) for _ in range(2)]
        await until(lambda: batcher.door.waiting["interactive"] == 2)
        go.set()
        answers = [await task for task in (first, *others)]
        return [dict(sent[0]["headers"])[b"x-request-id"].decode() for sent in answers]

    alone, *together = asyncio.run(story())
    failures = [line for line in lines.told if line["message"].startswith("A batch of")]
    assert [sorted(line["requests"]) for line in failures] == [[alone], sorted(together)]
    assert all("RuntimeError: out of memory" in line["exception"] for line in failures)


def test_what_nobody_foresaw_is_logged_with_the_request_and_answered_with_its_id(
    settings: Settings, lines: Lines
) -> None:
    with live(settings) as service:

        @service.app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("nobody foresaw this")

        answer = httpx.get(f"{service.url}/broken", headers={"X-Request-ID": "surprise"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "surprise")
    assert answer.json()["request_id"] == "surprise"
    assert "nobody foresaw" not in answer.text
    [line] = [line for line in lines.told if "exception" in line]
    assert (line["logger"], line["message"]) == ("uvicorn.error", "Exception in ASGI application")
    assert line["request_id"] == "surprise"
    assert "RuntimeError: nobody foresaw this" in line["exception"]
    assert lines.of("surprise")["status"] == 500
