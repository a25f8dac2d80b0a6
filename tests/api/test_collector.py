"""Who asks for traces gets them at the collector, or is told at the start why not."""

import gzip
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from app.api import tracing
from app.api.tracing import TracingUnavailable, provider
from app.main import create_app
from app.settings import Settings
from tests.api.process import Process

ENDPOINT, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HERE = "http://127.0.0.1:4318"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENDPOINT, TRACES, "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector on loopback: its address, and what it was sent to `/v1/traces`."""
    taken: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf":
                taken.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Into no log."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def test_a_real_collector_gets_the_spans_of_which_the_json_log_has_the_ids(models_dir: Path, tmp_path: Path) -> None:
    with collector() as (address, taken):
        process = Process(
            models_dir, tmp_path / "log", **{ENDPOINT: address}, GANYMEDE_LOG_FORMAT="json", GANYMEDE_THREADS="1"
        )
        try:
            process.ready()
            assert process.ask("/generate?model=toy@1&seed=1")[0] == 200
        finally:
            assert process.stop() == 0
    [resource] = taken[0].resource_spans
    about = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert about["service.name"] == "ganymede"
    [scope] = resource.scope_spans
    assert scope.scope.name == "ganymede"
    assert sorted(span.name for span in scope.spans) == ["GET /generate", "batch", "encode", "infer", "queue"]
    [request] = [span for span in scope.spans if span.name == "GET /generate"]
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert {"uvicorn.error", "app.engine.residency"} < {line["logger"] for line in lines}
    [line] = [line for line in lines if line.get("route") == "/generate"]
    assert line["trace_id"] == request.trace_id.hex()
    said = {item.key: item.value.string_value for item in request.attributes}
    assert line["request_id"] == said["ganymede.request_id"]


@pytest.mark.parametrize(
    ("wish", "variables", "asked"),
    [
        ("auto", {}, False),
        ("auto", {ENDPOINT: HERE}, True),
        ("auto", {TRACES: f"{HERE}/v1/traces"}, True),
        ("auto", {ENDPOINT: HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ("auto", {ENDPOINT: HERE, "OTEL_SDK_DISABLED": "true"}, False),
        ("off", {ENDPOINT: HERE}, False),
        ("on", {}, True),
    ],
)
def test_the_setting_or_the_collectors_address_asks_for_traces(
    monkeypatch: pytest.MonkeyPatch, wish: str, variables: dict[str, str], asked: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = provider(Settings.model_validate({"tracing": wish}))
    assert (made is not None) == asked
    if made is not None:
        made.shutdown()


def test_the_resource_is_named_by_the_standard_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "pictures")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    made = provider(Settings(tracing="on"))
    assert made is not None
    assert made.resource.attributes["service.name"] == "pictures"
    assert made.resource.attributes["deployment.environment.name"] == "test"
    made.shutdown()


def test_a_collector_that_is_gone_holds_up_neither_answers_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv(ENDPOINT, gone)
    monkeypatch.setattr(tracing, "PATIENCE", 0.2)
    with TestClient(create_app(settings)) as client:
        assert client.get("/models").status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("wish", "asks"), [("on", "--tracing on"), ("auto", ENDPOINT)])
def test_without_the_extra_who_asks_for_traces_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, models_dir: Path, wish: str, asks: str
) -> None:
    # As Python itself marks a module that can't be imported.
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setenv(ENDPOINT, HERE)
    with pytest.raises(TracingUnavailable) as refused:
        create_app(Settings.model_validate({"models": models_dir, "tracing": wish}))
    assert str(refused.value) == (
        f"{asks} asks for traces, and what makes them isn't installed: pip install 'ganymede[tracing]', "
        "or leave them with --tracing off"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "--tracing on asks for traces, but OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': this service speaks "
            "http/protobuf (OTLP) only; set it to http/protobuf, or leave traces with --tracing off",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "zipkin",
            "--tracing on asks for traces, but OTEL_TRACES_EXPORTER is 'zipkin': this service speaks "
            "http/protobuf (OTLP) only; set it to otlp, or leave traces with --tracing off",
        ),
        (
            ENDPOINT,
            "collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as http://collector:4318, not 'collector:4318'",
        ),
    ],
)
def test_a_variable_that_can_not_be_followed_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TracingUnavailable) as refused:
        provider(Settings(tracing="on"))
    assert str(refused.value) == message
