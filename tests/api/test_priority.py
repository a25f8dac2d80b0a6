"""Two lanes over HTTP, and what a client is told of a model that fails at work."""

import time

import pytest
from starlette.testclient import TestClient

from app.engine import health, session
from tests.api.conftest import Serve, count

ADDRESS = "/generate?model=toy@1&seed=4"


def test_priority_changes_neither_picture_nor_address_nor_tag(client: TestClient) -> None:
    plain, bulk = client.get(ADDRESS), client.get(f"{ADDRESS}&priority=bulk")
    assert plain.content == bulk.content
    for header in ("etag", "content-location", "cache-control"):
        assert plain.headers[header] == bulk.headers[header]
    assert client.post("/generate", json={"model": "toy@1", "seed": 4, "priority": "bulk"}).content == plain.content


def test_an_unknown_priority_is_refused(client: TestClient) -> None:
    answer = client.get(f"{ADDRESS}&priority=urgent")
    assert answer.status_code == 422
    assert answer.json()["detail"] == 'priority: must be one of interactive, bulk, not "urgent"'


def test_both_lanes_are_documented(client: TestClient) -> None:
    route = client.get("/openapi.json").json()["paths"]["/generate"]
    schemas = {field["name"]: field["schema"] for field in route["get"]["parameters"]}
    assert schemas["priority"]["enum"] == ["interactive", "bulk"]
    assert schemas["priority"]["default"] == "interactive"
    assert {"500", "503", "504"} < set(route["get"]["responses"])


def test_a_model_that_fails_is_shown_and_comes_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    run = session.Session._run

    def broken(self: session.Session, *args: object) -> object:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(session.Session, "_run", broken)
    monkeypatch.setattr(health, "COOL_DOWN", 0.5)
    for _ in range(health.FAILURES):
        answer = client.get(ADDRESS)
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:ganymede:problem:inference-failed")
    monkeypatch.setattr(session.Session, "_run", run)
    answer = client.get(ADDRESS)
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("toy@1 is not run: its last batches failed: toy@1 failed while it")
    assert answer.headers["retry-after"] == "1"
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["detail"].startswith("toy@1 is not run: its last batches failed")
    shown = {model["model"]: model["state"] for model in client.get("/models").json()["models"]}
    assert shown == {"shapes@1": "ready", "toy@1": "failing", "toy@2": "ready"}
    assert client.get("/models/toy@1").json()["bytes"] > 0
    assert count(client, "ganymede_model_state", model="toy@1", state="failing") == 1
    assert client.get("/generate?model=toy@2&seed=4").status_code == 200
    time.sleep(0.5)
    assert client.get("/readyz").status_code == 200
    assert client.get(ADDRESS).status_code == 200
