"""Streams: pictures as they are done, each with what it takes to find it again, and what ends a stream early."""

import asyncio
import base64
import json
from email.message import Message
from email.parser import BytesParser
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from httpx import Response
from starlette.testclient import TestClient

from app.media.provenance import recipe_of
from tests.api.conftest import Serve, count
from tests.api.held import hold, post, until

PINNED = "/generate?model=toy@1&seed=42"
SIGNATURES = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def parts(media_type: str, content: bytes) -> list[Message]:
    """The parts of a multipart body, by an independent reader."""
    message = BytesParser().parsebytes(f"Content-Type: {media_type}\r\n\r\n".encode() + content)
    assert not message.defects
    assert message.is_multipart()
    return message.get_payload()


def of(answer: Response) -> list[Message]:
    return parts(answer.headers["content-type"], answer.content)


def lines(content: bytes) -> list[dict[str, Any]]:
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def test_each_line_is_a_sample_as_in_json(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&n=40&index=3&format=ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    streamed = sorted(lines(answer.content), key=lambda sample: sample["index"])
    assert streamed == client.get(f"{PINNED}&n=40&index=3&format=json").json()["samples"]


def test_each_part_is_the_picture_at_its_address(client: TestClient) -> None:
    answer = client.get(f"{PINNED}&n=40&index=3", headers={"accept": "multipart/mixed"})
    found = of(answer)
    assert sorted(int(part["X-Index"]) for part in found) == list(range(3, 43))
    for part in found:
        data = part.get_payload(decode=True)
        alone = client.get(part["Content-Location"])
        assert data == alone.content
        assert part["Content-Type"] == alone.headers["content-type"] == "image/png"
        assert part["Content-Length"] == str(len(data))
        assert part["Content-Disposition"] == alone.headers["content-disposition"]
        assert part["X-Class"] == alone.headers["x-class"]


def test_a_model_without_classes_streams_parts_without_a_class(client: TestClient) -> None:
    [part] = of(client.get("/generate?model=shapes&seed=1&format=multipart"))
    assert part["X-Class"] is None


@pytest.mark.parametrize("form", SIGNATURES)
def test_pictures_of_an_album_have_the_form_that_was_asked_for(client: TestClient, form: str) -> None:
    query = f"{PINNED}&n=2&picture={form}"
    found = of(client.get(f"{query}&format=multipart"))
    assert {part["Content-Type"] for part in found} == {f"image/{form}"}
    samples = client.get(f"{query}&format=json").json()["samples"]
    samples += lines(client.get(f"{query}&format=ndjson").content)
    archive = client.get(f"{query}&format=zip")
    with ZipFile(BytesIO(archive.content)) as bundle:
        assert all(name.endswith(f".{form}") for name in bundle.namelist())
        pictures = [bundle.read(name) for name in bundle.namelist()]
    pictures += [part.get_payload(decode=True) for part in found]
    pictures += [base64.b64decode(sample["image"]) for sample in samples]
    assert all(data.startswith(SIGNATURES[form]) for data in pictures)
    for sample in samples:
        assert client.get(sample["url"]).content == base64.b64decode(sample["image"])


def test_an_album_of_other_pictures_has_an_address_and_a_tag_of_its_own(client: TestClient) -> None:
    plain, jpeg = client.head(f"{PINNED}&n=2&format=zip"), client.head(f"{PINNED}&n=2&format=zip&picture=jpeg")
    assert jpeg.headers["content-location"].endswith("&format=zip&picture=jpeg")
    assert "picture" not in plain.headers["content-location"]
    assert jpeg.headers["etag"] != plain.headers["etag"]
    assert client.head(f"{PINNED}&n=2&format=zip&picture=png").headers["etag"] == plain.headers["etag"]


@pytest.mark.parametrize("file_format", ["ndjson", "multipart"])
def test_a_stream_says_what_it_is_before_its_pictures_and_is_never_kept(client: TestClient, file_format: str) -> None:
    for answer in (client.get(f"{PINNED}&format={file_format}"), client.head(f"{PINNED}&format={file_format}")):
        assert answer.headers["x-model"] == "toy@1"
        assert answer.headers["x-seed"] == "42"
        assert answer.headers["cache-control"] == "no-store"
        assert {"etag", "content-location", "content-length", "server-timing"}.isdisjoint(answer.headers)


def test_pictures_come_before_the_last_one_is_drawn(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(max_batch=4)
    entered, go = hold(client, monkeypatch, after=1)

    async def story() -> None:
        received: list[dict[str, Any]] = []
        task = asyncio.create_task(post(client, "model=toy&n=40&format=ndjson", asyncio.Event(), received))
        await until(lambda: entered.is_set() and len(received) > 1)
        assert received[0]["type"] == "http.response.start"
        assert len(received) <= 1 + 4
        go.set()
        await task
        assert len([message for message in received if message.get("body")]) == 40
        assert [message["more_body"] for message in received[1:]] == [True] * (len(received) - 2) + [False]

    asyncio.run(story())


@pytest.mark.parametrize("file_format", ["ndjson", "multipart"])
def test_a_batch_that_fails_later_ends_the_stream_with_its_problem(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    client = serve(max_batch=4)
    _, go = hold(client, monkeypatch, after=1, failing=True)

    async def story() -> tuple[str, bytes]:
        received: list[dict[str, Any]] = []
        query = f"model=toy&n=40&format={file_format}"
        task = asyncio.create_task(post(client, query, asyncio.Event(), received))
        await until(lambda: len(received) > 1)
        go.set()
        await task
        assert received[0]["status"] == 200
        return dict(received[0]["headers"])[b"content-type"].decode(), b"".join(each["body"] for each in received[1:])

    kind, content = asyncio.run(story())
    if file_format == "ndjson":
        *samples, problem = lines(content)
    else:
        *found, last = parts(kind, content)
        samples = [part["X-Index"] for part in found]
        assert last["Content-Type"] == "application/problem+json"
        problem = json.loads(last.get_payload(decode=True))
    assert 1 <= len(samples) <= 4
    assert problem["status"] == 500
    assert problem["type"] == "urn:ganymede:problem:inference-failed"


@pytest.mark.parametrize("file_format", ["ndjson", "multipart", "json", "zip"])
def test_what_fails_before_the_first_picture_is_answered_as_ever(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    client = serve()
    _, go = hold(client, monkeypatch, failing=True)
    go.set()
    answer = client.post(f"/generate?model=toy&n=4&format={file_format}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ganymede:problem:inference-failed"


def test_who_hangs_up_on_a_stream_takes_the_rest_along(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(max_batch=4)
    entered, go = hold(client, monkeypatch, after=1)

    async def story() -> None:
        gone = asyncio.Event()
        received: list[dict[str, Any]] = []
        task = asyncio.create_task(post(client, "model=toy&n=40&format=multipart", gone, received))
        await until(lambda: entered.is_set() and len(received) > 1)
        assert received[0]["status"] == 200
        gone.set()
        await task
        assert count(client, "ganymede_queue_samples", model="toy@2") == 0
        go.set()

    asyncio.run(story())
    assert 32 <= count(client, "ganymede_dropped_samples_total", model="toy@2", reason="cancelled") <= 40
    assert count(client, "ganymede_images_total", model="toy@2") == 0
    assert client.post("/generate?model=toy").status_code == 200


def test_who_hangs_up_before_the_first_picture_is_counted_as_gone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch, after=0)

    async def story() -> None:
        gone = asyncio.Event()
        task = asyncio.create_task(post(client, "model=toy&n=8&format=ndjson", gone))
        await until(entered.is_set)
        gone.set()
        assert (await task)[0]["status"] == 499
        go.set()

    asyncio.run(story())
    assert count(client, "ganymede_requests_total", route="/generate", model="toy@2", status="499") == 1


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "npy"])
def test_only_albums_have_pictures_of_a_form_of_their_own(client: TestClient, file_format: str) -> None:
    answer = client.get(f"/generate?format={file_format}&picture=jpeg")
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "picture: only json, zip, ndjson, multipart hold pictures of a form of their own, "
        f"not {file_format}; leave picture out"
    )


def test_streams_have_no_sheet(client: TestClient) -> None:
    answer = client.get("/generate?n=4&format=ndjson&grid=2")
    assert answer.json()["detail"] == "grid: only png, jpeg and webp are laid in a sheet, not ndjson; leave grid out"


def test_a_streamed_picture_carries_its_recipe(client: TestClient) -> None:
    [part] = of(client.get(f"{PINNED}&index=7&format=multipart&picture=webp"))
    assert recipe_of(part.get_payload(decode=True)).index == 7
