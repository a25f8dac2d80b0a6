"""Tensors that don't fit a model are refused, each with what was expected; they never reach the device."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import contract
from tests import toy
from tests.api.conftest import Serve
from tests.api.tensors import TOY, tensors
from tests.toy import LATENT, SIDE


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs: z, label is missing; toy@2 takes z, label"),
        (tensors()[:1], "inputs: label is missing; toy@2 takes z, label"),
        ([*tensors(), *tensors()[:1]], "inputs: z is named more than once"),
        ([*tensors(), {"name": "y", "datatype": "FP32", "shape": [1]}], "inputs: there is no y; known: z, label"),
        (tensors(z={"datatype": "FP64"}), "z: must be FP32 [n, 8], not FP64 [1, 8]"),
        (tensors(z={"shape": [1, 9]}), "z: must be FP32 [n, 8], not FP32 [1, 9]"),
        (tensors(z={"shape": [8]}), "z: must be FP32 [n, 8], not FP32 [8]"),
        (tensors(z={"shape": []}), "z: must be FP32 [n, 8], not FP32 []"),
        (tensors(z={"shape": [-1, 8]}), "z: must be FP32 [n, 8], not FP32 [-1, 8]"),
        (tensors(0), "z: must be FP32 [n, 8], not FP32 [0, 8]; label: must be INT64 [n], not INT64 [0]"),
        (tensors(label={"shape": [2]}), "label: has 2 along samples, where another input has 1"),
        (tensors(65), "inputs: are as much as 65 samples; a request may hold 64"),
        (tensors(z={"data": [0.5] * 7}), "z: has 7 values, where its shape [1, 8] says 8"),
        (tensors(label={"data": [2]}), "label: must have values from 0 to 1"),
        (tensors(label={"data": [-1]}), "label: must have values from 0 to 1"),
        (tensors(z={"data": [float("nan")] * 8}), "z: holds NaN or infinity"),
        (tensors(z={"data": [1e39] * 8}), "z: holds NaN or infinity"),
        (tensors(z={"data": None}), "z: must have either data or, of what follows the JSON, a binary_data_size"),
        (
            tensors(z={"parameters": {"binary_data_size": 4}}),
            "inputs: 0 bytes follow the JSON, where binary_data_size says 4 in all",
        ),
        (
            tensors(z={"parameters": {"shared_memory_region": "r"}}),
            "inputs.0.parameters.shared_memory_region: is not offered here",
        ),
        (tensors(2**53 - 1), "inputs: are as much as 9.0072e+15 samples; a request may hold 64"),
        (tensors(z={"shape": [2**53, 8]}), "inputs.0.shape.0: Input should be less than or equal to 9007199254740991"),
        (tensors(z={"shape": [1, 8.0]}), "inputs.0.shape.1: Input should be a valid integer"),
    ],
)
def test_inputs_that_do_not_fit_the_model_are_refused(client: TestClient, inputs: object, message: str) -> None:
    answer = client.post(TOY, content=json.dumps({"inputs": inputs}))
    assert (answer.status_code, answer.json()) == (400, {"error": message})


@pytest.mark.parametrize("data", [[1.5], [True], ["1"], [None], [[1], [2, 3]], [{}], "1", [2**63], [10**400]])
def test_data_that_are_no_numbers_of_the_type_are_refused_not_bent(client: TestClient, data: object) -> None:
    answer = client.post(TOY, content=json.dumps({"inputs": tensors(label={"data": data})}))
    message = "must have numbers of INT64 as data, nested as its shape or flat"
    assert (answer.status_code, answer.json()) == (400, {"error": f"label: {message}"})


def test_data_may_be_nested(client: TestClient) -> None:
    flat = client.post(TOY, json={"inputs": tensors(2)})
    nested = client.post(TOY, json={"inputs": tensors(2, z={"data": [[0.5] * LATENT] * 2})})
    assert nested.json() == flat.json()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([{"name": "picture"}], "outputs: there is no picture; known: image"),
        ([{"name": "image"}, {"name": "image"}], "outputs: image is named more than once"),
    ],
)
def test_outputs_that_the_model_does_not_have_are_refused(client: TestClient, outputs: object, message: str) -> None:
    answer = client.post(TOY, json={"inputs": tensors(), "outputs": outputs})
    assert (answer.status_code, answer.json()) == (400, {"error": message})


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ("many", "Inference-Header-Content-Length: must be a number of bytes, not 'many'"),
        ("9" * 5000, f"Inference-Header-Content-Length: must be a number of bytes, not '{'9' * 5000}'"),
        ("999", "Inference-Header-Content-Length: is 999, but the body has 14 bytes"),
        ("2", "inputs: Field required"),
    ],
)
def test_a_length_of_the_json_that_can_not_be_is_refused(client: TestClient, length: str, message: str) -> None:
    answer = client.post(TOY, content=b"{}            ", headers={"Inference-Header-Content-Length": length})
    assert (answer.status_code, answer.json()) == (400, {"error": message})


def test_binary_data_of_another_size_than_the_shape_says_are_refused(client: TestClient) -> None:
    inputs = tensors(z={"parameters": {"binary_data_size": 31}, "data": None})
    head = json.dumps({"inputs": inputs}).encode()
    answer = client.post(TOY, content=head + bytes(31), headers={"Inference-Header-Content-Length": str(len(head))})
    assert answer.json() == {"error": "z: has 31 bytes, where its shape [1, 8] says 32"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 10_000, b"\xff", b'{"inputs": 1}'])
def test_a_body_that_is_no_request_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post(TOY, content=body)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"inputs": [%b]}' % b",".join([b"{}"] * 1_000_000), "inputs: List should have at most 64 items"),
        (b'{"inputs": [{"shape": [%b]}]}' % b",".join([b"1"] * 1_000_000), "inputs.0.shape: List should have at most"),
        (b'{"inputs": [{"name": "%b"}]}' % (b"n" * 1_000_000), "inputs.0.name: String should have at most 256"),
    ],
)
def test_a_million_of_anything_but_numbers_is_refused_at_once(client: TestClient, body: bytes, message: str) -> None:
    began = time.monotonic()
    answer = client.post(TOY, content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert len(answer.content) < 1000
    assert time.monotonic() - began < 5


def test_values_outside_the_range_of_the_manifest_are_refused(serve: Serve, tmp_path: Path) -> None:
    folder = toy.build(tmp_path, "toy")
    manifest = contract.read(folder)
    graph = manifest.graphs["generator"]
    z, label = graph.inputs
    bounded = graph.model_copy(update={"inputs": (z.model_copy(update={"range": (-1.0, 1.0)}), label)})
    toy.rewrite(folder, graphs={"generator": bounded})
    answer = serve(models=tmp_path).post(TOY, json={"inputs": tensors(z={"data": [1.5] * LATENT})})
    assert answer.json() == {"error": "z: must have values from -1 to 1"}


def test_a_label_of_weights_may_mix_classes_and_must_sum_to_one(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "toy", weighs=True)
    client = serve(models=tmp_path)

    def ask(*weights: float) -> Any:
        label = {"datatype": "FP32", "shape": [1, 2], "data": weights}
        return client.post(TOY, json={"inputs": tensors(label=label)})

    answers = [ask(1, 0), ask(0.3, 0.7), ask(0, 1)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.text for answer in answers}) == 3
    assert ask(2, -1).json() == {"error": "label: must have values from 0 to 1"}
    expected = "label: must have weights of the classes, whose sum is 1 for each sample"
    assert ask(0.5, 0.6).json() == {"error": expected}


def test_a_large_picture_counts_as_many_of_the_usual_size(serve: Serve, tmp_path: Path) -> None:
    toy.translator(tmp_path)
    client = serve(models=tmp_path, max_samples=4)

    def ask(samples: int, height: int, width: int) -> Any:
        tensor = {"name": "picture", "datatype": "UINT8", "shape": [samples, height, width, 3]}
        tensor["data"] = [7] * (samples * height * width * 3)
        return client.post("/v2/models/negative/infer", json={"inputs": [tensor]})

    assert ask(1, 2 * SIDE, 2 * SIDE).status_code == 200
    assert ask(4, 4, 4).status_code == 200
    refused = ask(1, 2 * SIDE, 2 * SIDE + 4)
    assert refused.json() == {"error": "inputs: are as much as 4.5 samples of 768 values; a request may hold 4"}
    assert ask(5, 4, 4).json() == {"error": "inputs: are as much as 5 samples of 768 values; a request may hold 4"}
