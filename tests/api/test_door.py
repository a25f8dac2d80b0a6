"""Who may do what: every route of the application × every scope, and no key, a wrong one, an old one."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.access.keys import Key, new_token, now
from app.access.scopes import SCOPES, needs
from app.api import places
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import count, start
from tests.keyring import key, written

APP = create_app(Settings(models=Path("nowhere"), device="cpu"))
ROUTES = sorted((method, place.path) for place in places.every(APP) for method in place.methods or ("GET",))
NEEDS = {
    (method, place.path): place.need for place in reversed([*places.every(APP)]) for method in place.methods or ("GET",)
}
PARTS = {"version": "1", "path": "x"}
"""What stands for a part of a path; for any other, the name of a model."""

OPEN = {
    "/healthz",
    "/readyz",
    "/",
    "/web/{path:path}",
    "/docs",
    "/docs/assets/{path:path}",
    "/openapi.json",
    "/v2/health/live",
    "/v2/health/ready",
}
"""All that a stranger may ask for. Whoever adds to it means it."""

TOKENS = {name: new_token() for name in (*SCOPES, "everything")}
OLD, OLD_KEPT = new_token(now() - timedelta(seconds=1))
WHO = {"nobody": None, "a stranger": "gny_wrong", "an old key": OLD} | {
    name: token for name, (token, _) in TOKENS.items()
}
Bearer = dict[str, str]


def bearer(token: str | None) -> Bearer:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of an app with a key for each scope, one for all, and one that has expired."""
    keys = [Key(name=name, scopes=frozenset({name}), tokens=(TOKENS[name][1],)) for name in SCOPES]
    keys.append(Key(name="everything", scopes=frozenset(SCOPES), tokens=(TOKENS["everything"][1],)))
    keys.append(Key(name="old", scopes=frozenset(SCOPES), tokens=(OLD_KEPT,)))
    file = written(tmp_path_factory.mktemp("keys") / "keys.json", *keys)
    with ExitStack() as running:
        yield start(running, Settings(models=models_dir, device="cpu", threads=1, encode_threads=1, keys_file=file))


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_its_scope(guarded: TestClient, method: str, path: str, who: str) -> None:
    address = re.sub(r"\{(\w+).*?\}", lambda part: PARTS.get(part[1], "toy"), path)
    answer = guarded.request(method, address, headers=bearer(WHO[who]))
    need = NEEDS[method, path]
    if path in OPEN:
        assert answer.status_code not in (401, 403)
    elif who not in TOKENS:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="ganymede"')
    elif who in (need, "everything"):
        assert answer.status_code not in (401, 403)
    else:
        assert answer.status_code == 403
        assert f'error="insufficient_scope", scope="{need}"' in answer.headers["WWW-Authenticate"]


def test_what_is_open_is_what_is_meant_to_be() -> None:
    assert {path for (_, path), need in NEEDS.items() if need in ("open", "health")} == OPEN
    assert {path for (_, path), need in NEEDS.items() if need == "metrics"} == {"/metrics"}


def test_a_route_that_does_not_say_what_it_needs_is_the_administrators(models_dir: Path, tmp_path: Path) -> None:
    tokens, keys = zip(*(key(name, name) for name in SCOPES), strict=True)
    app = create_app(Settings(models=models_dir, device="cpu", keys_file=written(tmp_path / "keys.json", *keys)))

    async def erase() -> JSONResponse:
        return JSONResponse({"erased": True})

    with TestClient(app) as client:
        client.get("/healthz")
        app.post("/erase")(erase)
        app.post("/shown")(needs("generate")(partial(erase)))
        statuses = {
            path: [client.post(path, headers=bearer(t)).status_code for t in (None, *tokens)]
            for path in ("/erase", "/shown")
        }
    assert statuses == {"/erase": [401, 403, 200, 403], "/shown": [401, 200, 403, 403]}


def test_what_is_no_request_does_not_come_in_either(models_dir: Path, tmp_path: Path) -> None:
    app = create_app(Settings(models=models_dir, device="cpu", keys_file=written(tmp_path / "keys.json")))

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()

    with TestClient(app) as client, pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/talk"):
        raise AssertionError("it came in")
    assert closed.value.code == 1008


@pytest.mark.parametrize(
    ("path", "who", "status", "detail"),
    [
        ("/models", "nobody", 401, "This needs a key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY."),
        (
            "/models",
            "a stranger",
            401,
            "The key is not known here: it was mistyped, was revoked, or is of another service.",
        ),
        ("/models", "an old key", 401, "The key 'old' has expired; ask whoever runs the service for a new one."),
        ("/metrics", "generate", 403, "This needs the scope metrics; the key 'generate' has generate."),
        ("/nothing", "nobody", 401, "This needs a key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY."),
        ("/nothing", "metrics", 404, "There is nothing at /nothing; /docs lists every route."),
        ("/generate/", "generate", 404, "There is nothing at /generate/; /docs lists every route."),
    ],
)
def test_a_refusal_says_what_to_do(guarded: TestClient, path: str, who: str, status: int, detail: str) -> None:
    answer = guarded.get(path, headers=bearer(WHO[who]))
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_method_that_is_not_there_is_told_to_whoever_has_a_key(guarded: TestClient) -> None:
    answer = guarded.delete("/generate", headers=bearer(WHO["metrics"]))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert guarded.delete("/generate").status_code == 401


def test_a_key_travels_in_either_header_and_never_in_the_address(guarded: TestClient) -> None:
    token = TOKENS["generate"][0]
    for headers in (
        {"Authorization": f"bearer {token}"},
        {"X-API-Key": token},
        {"X-API-Key": token, "Authorization": "Basic b3BlbjpzZXNhbWU="},
    ):
        assert guarded.get("/models", headers=headers).status_code == 200
    for path in (f"/models?key={token}", f"/models?api_key={token}", f"/models?access_token={token}"):
        assert guarded.get(path).status_code == 401
    assert guarded.get("/models", headers={"Authorization": f"Basic {token}"}).status_code == 401


@pytest.mark.parametrize("token", ["", " ", "x" * 10_000, TOKENS["generate"][0][:-1], TOKENS["generate"][0] + "x", "ü"])
def test_what_is_nearly_a_key_is_none(guarded: TestClient, token: str) -> None:
    sent = [(b"authorization", b"Bearer " + token.encode())]
    assert guarded.get("/models", headers=sent).status_code == 401


def test_a_prefix_of_a_proxy_changes_nothing(guarded: TestClient) -> None:
    behind = TestClient(guarded.app, root_path="/pictures", raise_server_exceptions=False)
    assert behind.get("/pictures/models").status_code == 401
    assert behind.get("/pictures/models", headers=bearer(WHO["generate"])).status_code == 200
    assert behind.get("/pictures/metrics", headers=bearer(WHO["generate"])).status_code == 403
    assert behind.get("/pictures/healthz").status_code == 200


def test_openai_s_clients_get_errors_in_their_shape(guarded: TestClient) -> None:
    said = [
        guarded.get("/v1/models", headers=bearer(WHO[who])).json().get("error", {}) for who in ("a stranger", "metrics")
    ]
    assert [(error["type"], error["code"]) for error in said] == [
        ("authentication_error", "invalid_api_key"),
        ("permission_error", "forbidden"),
    ]


def test_no_cache_on_the_way_may_give_pictures_to_others(guarded: TestClient, client: TestClient) -> None:
    path = "/generate?model=toy@1&seed=1"
    assert client.get(path).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    mine = guarded.get(path, headers=bearer(WHO["generate"]))
    assert mine.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert mine.content == client.get(path).content


def test_the_document_says_how_keys_are_sent_and_what_each_route_needs(guarded: TestClient, client: TestClient) -> None:
    document = guarded.get("/openapi.json").json()
    validate(document)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            need = NEEDS[method.upper(), path]
            expected = None if path in OPEN else [{"bearer": [need]}, {"header": [need]}]
            assert operation.get("security") == expected
    assert "401" in document["paths"]["/models"]["get"]["responses"]
    plain = client.get("/openapi.json").json()
    assert "securitySchemes" not in plain.get("components", {})
    assert "401" not in plain["paths"]["/models"]["get"]["responses"]


def test_refusals_are_counted_by_key_and_reason_and_strangers_mint_no_labels(guarded: TestClient) -> None:
    def counted(name: str, reason: str) -> float:
        return count(guarded, "ganymede_key_refused_requests_total", key=name, reason=reason)

    before = counted("", "unknown"), counted("", "none"), counted("generate", "scope"), counted("old", "expired")
    guarded.get("/models", headers=bearer("gny_somebody"))
    guarded.get("/models")
    guarded.get("/metrics", headers=bearer(WHO["generate"]))
    guarded.get("/metrics", headers=bearer(OLD))
    after = counted("", "unknown"), counted("", "none"), counted("generate", "scope"), counted("old", "expired")
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1, 1]
    assert count(guarded, "ganymede_requests_total", route="/models", model="", status="401") >= 2
    shown = guarded.get("/metrics", headers=bearer(WHO["metrics"])).text
    assert "ganymede_keys_file_broken 0.0" in shown
    assert "somebody" not in shown


def test_no_token_is_ever_logged(guarded: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for token in (WHO["generate"], OLD, "gny_wrong"):
        guarded.get("/models", headers=bearer(token))
        guarded.post("/generate?n=many", headers=bearer(token))
    assert "gny_" not in "".join(record.getMessage() + str(record.args) for record in caplog.records)


def test_without_keys_nothing_is_asked_for_and_no_door_stands_in_the_way(client: TestClient) -> None:
    assert client.get("/models", headers=bearer("anything")).status_code == 200
    assert client.app.state.door is None  # type: ignore[attr-defined]


def test_each_port_has_its_own(models_dir: Path, tmp_path: Path) -> None:
    token, boss = key("boss", *SCOPES)
    file = written(tmp_path / "keys.json", boss)
    app = create_app(Settings(models=models_dir, device="cpu", keys_file=file, management_port=9001))

    @app.post("/undeclared")
    async def undeclared(_: Request) -> JSONResponse:
        return JSONResponse({})

    with TestClient(app) as main:
        ports = {"main": main, "management": TestClient(app, base_url="http://testserver:9001")}
        found = {
            name: [
                port.request(method, path, headers=bearer(token)).status_code != 404
                for method, path in (
                    ("GET", "/models"),
                    ("GET", "/docs"),
                    ("GET", "/metrics"),
                    ("POST", "/undeclared"),
                    ("GET", "/healthz"),
                )
            ]
            for name, port in ports.items()
        }
        assert ports["management"].get("/metrics").status_code == 401
        assert ports["main"].get("/metrics").status_code == 404
        assert json.loads(ports["main"].get("/metrics").content)["detail"].startswith("There is nothing at /metrics")
    assert found == {"main": [True, True, False, False, True], "management": [False, False, True, True, True]}


def test_a_port_for_management_needs_no_keys(models_dir: Path) -> None:
    app = create_app(Settings(models=models_dir, device="cpu", management_port=9001))
    with TestClient(app) as main:
        management = TestClient(app, base_url="http://testserver:9001")
        assert [main.get("/metrics").status_code, management.get("/metrics").status_code] == [404, 200]
        assert [main.get("/models").status_code, management.get("/models").status_code] == [200, 404]
