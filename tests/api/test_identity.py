"""Every answer says which request it answers, by the client's own id where that can be used."""

import asyncio
import json
import re

import pytest
from starlette.testclient import TestClient

from app.api import identity
from tests.api.conftest import Serve
from tests.api.held import hold, post

GENERATED = re.compile(r"[0-9a-f]{32}")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/generate?model=toy@1&seed=1", 200),
        ("HEAD", "/generate?model=toy@1&seed=1", 200),
        ("GET", "/models", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/generate?n=0", 422),
        ("GET", "/generate?model=none", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/generate", 405),
        ("POST", "/v1/images/generations", 400),
    ],
)
def test_every_answer_carries_the_id_that_the_client_gave(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path, headers={"X-Request-ID": "01J9-trace.7:b/c=~@+"})
    assert answer.status_code == status
    assert answer.headers.get_list("x-request-id") == ["01J9-trace.7:b/c=~@+"]


def test_an_answer_from_the_clients_own_copy_carries_it_too(client: TestClient) -> None:
    address = "/generate?model=toy@1&seed=1"
    tag = client.get(address).headers["etag"]
    answer = client.get(address, headers={"If-None-Match": tag, "X-Request-ID": "again"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (304, "again")


def test_a_request_without_an_id_gets_one_of_its_own(client: TestClient) -> None:
    ids = [client.get("/healthz").headers["x-request-id"] for _ in range(3)]
    assert all(GENERATED.fullmatch(one) for one in ids)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("given", [b"", b"a b", b'a"b', b"a" * 129, b"\xc3\xa9", b"a\x1b[2Jb", b"<script>", b"a,b"])
def test_an_id_that_could_forge_a_log_line_is_replaced(client: TestClient, given: bytes) -> None:
    answer = client.get("/healthz", headers=[(b"X-Request-ID", given)])
    assert GENERATED.fullmatch(answer.headers["x-request-id"])


def test_of_two_ids_neither_is_taken(client: TestClient) -> None:
    answer = client.get("/healthz", headers=[("X-Request-ID", "one"), ("X-Request-ID", "two")])
    assert GENERATED.fullmatch(answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/generate?n=0", "/nowhere"])
def test_a_problem_names_its_request(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"X-Request-ID": "mine"})
    assert answer.json()["request_id"] == "mine"


def test_a_problem_within_a_stream_names_its_request(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(max_batch=4)
    _, go = hold(client, monkeypatch, after=1, failing=True)
    go.set()
    sent = asyncio.run(post(client, "model=toy&n=40&format=ndjson", asyncio.Event()))
    told = [json.loads(line) for part in sent if part.get("body") for line in part["body"].splitlines()]
    [carried] = [value.decode() for name, value in sent[0]["headers"] if name == b"x-request-id"]
    assert (told[-1]["status"], told[-1]["request_id"]) == (500, carried)


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())], TRACE),
        ([(b"traceparent", f"00-{TRACE}-{SPAN}-00".encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")], TRACE),
        ([(b"traceparent", f"cc-{TRACE}-{SPAN}-01-of-a-later-version".encode())], TRACE),
        ([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()), (b"tracestate", b"not a list")], TRACE),
        ([], None),
        ([(b"traceparent", f"00-{TRACE}-{SPAN}-01-more".encode())], None),
        ([(b"traceparent", f"ff-{TRACE}-{SPAN}-01".encode())], None),
        ([(b"traceparent", f"00-{TRACE.upper()}-{SPAN}-01".encode())], None),
        ([(b"traceparent", f"00-{'0' * 32}-{SPAN}-01".encode())], None),
        ([(b"traceparent", f"00-{TRACE}-{'0' * 16}-01".encode())], None),
        ([(b"traceparent", b"\xff\n")], None),
        ([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())] * 2, None),
        ([(b"tracestate", b"a=1")], None),
    ],
)
def test_a_trace_context_is_taken_over_if_it_is_well_formed(
    headers: list[tuple[bytes, bytes]], trace: str | None
) -> None:
    _, found, carried = identity.of(headers)
    assert found == trace
    assert bool(carried) == (trace is not None)
