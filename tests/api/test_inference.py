"""Triton's own client runs models of the real server on tensors, unchanged; what doesn't fit a model is refused."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from app import latents
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import Serve, count
from tests.api.held import hold, post, until
from tests.api.process import Process
from tests.api.tensors import TOY, tensors
from tests.toy import LATENT, SIDE


@pytest.fixture(scope="module")
def client_of_triton(listening: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{listening.port}") as client:
        yield client


def given(name: str, values: np.ndarray, **how: Any) -> triton.InferInput:
    tensor = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    return tensor.set_data_from_numpy(values, **how)


def drawn(n: int, **how: Any) -> list[triton.InferInput]:
    """What `toy` draws samples 0 to n of seed 42 from, as dogs."""
    z, label = latents.noise(42, range(n), LATENT), np.ones(n, np.int64)
    return [given("z", z, **how), given("label", label, **how)]


def test_the_client_sees_a_server_and_models_that_are_ready(client_of_triton: triton.InferenceServerClient) -> None:
    assert client_of_triton.is_server_live()
    assert client_of_triton.is_server_ready()
    assert client_of_triton.is_model_ready("toy")
    assert client_of_triton.is_model_ready("toy", "1")
    assert not client_of_triton.is_model_ready("toy", "2")
    assert not client_of_triton.is_model_ready("cow")
    server = client_of_triton.get_server_metadata()
    assert (server["name"], server["extensions"]) == ("ganymede", ["binary_tensor_data", "schedule_policy"])


def test_the_metadata_say_what_a_model_takes_and_gives(client_of_triton: triton.InferenceServerClient) -> None:
    described = client_of_triton.get_model_metadata("toy", "1")
    assert described == client_of_triton.get_model_metadata("toy")
    assert described["versions"] == ["1"]
    assert described["inputs"] == [
        {"name": "z", "datatype": "FP32", "shape": [-1, LATENT]},
        {"name": "label", "datatype": "INT64", "shape": [-1]},
    ]
    assert described["outputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, SIDE, SIDE, 3]}]
    assert client_of_triton.get_model_metadata("negative")["inputs"][0]["shape"] == [-1, -1, -1, 3]


def test_the_pixels_are_those_of_generate(client_of_triton: triton.InferenceServerClient, listening: Process) -> None:
    answer = client_of_triton.infer("toy", drawn(5))
    pixels = answer.as_numpy("image")
    assert (pixels.dtype, pixels.shape) == (np.uint8, (5, SIDE, SIDE, 3))
    _, npy = listening.ask("/generate?model=toy&class=dog&seed=42&n=5&format=npy")
    assert npy.endswith(pixels.tobytes())


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_json_and_binary_tensors_mean_the_same(
    client_of_triton: triton.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    wanted = [triton.InferRequestedOutput("image", binary_data=binary_out)]
    answer = client_of_triton.infer("toy", drawn(3, binary_data=binary_in), outputs=wanted)
    np.testing.assert_array_equal(answer.as_numpy("image"), client_of_triton.infer("toy", drawn(3)).as_numpy("image"))
    assert ("data" in answer.get_output("image")) is not binary_out


def test_one_input_in_binary_and_one_in_json(client_of_triton: triton.InferenceServerClient) -> None:
    z, _ = drawn(3)
    _, label = drawn(3, binary_data=False)
    answer = client_of_triton.infer("toy", [label, z])
    np.testing.assert_array_equal(answer.as_numpy("image"), client_of_triton.infer("toy", drawn(3)).as_numpy("image"))


def test_the_answer_says_model_version_and_id(client_of_triton: triton.InferenceServerClient) -> None:
    said = client_of_triton.infer("toy", drawn(1), request_id="my request").get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == ("toy", "1", "my request")
    assert "id" not in client_of_triton.infer("toy", drawn(1), model_version="1").get_response()


def test_a_deadline_a_priority_and_parameters_of_ones_own_are_taken(
    client_of_triton: triton.InferenceServerClient,
) -> None:
    answer = client_of_triton.infer("toy", drawn(1), timeout=5_000_000, priority=2, parameters={"note": "mine"})
    assert answer.as_numpy("image") is not None


def test_pictures_of_any_size_that_the_model_takes(client_of_triton: triton.InferenceServerClient) -> None:
    for height, width in ((SIDE, SIDE), (4, 52), (64, 32)):
        picture = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
        answer = client_of_triton.infer("negative", [given("picture", picture)])
        np.testing.assert_array_equal(answer.as_numpy("image"), 255 - picture)


def test_the_client_raises_what_went_wrong_with_its_status(client_of_triton: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as told:
        client_of_triton.infer("negative", [given("picture", np.zeros((1, 6, 8, 3), np.uint8))])
    expected = "must be UINT8 [n, h, w, 3], h and w multiples of 4"
    assert told.value.message() == f"picture: {expected}, not UINT8 [1, 6, 8, 3]"
    assert told.value.status() == "400"
    with pytest.raises(InferenceServerException) as told:
        client_of_triton.infer("cow", drawn(1))
    assert told.value.message() == "There is no model 'cow'; known: negative@1, shapes@1, toy@1."
    assert told.value.status() == "404"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"sequence_id": 7}, "parameters.sequence_id: is not offered here"),
        ({"timeout": 31_000_000}, "parameters.timeout: must be at most 30000000 microseconds, not 31000000"),
        ({"request_compression_algorithm": "gzip"}, "The body must not be compressed; Content-Encoding is 'gzip'."),
        (
            {"outputs": [triton.InferRequestedOutput("image", class_count=3)]},
            "outputs.0.parameters.classification: is not offered here",
        ),
    ],
)
def test_what_triton_has_and_this_server_has_not_is_refused(
    client_of_triton: triton.InferenceServerClient, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(InferenceServerException) as told:
        client_of_triton.infer("toy", drawn(1), **how)
    assert told.value.message() == message


@pytest.mark.parametrize(("headers", "read"), [([], 11_000), ([(b"content-length", b"2000000000")], 0)])
def test_a_body_over_the_limit_is_refused_while_it_comes_or_before(
    settings: Settings, headers: list[tuple[bytes, bytes]], read: int
) -> None:
    app = create_app(settings.model_copy(update={"max_upload_mb": 0.01}))
    catalog = app.state.service.catalog
    catalog.start()
    sent = 0
    received: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1000
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        received.append(message)

    async def story() -> None:
        await until(lambda: not any(entry.pending for entry in catalog.entries()))
        scope = {"type": "http", "method": "POST", "path": TOY, "query_string": b"", "headers": headers}
        await app(scope, receive, send)

    asyncio.run(story())
    catalog.close(1)
    start, answer = received
    assert (start["status"], sent) == (413, read)
    assert json.loads(answer["body"]) == {"error": "The body may hold 10,000 bytes; send a smaller one."}


@pytest.mark.parametrize(("priority", "bulk"), [(0, 0), (1, 0), (2, 1), (9, 1)])
def test_a_low_priority_waits_in_the_bulk_lane(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, priority: int, bulk: int
) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

    async def story() -> None:
        never = asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", never))
        await until(entered.is_set)
        asked = {"inputs": tensors(), "parameters": {"priority": priority}}
        second = asyncio.create_task(post(client, "", never, path=TOY, json_body=asked))
        await until(lambda: count(client, "ganymede_queue_samples", model="toy@2") == 1)
        assert count(client, "ganymede_bulk_queue_samples", model="toy@2") == bulk
        go.set()
        await asyncio.gather(first, second)

    asyncio.run(story())


def test_work_that_can_not_be_done_in_time_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    entered, go = hold(client, monkeypatch)

    async def story() -> None:
        never = asyncio.Event()
        first = asyncio.create_task(post(client, "model=toy", never))
        await until(entered.is_set)
        asked = {"inputs": tensors(), "parameters": {"timeout": 50_000}}
        second = asyncio.create_task(post(client, "", never, path=TOY, json_body=asked))
        await asyncio.sleep(0.1)
        go.set()
        assert (await first)[0]["status"] == 200
        start, answer = await second
        assert start["status"] == 429
        assert b"The deadline passed after" in answer["body"]
        assert b"retry-after" in dict(start["headers"])

    asyncio.run(story())


def test_the_requests_are_counted_by_route_and_model(serve: Serve) -> None:
    client = serve()
    client.post(TOY, json={"inputs": tensors(3)})
    client.post("/v2/models/toy/versions/1/infer", json={"inputs": tensors(3)})
    requests = "ganymede_requests_total"
    assert count(client, requests, route="/v2/models/{name}/infer", model="toy@2", status="200") == 1
    route = "/v2/models/{name}/versions/{version}/infer"
    assert count(client, requests, route=route, model="toy@1", status="200") == 1
    assert count(client, "ganymede_images_total", model="toy@2") == 3


def test_a_model_that_is_not_run_is_not_ready(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    live = client.app.state.service.catalog.get("toy")
    monkeypatch.setattr(live.queues["generator"], "run", lambda *_: 1 / 0)
    while client.get("/v2/models/toy/ready").status_code == 200:
        assert client.post(TOY, json={"inputs": tensors()}).status_code == 500
    answer = client.get("/v2/models/toy/ready")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("toy@2 is not run: its last batches failed: ")
    assert client.get("/v2/models/shapes/ready").json() == {"name": "shapes", "ready": True}
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/health/live").json() == {"live": True}
