"""What browsers are told, whose scripts may ask, and that no answer shows how the server is made."""

import base64
import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from app.api.security import READABLE
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import Serve
from tests.api.process import Process

SITE = "https://gallery.example"
TOLD = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
ANSWERS = {
    "/generate?model=toy&seed=1": 200,
    "/generate?model=toy&n=0": 422,
    "/models": 200,
    "/nothing": 404,
    "/readyz": 200,
    "/metrics": 200,
    "/openapi.json": 200,
    "/v2/models/toy": 200,
}


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_tells_browsers_what_it_may_do(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == ANSWERS[path]
    assert {name: answer.headers.get_list(name) for name in TOLD} == {name: [said] for name, said in TOLD.items()}
    assert "server" not in answer.headers


def test_a_picture_that_has_not_changed_is_told_the_same(client: TestClient) -> None:
    first = client.get("/generate?model=toy@1&seed=3")
    again = client.get("/generate?model=toy@1&seed=3", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert TOLD.items() <= dict(again.headers).items()


def test_pictures_may_be_shown_elsewhere_if_the_operator_says_so(serve: Serve) -> None:
    client = serve(resource_policy="cross-origin")
    assert client.get("/generate?model=toy").headers["cross-origin-resource-policy"] == "cross-origin"


def test_the_page_of_the_documentation_runs_its_own_scripts_only(client: TestClient) -> None:
    page = client.get("/docs")
    [policy] = page.headers.get_list("content-security-policy")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    allowed = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    assert f"script-src 'self' {allowed};" in policy
    assert "default-src 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    assert all(address.startswith("/docs/assets/") for address in loaded)


def test_no_other_site_may_ask_by_default(client: TestClient) -> None:
    answer = client.get("/generate?model=toy", headers={"Origin": SITE})
    assert [name for name in answer.headers if name.startswith("access-control-")] == []
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert client.options("/generate", headers=asked).status_code == 405


def test_a_site_that_the_operator_names_may_ask_and_read(serve: Serve) -> None:
    client = serve(cors_origins=(SITE,))
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = client.options("/generate", headers=asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    answer = client.get("/generate?model=toy", headers={"Origin": SITE})
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in answer.headers
    assert {"X-Seed", "Server-Timing", "Retry-After"} <= set(
        answer.headers["access-control-expose-headers"].split(", ")
    )
    stranger = client.get("/generate?model=toy", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in stranger.headers


def test_scripts_can_read_every_header_that_the_documentation_names(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"].values()
    answers = [answer for methods in paths for route in methods.values() for answer in route["responses"].values()]
    assert {name for answer in answers for name in answer.get("headers", {})} <= set(READABLE)


@pytest.mark.parametrize("origin", ["gallery.example", "https://gallery.example/", "https://a.example/b", "null"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError, match=r"is no origin, such as https://example\.org: scheme, host and port"):
        Settings(cors_origins=(origin,))


def test_origins_are_told_with_commas_by_a_variable_or_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANYMEDE_CORS_ORIGINS", "https://a.example, https://b.example:8443")
    assert Settings().cors_origins == ("https://a.example", "https://b.example:8443")
    monkeypatch.delenv("GANYMEDE_CORS_ORIGINS")
    code = "from pydantic_settings import CliApp; from app.processes.serving import Flags; import sys; "
    code += "print(CliApp.run(Flags, sys.argv[1:]).cors_origins)"
    ways = (["--cors-origins", "https://a.example,*"], ["--cors-origins", "https://a.example", "--cors-origins", "*"])
    for flags in ways:
        ran = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "('https://a.example', '*')"


SECRET = "/srv/secret/weights.onnx"  # noqa: S105 - a path that must not be shown


def raises(kind: Callable[[str], BaseException]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        raise kind(SECRET)

    return endpoint


def chained(said: str) -> BaseException:
    error = RuntimeError(said)
    error.__cause__ = OSError(said)
    return error


def grouped(said: str) -> BaseException:
    return ExceptionGroup(said, [ValueError(said), OSError(said)])


RAISED: dict[str, Callable[[str], BaseException]] = {
    "exception": RuntimeError,
    "chained": chained,
    "group": grouped,
    "assertion": AssertionError,
    "memory": MemoryError,
    "recursion": RecursionError,
    "stop": StopAsyncIteration,
    "unicode": lambda said: UnicodeDecodeError("utf-8", said.encode(), 0, 1, said),
}


@pytest.fixture
def broken(settings: Settings) -> TestClient:
    """The application with routes that raise, in every way that one can."""
    app = create_app(settings)
    assert isinstance(app, FastAPI)
    for name, kind in RAISED.items():
        app.add_api_route(f"/broken/{name}", raises(kind), response_model=None, name=name)

    async def answers_with_no_answer(request: Request) -> Any:
        return {"held": object()}

    def in_a_thread(request: Request) -> Any:
        raise OSError(SECRET)

    app.add_api_route("/broken/unsendable", answers_with_no_answer, name="unsendable")
    app.add_api_route("/broken/thread", in_a_thread, response_model=None, name="thread")
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("name", [*RAISED, "unsendable", "thread"])
def test_no_answer_shows_what_was_raised(broken: TestClient, name: str) -> None:
    answer = broken.get(f"/broken/{name}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "The server failed unexpectedly; its log has the reason."
    for hidden in ("Traceback", "File ", "secret", "object at", ".py"):
        assert hidden not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_http_error_of_a_route_says_only_what_the_route_says(settings: Settings) -> None:
    app = create_app(settings)

    async def teapot(request: Request) -> Response:
        raise HTTPException(418, "short and stout") from OSError(SECRET)

    app.add_api_route("/teapot", teapot, response_model=None)
    answer = TestClient(app).get("/teapot")
    assert (answer.status_code, answer.json()["detail"]) == (418, "short and stout")


def test_an_answer_that_breaks_off_shows_nothing_more(settings: Settings) -> None:
    app = create_app(settings)

    async def breaks(request: Request) -> Response:
        async def parts() -> Any:
            yield b"half"
            raise RuntimeError(SECRET)

        return StreamingResponse(parts())

    app.add_api_route("/breaks", breaks, response_model=None)
    assert "secret" not in TestClient(app, raise_server_exceptions=False).get("/breaks").text


def test_the_running_server_does_not_say_what_it_is(models_dir: Path, tmp_path: Path) -> None:
    server = Process(models_dir, tmp_path / "log")
    try:
        server.ready()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(4096), b"")).lower()
            assert said.startswith(b"http/1.1 200")
            assert b"\r\nserver:" not in said
            assert b"uvicorn" not in said
    finally:
        server.process.kill()
        server.process.wait()
