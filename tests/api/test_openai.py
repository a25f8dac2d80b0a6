"""OpenAI's own client draws pictures from the real server, unchanged; and what can't be honoured is refused."""

import asyncio
import base64
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openai
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app import contract
from app.media.provenance import recipe_of
from tests import toy
from tests.api.conftest import Serve, count
from tests.api.held import hold, post, until
from tests.api.process import Process
from tests.toy import SIDE

GENERATIONS = "/v1/images/generations"


@pytest.fixture(scope="module")
def client_of_openai(listening: Process) -> Iterator[openai.OpenAI]:
    url = f"http://127.0.0.1:{listening.port}/v1"
    with openai.OpenAI(base_url=url, api_key="none is needed", max_retries=0) as client:
        yield client


def test_a_prompt_draws_a_picture_of_the_class_that_it_names(client_of_openai: openai.OpenAI) -> None:
    answer = client_of_openai.images.generate(prompt="A photo of two Dogs", model="toy")
    [picture] = answer.data
    data = base64.b64decode(picture.b64_json, validate=True)
    with Image.open(BytesIO(data)) as opened:
        assert (opened.format, opened.size) == ("PNG", (SIDE, SIDE))
    assert recipe_of(data).class_ == picture.revised_prompt == "dog"
    assert (answer.size, answer.output_format, answer.background) == (f"{SIDE}x{SIDE}", "png", "opaque")


def test_the_address_of_each_picture_has_that_very_picture(client_of_openai: openai.OpenAI) -> None:
    answer = client_of_openai.images.generate(prompt="a cat", n=3, output_format="webp")
    for picture in answer.data:
        with urlopen(picture.url) as fetched:  # noqa: S310
            assert fetched.read() == base64.b64decode(picture.b64_json)
            assert fetched.headers["content-type"] == "image/webp"
            assert "immutable" in fetched.headers["cache-control"]


def test_a_seed_draws_the_same_pictures_again(client_of_openai: openai.OpenAI) -> None:
    first = client_of_openai.images.generate(prompt="a cat", n=2)
    again = client_of_openai.images.generate(prompt="a cat", n=2, extra_body={"seed": first.seed})
    other = client_of_openai.images.generate(prompt="a cat", n=2)
    assert again.data == first.data
    assert other.data[0].b64_json != first.data[0].b64_json


def test_addresses_alone_are_of_the_same_pictures(client_of_openai: openai.OpenAI) -> None:
    seed = {"seed": 7}
    files = client_of_openai.images.generate(
        prompt="toy", model="toy", n=2, response_format="b64_json", extra_body=seed
    )
    links = client_of_openai.images.generate(prompt="toy", model="toy", n=2, response_format="url", extra_body=seed)
    assert [file.url for file in files.data] == [link.b64_json for link in links.data] == [None, None]
    for file, link in zip(files.data, links.data, strict=True):
        with urlopen(link.url) as fetched:  # noqa: S310
            assert fetched.read() == base64.b64decode(file.b64_json)
        assert file.revised_prompt == link.revised_prompt


def test_a_stream_brings_each_picture_as_an_event(client_of_openai: openai.OpenAI) -> None:
    events = list(client_of_openai.images.generate(prompt="a dog", n=3, stream=True, partial_images=2))
    assert {event.type for event in events} == {"image_generation.completed"}
    assert len({event.b64_json for event in events}) == 3
    for event in events:
        assert (event.size, event.output_format, event.usage.total_tokens) == (f"{SIDE}x{SIDE}", "png", 0)
        with urlopen(event.url) as fetched:  # noqa: S310
            assert fetched.read() == base64.b64decode(event.b64_json)


def test_everything_that_the_client_can_send_is_heeded_or_passed_over(client_of_openai: openai.OpenAI) -> None:
    answer = client_of_openai.images.generate(
        prompt="a dog",
        model="toy@1",
        n=1,
        size=f"{SIDE}x{SIDE}",
        quality="hd",
        style="vivid",
        moderation="low",
        complexity="high",
        user="u",
        safety_identifier="s",
        background="opaque",
        output_format="jpeg",
        output_compression=100,
        response_format="b64_json",
        stream=False,
        partial_images=0,
    )
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\xff\xd8")
    assert client_of_openai.images.generate(prompt="a dog", size=None, n=None, model=None, stream=None).data


@pytest.mark.parametrize(
    ("prompt", "name"), [("a 1", "a:1"), ("a:1,b:2", "a:1"), ("carp, goldfish", "carp"), ("b", "b")]
)
def test_a_class_whose_name_looks_like_a_mixture_is_that_class(
    serve: Serve, tmp_path: Path, prompt: str, name: str
) -> None:
    toy.build(tmp_path, "odd", classes=("a", "b", "a:1", "carp", "goldfish, carp"), weighs=True)
    client = serve(models=tmp_path)
    [picture] = client.post(GENERATIONS, json={"prompt": prompt, "seed": 1}).json()["data"]
    assert picture["revised_prompt"] == name
    fetched = client.get(picture["url"])
    assert fetched.headers["x-class"] == name
    assert fetched.content == base64.b64decode(picture["b64_json"])


def test_the_models_are_those_that_draw(client_of_openai: openai.OpenAI) -> None:
    models = client_of_openai.models.list().data
    assert [(model.id, model.owned_by) for model in models] == [("shapes@1", "ganymede"), ("toy@1", "ganymede")]
    assert models[1].created == 1767225600  # 2026-01-01, when its training ended
    assert client_of_openai.models.retrieve("toy") == client_of_openai.models.retrieve("toy@1") == models[1]


def test_an_unknown_model_is_what_the_client_calls_not_found(client_of_openai: openai.OpenAI) -> None:
    for ask in (
        lambda: client_of_openai.models.retrieve("gpt-image-2"),
        lambda: client_of_openai.images.generate(prompt="a dog", model="gpt-image-2"),
    ):
        with pytest.raises(openai.NotFoundError) as told:
            ask()
        known = "known: negative@1, shapes@1, toy@1."
        assert told.value.body["message"] == f"There is no model 'gpt-image-2'; {known}"
        assert (told.value.code, told.value.type) == ("model_not_found", "invalid_request_error")


def test_a_model_that_cannot_draw_from_a_prompt_says_what_it_can(client_of_openai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="negative@1 can translate, not generate"):
        client_of_openai.images.generate(prompt="a dog", model="negative")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"prompt": "a unicorn"},
            "prompt: must name a class of toy@2, which has cat, dog; or the model, toy, for any of them",
        ),
        ({"size": "1024x1024"}, "size: must be auto or 16x16, the one size that toy@2 draws, not '1024x1024'"),
        ({"background": "transparent"}, "background: must be auto or opaque, as toy@2 draws it in png"),
        (
            {"output_compression": 80},
            "output_compression: must be 100: a picture has one file of each format, at its address too",
        ),
        ({"stream": True, "response_format": "url"}, "response_format: must be b64_json in a stream; leave it out"),
        ({"output_format": "gif"}, 'output_format: must be one of png, jpeg, webp, not "gif"'),
        ({"n": 11}, "n: must be an integer from 1 to 10, not 11"),
        ({"n": True}, "n: must be an integer from 1 to 10, not true"),
        ({"seed": -1}, "seed: must be an integer from 0 to 9007199254740991, not -1"),
        ({"stream": "yes"}, 'stream: must be true or false, not "yes"'),
        ({"prompt": 5}, "prompt: must be a text of at most 32000 characters, not 5"),
        ({"prompt": None}, "prompt: must be a text of at most 32000 characters, not null"),
    ],
)
def test_what_can_not_be_honoured_is_refused_in_openais_shape(
    client: TestClient, asked: dict[str, object], message: str
) -> None:
    answer = client.post(GENERATIONS, json={"prompt": "a dog", "model": "toy"} | asked)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    field = message.partition(":")[0]
    error = {"message": message, "type": "invalid_request_error", "param": field, "code": "invalid_parameter"}
    assert answer.json() == {"error": error}


def test_a_prompt_must_be_given(client: TestClient) -> None:
    error = client.post(GENERATIONS, json={}).json()["error"]
    assert error["message"] == "prompt: is missing; it must be a text of at most 32000 characters"


def test_a_parameter_that_openai_does_not_have_is_refused(client: TestClient) -> None:
    error = client.post(GENERATIONS, json={"prompt": "a dog", "steps": 30}).json()["error"]
    assert error["message"].startswith(
        "steps: there is no such parameter; known: model, timeout, priority, prompt, n, "
    )


def test_the_longest_prompt_is_read_in_any_script_and_a_longer_one_refused(client: TestClient) -> None:
    assert client.post(GENERATIONS, json={"prompt": "犬" * 31_996 + " dog"}).status_code == 200
    assert client.post(GENERATIONS, json={"prompt": "d" * 32_001}).status_code == 400
    assert client.post(GENERATIONS, json={"prompt": "d" * 300_000}).status_code == 413


def test_a_server_that_allows_fewer_samples_says_so(serve: Serve) -> None:
    answer = serve(max_samples=3).post(GENERATIONS, json={"prompt": "a dog", "n": 4})
    assert answer.json()["error"]["message"] == "n: must be an integer from 1 to 3, not 4"


def test_the_default_model_is_meant_where_none_is_named(serve: Serve) -> None:
    answer = serve(default_model="toy@1").post(GENERATIONS, json={"prompt": "a dog"})
    assert answer.json()["model"] == answer.headers["x-model"] == "toy@1"
    assert answer.headers["cache-control"] == "no-store"
    assert "infer;dur=" in answer.headers["server-timing"]


def test_an_address_honours_the_host_and_the_prefix_of_a_proxy(client: TestClient) -> None:
    asked = {"prompt": "a dog", "model": "toy@1", "seed": 1, "response_format": "url"}
    answer = client.post(GENERATIONS, json=asked, headers={"host": "pictures.example:8443"})
    [picture] = answer.json()["data"]
    assert picture["url"] == "http://pictures.example:8443/generate?model=toy@1&class=dog&seed=1&format=png"
    proxied = TestClient(client.app, root_path="/gan", base_url="https://pictures.example")
    [picture] = proxied.post(f"/gan{GENERATIONS}", json=asked).json()["data"]
    assert picture["url"] == "https://pictures.example/gan/generate?model=toy@1&class=dog&seed=1&format=png"


def test_an_address_alone_draws_nothing(serve: Serve) -> None:
    client = serve()
    client.post(GENERATIONS, json={"prompt": "a dog", "n": 4, "response_format": "url"})
    assert count(client, "ganymede_images_total", model="toy@2") == 0
    client.post(GENERATIONS, json={"prompt": "a dog", "n": 4})
    assert count(client, "ganymede_images_total", model="toy@2") == 4
    assert count(client, "ganymede_requests_total", route=GENERATIONS, model="toy@2", status="200") == 2


def test_pictures_that_never_come_again_have_no_address(serve: Serve, tmp_path: Path) -> None:
    folder = toy.build(tmp_path, "toy")
    noisy = contract.read(folder).graphs["generator"].model_copy(update={"random": True})
    toy.rewrite(folder, graphs={"generator": noisy})
    client = serve(models=tmp_path)
    [picture] = client.post(GENERATIONS, json={"prompt": "a dog"}).json()["data"]
    assert picture.keys() == {"b64_json", "revised_prompt"}
    refused = client.post(GENERATIONS, json={"prompt": "a dog", "response_format": "url"}).json()["error"]["message"]
    assert refused == "response_format: must be b64_json: toy@1 draws noise of its own, so no picture comes again"


@pytest.mark.parametrize(("date", "created"), [("2026-02-03", 1770076800), ("some day", 0)])
def test_a_model_made_elsewhere_is_as_old_as_its_folder(serve: Serve, tmp_path: Path, date: str, created: int) -> None:
    folder = toy.build(tmp_path, "toy")
    toy.rewrite(folder, training=None, origin=contract.Origin(file="found.onnx", date=date))
    assert serve(models=tmp_path).get("/v1/models/toy").json()["created"] == created


def test_a_failure_ends_a_stream_with_an_error_that_the_client_raises(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(max_batch=1)
    _, go = hold(client, monkeypatch, after=1, failing=True)

    async def story() -> str:
        received: list[dict[str, Any]] = []
        asked = {"prompt": "a dog", "n": 2, "stream": True}
        task = asyncio.create_task(post(client, "", asyncio.Event(), received, path=GENERATIONS, json_body=asked))
        await until(lambda: len(received) > 1)
        go.set()
        await task
        return b"".join(each["body"] for each in received[1:]).decode()

    first, last, _ = asyncio.run(story()).split("\n\n")
    assert first.startswith("event: image_generation.completed\ndata: {")
    name, data = last.split("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))["error"]
    assert error["message"] == "toy@2 failed while it computed this request; the server's log has the reason."
    assert (error["type"], error["code"]) == ("server_error", "inference_failed")
