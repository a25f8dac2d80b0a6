"""The documentation: complete, true to the server's limits, and readable without the internet."""

import gc
import json
import re
import shutil
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import openapi_spec_validator
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from app.main import create_app
from app.media import bundles, png
from app.settings import Settings
from tests import toy, toy_parts, toy_sound
from tests.api.conftest import Serve, start
from tests.media.sounds import file, noise

OPERATIONS = [
    ("post", "/enhance"),
    ("post", "/generate"),
    ("get", "/generate"),
    ("get", "/models"),
    ("get", "/models/{reference}"),
    ("get", "/models/{reference}/samples.png"),
    ("get", "/models/{reference}/directions.png"),
    ("get", "/models/{reference}/card"),
    ("get", "/models/{reference}/map"),
    ("post", "/encode"),
    ("post", "/decode"),
    ("post", "/reconstruct"),
    ("post", "/score"),
    ("post", "/interpolate"),
    ("post", "/edit"),
    ("get", "/edit"),
    ("post", "/reproduce"),
    ("post", "/translate"),
    ("post", "/style"),
    ("post", "/v1/images/generations"),
    ("get", "/v1/models"),
    ("get", "/v1/models/{id}"),
    ("get", "/v2"),
    ("get", "/v2/health/live"),
    ("get", "/v2/health/ready"),
    ("get", "/v2/models/{name}"),
    ("get", "/v2/models/{name}/ready"),
    ("post", "/v2/models/{name}/infer"),
    ("get", "/v2/models/{name}/versions/{version}"),
    ("get", "/v2/models/{name}/versions/{version}/ready"),
    ("post", "/v2/models/{name}/versions/{version}/infer"),
    ("post", "/predict"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
]

PICTURE = png.encode(np.zeros((64, 64, 3), np.uint8), {})
CLIP = bundles.npy(np.zeros((4, 64, 64, 1), np.uint8))
FILES = {
    "/enhance": file(noise(1, 1000), toy_sound.RATE),
    "/predict": CLIP,
    **dict.fromkeys(("/encode", "/reconstruct", "/score", "/translate", "/style"), PICTURE),
}
"""What is sent where a route wants a file, of which the documentation has no example."""


SHIPPED = {"/translate": "facades", "/style": "monet", "/predict": "radar"}
SHIPPED |= dict.fromkeys(("/encode", "/decode", "/reconstruct", "/models/{reference}/map"), "fashion-vae")
SHIPPED |= {path: "fashion-ae" for _, path in OPERATIONS if path.startswith("/v2/models")}
"""The shipped model that a route's example names, where no toy stands for it."""
MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    described = [(method, path) for path, methods in openapi["paths"].items() for method in methods]
    assert sorted(described) == sorted(OPERATIONS)
    assert all(openapi["paths"][path][method]["description"] for method, path in described)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of an app with the models that the examples name, toys where they do."""
    models = tmp_path_factory.mktemp("named")
    toy.present(toy.direct(toy_parts.add(toy.build(models, "cifar10"), "critic"), "warmth"))
    toy_sound.build(models, "speech")
    for name in set(SHIPPED.values()):
        shutil.copytree(MODELS / name, models / name)
    with ExitStack() as running:
        yield start(running, Settings(models=models, device="cpu", threads=2, encode_threads=2, max_batch=4))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_example_of_every_route_works(named: TestClient, method: str, path: str) -> None:
    operation = named.get("/openapi.json").json()["paths"][path][method]
    query = {}
    for parameter in operation.get("parameters", []):
        example = parameter.get("example", parameter["schema"].get("examples", [None])[0])
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", example)
        elif example is not None:
            query[parameter["name"]] = example
    upload = named.post("/generate?model=cifar10").content if path == "/reproduce" else FILES.get(path)
    if upload is not None or not operation.get("requestBody", {}).get("required"):
        assert named.request(method, path, params=query, content=upload).status_code == 200
    if "requestBody" in operation and upload is None:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert named.request(method, path, json=example).status_code == 200


def test_the_document_is_valid(openapi: dict[str, Any]) -> None:
    openapi_spec_validator.validate(openapi, cls=OpenAPIV31SpecValidator)
    assert openapi["openapi"].startswith("3.1.")


def test_everything_in_the_document_has_a_name_and_is_explained(openapi: dict[str, Any]) -> None:
    operations = [operation for methods in openapi["paths"].values() for operation in methods.values()]
    groups = {tag["name"] for tag in openapi["tags"] if tag["description"]}
    assert groups == {tag for operation in operations for tag in operation["tags"]}
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        about = [operation["summary"], *(answer["description"] for answer in operation["responses"].values())]
        fields = operation.get("parameters", [])
        assert all([*about, *(field.get("description") or field["schema"]["description"] for field in fields)])


def test_null_is_documented_in_a_body_just_where_it_is_taken(client: TestClient, openapi: dict[str, Any]) -> None:
    schema = openapi["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    documented = {name for name, field in schema["properties"].items() if {"type": "null"} in field.get("anyOf", [])}
    answers = {name: client.post("/generate", json={name: None}).status_code for name in schema["properties"]}
    assert documented == {name for name, status in answers.items() if status == 200}
    assert set(answers.values()) == {200, 422}


def test_generate_documents_its_formats_and_its_errors(openapi: dict[str, Any]) -> None:
    responses = openapi["paths"]["/generate"]["get"]["responses"]
    assert set(responses) == {"200", "304", "404", "406", "422", "429", "500", "503", "504"}
    assert {"image/png", "image/jpeg", "image/webp", "application/json"} < set(responses["200"]["content"])
    for status in ("404", "406", "422", "429", "503"):
        assert list(responses[status]["content"]) == ["application/problem+json"]


def test_a_face_documents_errors_in_its_own_shape(openapi: dict[str, Any]) -> None:
    for path, shape in (("/v1/images/generations", "object"), ("/v2/models/{name}/infer", "string")):
        responses = openapi["paths"][path]["post"]["responses"]
        assert set(responses) == {"200", "400", "404", "413", "415", "429", "500", "503", "504"}
        schema = responses["429"]["content"]["application/json"]["schema"]
        assert schema["properties"]["error"]["type"] == shape


def test_every_reference_in_the_document_leads_somewhere(openapi: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/(\w+)"', json.dumps(openapi)))
    assert references <= set(openapi["components"]["schemas"])
    assert "$defs" not in json.dumps(openapi)


def test_the_limits_are_those_of_the_settings(serve: Serve) -> None:
    document = serve(max_samples=7, request_timeout=3).get("/openapi.json").json()
    schemas = {field["name"]: field["schema"] for field in document["paths"]["/generate"]["get"]["parameters"]}
    assert (schemas["n"]["minimum"], schemas["n"]["maximum"]) == (1, 7)
    assert schemas["timeout"]["maximum"] == 3


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/")
        assert client.get(asset).status_code == 200


def test_an_application_that_is_over_is_forgotten(models_dir: Path) -> None:
    """FastAPI keeps 4,096 handlers that it has looked at, of every application: none of them may hold its own."""
    app = create_app(Settings(models=models_dir, device="cpu"))
    with TestClient(app) as client:
        assert client.get("/docs").status_code == 200
    remembered = weakref.ref(app)
    del app, client
    gc.collect()
    assert remembered() is None
