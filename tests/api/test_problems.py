"""Whatever goes wrong, the answer is a problem document that says what was wrong, what was expected, what to do."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.api.drawing import Drawing
from app.engine.admission import Admission
from app.errors import Overloaded
from app.latents import MAX_SEED
from tests import toy
from tests.api.conftest import Serve, count
from tests.api.held import hold

KNOWN = "known: model, timeout, priority, class, n, seed, index, truncation, best_of, stage, format, picture, grid"


def problem(answer: object, status: int) -> dict:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert document["status"] == status
    assert "Traceback" not in answer.text
    return document


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("n=0", 'n: must be an integer from 1 to 64, not "0"'),
        ("n=65", 'n: must be an integer from 1 to 64, not "65"'),
        ("n=many", 'n: must be an integer from 1 to 64, not "many"'),
        ("n=", 'n: must be an integer from 1 to 64, not ""'),
        ("seed=-1", f'seed: must be an integer from 0 to {MAX_SEED}, not "-1"'),
        (f"seed={MAX_SEED + 1}", f'seed: must be an integer from 0 to {MAX_SEED}, not "{MAX_SEED + 1}"'),
        ("seed=1.5", f'seed: must be an integer from 0 to {MAX_SEED}, not "1.5"'),
        ("index=-1", f'index: must be an integer from 0 to {MAX_SEED}, not "-1"'),
        (f"index={MAX_SEED}&n=2", f"index: must be an integer from 0 to {MAX_SEED - 1} where n is 2"),
        ("truncation=1.1", 'truncation: must be a number from 0 to 1, not "1.1"'),
        ("truncation=nan", 'truncation: must be a number from 0 to 1, not "nan"'),
        ("format=gif", 'format: must be one of png, jpeg, webp, json, zip, npy, ndjson, multipart, not "gif"'),
        ("grid=0", 'grid: must be an integer from 1 to 64, not "0"'),
        ("grid=2&format=zip", "grid: only png, jpeg and webp are laid in a sheet, not zip; leave grid out"),
        ("timeout=0", 'timeout: must be a number above 0 and up to 30, not "0"'),
        ("timeout=31", 'timeout: must be a number above 0 and up to 30, not "31"'),
        ("sede=1", f"sede: there is no such parameter; {KNOWN}"),
        ("n=1&n=2", "n: is given more than once, in the query or in query and body"),
        ("model=shapes&class=dog", "class: shapes@1 is unconditional, it has no classes; leave class out"),
        ("n=" + "9" * 100, 'n: must be an integer from 1 to 64, not "' + "9" * 63 + "…"),
    ],
)
def test_a_bad_parameter_is_named_with_its_range(client: TestClient, query: str, message: str) -> None:
    for answer in (client.get(f"/generate?{query}"), client.post(f"/generate?{query}")):
        document = problem(answer, 422)
        assert document["detail"] == message
        assert [f"{error['field']}: {error['message']}" for error in document["errors"]] == [message]


def test_all_bad_parameters_are_named_at_once(client: TestClient) -> None:
    errors = problem(client.post("/generate?n=0", json={"seed": -1, "format": "bmp"}), 422)["errors"]
    assert [error["field"] for error in errors] == ["n", "seed", "format"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: is not JSON: EOF while parsing an object at line 1 column 1"),
        (b"[1]", "body: must be a JSON object of parameters"),
        (b'{"n": true}', "n: must be an integer from 1 to 64, not true"),
        (b'{"n": null}', "n: must be an integer from 1 to 64, not null"),
        (b'{"n": [1, 2]}', "n: must be an integer from 1 to 64, not [1, 2]"),
        (b'{"class": {"a": 1}}', 'class: must be a text, not {"a": 1}'),
        (b'{"truncation": NaN}', "truncation: must be a number from 0 to 1, not NaN"),
        (b'{"seed": 1}', "seed: is given more than once, in the query or in query and body"),
    ],
)
def test_a_bad_body_is_explained(client: TestClient, body: bytes, message: str) -> None:
    answer = client.post("/generate?seed=1", content=body, headers={"content-type": "application/json"})
    assert problem(answer, 422)["detail"] == message


def test_a_body_that_nests_without_end_is_refused(client: TestClient) -> None:
    answer = client.post("/generate", content=b"[" * 10_000, headers={"content-type": "application/json"})
    assert problem(answer, 422)["detail"].startswith("body: is not JSON: recursion limit exceeded")


def test_a_body_that_is_no_json_is_refused_by_its_type(client: TestClient) -> None:
    answer = client.post("/generate", data={"n": "1"})
    expected = "The body must be application/json, not application/x-www-form-urlencoded; or use the query."
    assert problem(answer, 415)["detail"] == expected


def test_a_huge_body_is_refused(client: TestClient) -> None:
    answer = client.post("/generate", content=b" " * 20_000, headers={"content-type": "application/json"})
    assert problem(answer, 413)["detail"] == "The body may hold 16384 bytes; all parameters fit into a few hundred."


def test_an_unknown_class_lists_the_classes(client: TestClient) -> None:
    document = problem(client.post("/generate?model=toy&class=cow"), 404)
    assert document["detail"] == "toy@2 has no class 'cow'; known: cat, dog."
    assert document["classes"] == ["cat", "dog"]


@pytest.mark.parametrize("index", ["2", "-1", "9" * 5000])
def test_a_class_index_out_of_range_is_an_unknown_class(client: TestClient, index: str) -> None:
    assert problem(client.post("/generate", json={"model": "toy", "class": index}), 404)["classes"] == ["cat", "dog"]


def test_a_class_that_no_model_has_lists_those_of_all(client: TestClient) -> None:
    assert problem(client.post("/generate?class=cow"), 404)["detail"] == "No model has a class 'cow'; known: cat, dog."


@pytest.mark.parametrize("reference", ["cow", "toy@3", "toy@01", "../toy", ""])
def test_an_unknown_model_lists_the_models(client: TestClient, reference: str) -> None:
    document = problem(client.post("/generate", params={"model": reference}), 404)
    assert document["detail"] == f"There is no model {reference!r}; known: shapes@1, toy@2, toy@1."
    assert document["known"] == ["shapes@1", "toy@2", "toy@1"]


def test_nothing_acceptable_lists_what_is_offered(client: TestClient) -> None:
    document = problem(client.get("/generate", headers={"accept": "text/html, image/png;q=0"}), 406)
    assert "offered: image/png, image/jpeg, image/webp, application/json, application/zip" in document["detail"]


def test_a_route_that_does_not_exist(client: TestClient) -> None:
    document = problem(client.get("/nothing"), 404)
    assert document["detail"] == "There is nothing at /nothing; /docs lists every route."


def test_a_method_that_a_route_does_not_have(client: TestClient) -> None:
    answer = client.delete("/generate")
    assert problem(answer, 405)["detail"] == "/generate has no DELETE; it has GET, HEAD, POST."
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_full_queue_says_when_to_come_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(queue_seconds=1e-9)
    entered, go = hold(client, monkeypatch)
    with ThreadPoolExecutor() as clients:
        first = clients.submit(client.post, "/generate?model=toy")
        assert entered.wait(10)
        second = clients.submit(client.post, "/generate?model=toy")
        while count(client, "ganymede_queue_samples", model="toy@2") == 0 and not second.done():
            time.sleep(0.002)
        answer = client.post("/generate?model=toy")
        go.set()
        assert first.result().status_code == 200
    assert "s of work wait for toy@2; the limit is 1e-09 s." in problem(answer, 429)["detail"]
    assert int(answer.headers["retry-after"]) >= 1


def test_nothing_is_drawn_for_who_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()

    def full(*_: object, **__: object) -> None:
        raise Overloaded("3 s of work wait.", 3)

    def draw(*_: object) -> None:
        raise AssertionError("latents were drawn")

    monkeypatch.setattr(Admission, "require_room", full)
    monkeypatch.setattr(Drawing, "_draw", draw)
    assert problem(client.post("/generate?model=toy"), 429)["detail"] == "3 s of work wait."


def test_a_model_that_failed_to_load_says_why(serve: Serve, tmp_path: Path) -> None:
    folder = toy.build(tmp_path, "toy")
    (folder / "generator.onnx").write_bytes(b"altered")
    document = problem(serve(models=tmp_path).post("/generate?model=toy"), 503)
    assert document["detail"].startswith("toy@1 failed to load: ")
    assert "generator.onnx was altered" in document["detail"]


def test_a_service_that_shuts_down_refuses_work(serve: Serve) -> None:
    client = serve()
    client.app.state.service.catalog.close(0)
    assert problem(client.post("/generate"), 503)["detail"] == "This replica is shutting down; ask another one."


def test_an_unforeseen_failure_shows_no_trace(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    monkeypatch.setattr("app.api.generate.settle", lambda *_: 1 / 0)
    document = problem(client.post("/generate"), 500)
    assert document["detail"] == "The server failed unexpectedly; its log has the reason."


def test_a_failing_graph_is_named_and_its_reason_kept_to_the_log(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    monkeypatch.setattr(client.app.state.service.catalog.get("toy").queues["generator"], "run", lambda _: 1 / 0)
    document = problem(client.post("/generate?model=toy"), 500)
    assert document["detail"] == "toy@2 failed while it computed this request; the server's log has the reason."
