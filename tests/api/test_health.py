"""Alive, ready, and counted."""

from pathlib import Path
from threading import Event

import pytest
from starlette.testclient import TestClient

from app.engine import model
from tests import toy
from tests.api.conftest import Serve, count


def test_the_process_is_alive_whatever_its_models_are(serve: Serve, tmp_path: Path) -> None:
    assert serve(models=tmp_path).get("/healthz").json() == {"status": "alive"}


def test_ready_when_every_model_is(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert {model["model"]: model["state"] for model in answer.json()["models"]} == {
        "shapes@1": "ready",
        "toy@1": "ready",
        "toy@2": "ready",
    }


def test_not_ready_while_one_model_is_broken_though_the_others_are_served(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "good")
    (toy.build(tmp_path, "bad") / "generator.onnx").unlink()
    client = serve(models=tmp_path)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    reason = f"{tmp_path / 'bad' / '1' / 'generator.onnx'} can't be read: No such file or directory"
    assert answer.json()["detail"] == f"bad@1 failed to load: {reason}"
    assert answer.json()["models"] == [
        {"model": "bad@1", "state": "failed", "reason": reason},
        {"model": "good@1", "state": "ready", "reason": None},
    ]
    assert client.post("/generate").headers["x-model"] == "good@1"


def test_ready_before_any_model_is_in_memory_where_they_come_at_first_use(serve: Serve) -> None:
    client = serve(load="first-use")
    assert {model["state"] for model in client.get("/readyz").json()["models"]} == {"unloaded"}
    assert client.get("/generate?model=toy@1&seed=1").status_code == 200
    states = {model["model"]: model["state"] for model in client.get("/readyz").json()["models"]}
    assert states == {"shapes@1": "unloaded", "toy@1": "ready", "toy@2": "unloaded"}
    text = client.get("/metrics").text
    assert 'ganymede_model_state{model="toy@1",state="ready"} 1.0' in text
    assert 'ganymede_model_loads_total{model="toy@1"} 1.0' in text
    assert 'ganymede_model_bytes{model="toy@2"} 0.0' in text


def test_a_request_that_can_t_wait_for_its_model_is_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, go, load = serve(load="first-use"), Event(), model.load
    monkeypatch.setattr(model, "load", lambda live, host: (go.wait(10), load(live, host))[1])
    answer = client.get("/generate?model=toy@1&timeout=0.05")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:ganymede:problem:not-ready")
    assert answer.json()["detail"].startswith("toy@1 was still loading when the deadline passed, after 0.0")
    # Nothing that it promises needs the weights.
    assert client.head("/generate?model=toy@1&seed=1").headers["etag"]
    go.set()
    assert client.get("/generate?model=toy@1").status_code == 200


def test_ready_though_no_model_draws_from_seeds(serve: Serve, tmp_path: Path) -> None:
    toy.translator(tmp_path)
    client = serve(models=tmp_path)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["models"] == [{"model": "negative@1", "state": "ready", "reason": None}]
    assert client.get("/generate").json()["detail"] == "No model that can generate is ready."


def test_not_ready_without_any_model(serve: Serve, tmp_path: Path) -> None:
    answer = serve(models=tmp_path).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"{tmp_path} holds no model folder <name>/<version>/"


def test_not_ready_once_it_shuts_down(serve: Serve) -> None:
    client = serve()
    client.app.state.service.catalog.close(0)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the service is shutting down")


def test_metrics_are_in_prometheus_text_format(client: TestClient) -> None:
    client.post("/generate?model=toy@1")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'ganymede_requests_total{model="toy@1",route="/generate",status="200"}' in answer.text
    assert 'ganymede_phase_seconds_count{model="toy@1",phase="encode"}' in answer.text


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/generate?model=toy@1", {"route": "/generate", "model": "toy@1", "status": "200"}),
        ("POST", "/generate?n=0", {"route": "/generate", "model": "", "status": "422"}),
        ("GET", "/models/toy", {"route": "/models/{reference}", "model": "", "status": "200"}),
        ("GET", "/models/cow", {"route": "/models/{reference}", "model": "", "status": "404"}),
        ("GET", "/somewhere/else", {"route": "none", "model": "", "status": "404"}),
        ("DELETE", "/generate", {"route": "/generate", "model": "", "status": "405"}),
    ],
)
def test_requests_are_counted_by_route_model_and_status(
    client: TestClient, method: str, path: str, labels: dict[str, str]
) -> None:
    before = count(client, "ganymede_requests_total", **labels)
    client.request(method, path)
    assert count(client, "ganymede_requests_total", **labels) == before + 1


def test_an_unforeseen_failure_is_counted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    monkeypatch.setattr("app.api.generate.settle", lambda *_: 1 / 0)
    client.post("/generate?model=toy")
    assert count(client, "ganymede_requests_total", route="/generate", model="toy@2", status="500") == 1
