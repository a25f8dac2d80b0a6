"""A long recording is sent while it is computed, whole or not at all, and for no longer than somebody listens."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from app.media import audio
from app.settings import Settings
from tests.api.conftest import Serve, count, start
from tests.api.held import hold, post, until
from tests.media.sounds import comment, file, noise
from tests.toy_sound import LONG, RATE, ROWS, SHORT, halved

STREAMINFO = 42
"""Bytes at the front of a FLAC file, which say what it is of."""


@pytest.fixture(scope="module")
def client(sound_models: Path) -> Iterator[TestClient]:
    with ExitStack() as running:
        yield start(running, Settings(models=sound_models, device="cpu", threads=2, encode_threads=2))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("frames", [SHORT, LONG, LONG + 1])
def test_a_long_wav_is_sent_in_parts_that_are_the_file_byte_for_byte(
    client: TestClient, frames: int, subtype: str
) -> None:
    data = file(noise(1, frames), RATE, "WAV", subtype)
    answer = client.post("/enhance", content=data)
    assert answer.headers["content-length"] == str(len(answer.content))
    assert ("server-timing" in answer.headers) == (frames == SHORT)
    assert answer.content == halved(data, comment(answer.content))


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_long_flac_is_sent_in_parts_that_are_the_file_but_for_its_md5(client: TestClient, rate: int) -> None:
    data = file(noise(2, 5 * rate), rate, "FLAC", "PCM_24")
    answer = client.post("/enhance", content=data)
    assert "content-length" not in answer.headers
    expected = halved(data, comment(answer.content))
    assert answer.content[STREAMINFO:] == expected[STREAMINFO:]
    assert np.array_equal(audio.decode(answer.content).samples, audio.decode(expected).samples)


def begin(
    client: TestClient, content: bytes
) -> tuple["asyncio.Task[list[dict[str, Any]]]", list[dict[str, Any]], asyncio.Event]:
    """Sends a recording: the task, what comes of it, and the event at which the client hangs up."""
    gone, received = asyncio.Event(), list[dict[str, Any]]()
    task = asyncio.create_task(post(client, "", gone, received, path="/enhance", content=content))
    return task, received, gone


def test_a_long_recording_is_on_its_way_before_the_last_piece_is_computed(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(models=sound_models)
    entered, go = hold(client, monkeypatch, model="hush", task="enhance", after=1)
    data = file(noise(1, LONG), RATE)

    async def story() -> list[dict[str, Any]]:
        task, received, _ = begin(client, data)
        await until(lambda: entered.is_set() and len(received) > 1)
        assert received[0]["status"] == 200
        assert 0 < sum(len(message["body"]) for message in received[1:]) < LONG
        go.set()
        return await task

    messages = asyncio.run(story())
    content = b"".join(message["body"] for message in messages[1:])
    assert content == halved(data, comment(content))
    assert [message["more_body"] for message in messages[1:]] == [True] * (len(messages) - 2) + [False]
    assert len(messages) > ROWS // 4


def test_a_model_that_is_not_in_memory_comes_for_it(serve: Serve, sound_models: Path) -> None:
    client = serve(models=sound_models, load="first-use")
    data = file(noise(1, LONG), RATE)
    answer = client.post("/enhance", content=data)
    assert answer.content == halved(data, comment(answer.content))


def test_what_has_begun_is_finished_however_late_it_gets(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(models=sound_models, request_timeout=1)
    entered, go = hold(client, monkeypatch, model="hush", task="enhance", after=1)

    async def story() -> list[dict[str, Any]]:
        task, received, _ = begin(client, file(noise(1, LONG), RATE))
        await until(lambda: entered.is_set() and len(received) > 1)
        await asyncio.sleep(1.1)
        go.set()
        return await task

    messages = asyncio.run(story())
    assert messages[0]["status"] == 200
    assert not messages[-1]["more_body"]
    assert audio.decode(b"".join(message["body"] for message in messages[1:])).frames == LONG


@pytest.mark.parametrize("frames", [SHORT, LONG])
def test_what_has_not_begun_by_the_deadline_is_dropped(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    client = serve(models=sound_models, request_timeout=1)
    entered, go = hold(client, monkeypatch, model="hush", task="enhance")

    async def story() -> list[dict[str, Any]]:
        ahead, _, _ = begin(client, file(noise(1, 100), RATE))
        await until(entered.is_set)
        task, _, _ = begin(client, file(noise(1, frames), RATE))
        await asyncio.sleep(1.2)
        go.set()
        await ahead
        return await task

    start, answer = asyncio.run(story())
    assert start["status"] == 429
    assert b"The deadline passed after 1" in answer["body"]


@pytest.mark.parametrize("frames", [SHORT, LONG])
def test_what_fails_before_the_first_piece_is_answered_as_ever(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    client = serve(models=sound_models)
    _, go = hold(client, monkeypatch, model="hush", task="enhance", failing=True)
    go.set()
    answer = client.post("/enhance", content=file(noise(1, frames), RATE))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("hush@1 failed while it computed this request")


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_what_fails_later_cuts_the_connection(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    client = serve(models=sound_models)
    entered, go = hold(client, monkeypatch, model="hush", task="enhance", after=2, failing=True)
    with listening(client) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/enhance", body=file(noise(1, LONG), RATE, kind))
        answer = connection.getresponse()
        assert answer.status == 200
        assert entered.wait(10)
        go.set()
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        connection.close()
    assert broken.value.partial
    assert "The answer of /enhance was cut off: hush@1 failed while it computed this request" in caplog.text


@contextmanager
def listening(client: TestClient) -> Iterator[int]:
    """The client's app on a socket: its port."""
    server = uvicorn.Server(uvicorn.Config(client.app, port=0, http="httptools", lifespan="off", log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(("frames", "after"), [(SHORT, 0), (LONG, 0), (LONG, 1)])
def test_who_hangs_up_takes_the_rest_along(
    serve: Serve, sound_models: Path, monkeypatch: pytest.MonkeyPatch, frames: int, after: int
) -> None:
    client = serve(models=sound_models, max_batch=1)
    entered, go = hold(client, monkeypatch, model="hush", task="enhance", after=after)
    data = file(noise(1, frames), RATE)

    async def story() -> list[dict[str, Any]]:
        task, received, gone = begin(client, data)
        await until(lambda: entered.is_set() and len(received) >= 2 * after)
        gone.set()
        messages = await task
        assert count(client, "ganymede_queue_samples", model="hush@1") == 0
        go.set()
        return messages

    messages = asyncio.run(story())
    assert messages[0]["status"] == (200 if after else 499)
    rows = ROWS if frames == LONG else 7
    assert count(client, "ganymede_dropped_samples_total", model="hush@1", reason="cancelled") == rows - after
    assert client.post("/enhance", content=data).status_code == 200


def test_for_a_client_that_doesn_t_read_nothing_is_written_ahead(serve: Serve, sound_models: Path) -> None:
    client = serve(models=sound_models)
    data = file(noise(1, LONG), RATE)

    async def story() -> None:
        gone, reads = asyncio.Event(), asyncio.Event()
        sizes: list[int] = []
        body = iter([{"type": "http.request", "body": data, "more_body": False}])

        async def receive() -> dict[str, Any]:
            for part in body:
                return part
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sizes.append(len(message.get("body", b"")))
            await reads.wait()

        scope = {"type": "http", "method": "POST", "path": "/enhance", "query_string": b"", "headers": []}
        task = asyncio.create_task(client.app(scope, receive, send))  # type: ignore[arg-type]
        await until(lambda: count(client, "ganymede_images_total", model="hush@1") == ROWS and sizes == [0])
        await asyncio.sleep(0.05)
        assert sizes == [0], "not even the first part, since the head still waits"
        gone.set()
        await asyncio.sleep(0)
        reads.set()
        await task
        assert len(sizes) <= 3, "nor is anything after the hang-up"

    asyncio.run(story())
