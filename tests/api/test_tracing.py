"""Spans of requests, their phases and their batches, as OpenTelemetry's SDK gets them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app.settings import Settings
from tests.api.conftest import start
from tests.api.held import hold, post, until

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = f"00-{TRACE:032x}-{SPAN:016x}"


class Traced:
    """A client of an application that is traced, and the spans that have ended."""

    def __init__(self, running: ExitStack, models: Path) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        settings = Settings(models=models, device="cpu", threads=1, encode_threads=1, max_batch=8)
        self.client = start(running, settings, provider)

    def spans(self, name: str) -> list[ReadableSpan]:
        """Those of that name, in the order of their beginning."""
        found = [span for span in self._exporter.get_finished_spans() if span.name == name]
        return sorted(found, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        [span] = self.spans(name)
        return span

    def names(self) -> list[str]:
        return sorted(span.name for span in self._exporter.get_finished_spans())


@pytest.fixture
def traced(models_dir: Path) -> Iterator[Traced]:
    with ExitStack() as running:
        yield Traced(running, models_dir)


def ids(spans: list[ReadableSpan]) -> list[int]:
    return [span.context.span_id for span in spans]


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def test_a_request_is_a_tree_of_its_phases_and_its_batch(traced: Traced) -> None:
    traced.client.get("/generate?model=toy@1&seed=1", headers={"X-Request-ID": "mine"})
    assert traced.names() == ["GET /generate", "batch", "encode", "infer", "queue"]
    request = traced.one("GET /generate")
    assert (request.kind, request.parent) == (SpanKind.SERVER, None)
    children = [traced.one(name) for name in ("queue", "batch", "infer", "encode")]
    assert {child.parent.span_id for child in children if child.parent} == set(ids([request]))
    assert {child.context.trace_id for child in children} == {request.context.trace_id}
    queue, batch, infer, encode = children
    assert request.start_time <= queue.start_time
    assert (queue.end_time, infer.end_time) == (infer.start_time, encode.start_time)
    assert infer.start_time - 1000 <= batch.start_time <= batch.end_time <= infer.end_time + 1000
    assert encode.end_time <= request.end_time
    assert linked(batch) == ids([request])
    assert linked(infer) == ids([batch])


def test_a_request_is_described_by_the_semantic_conventions(traced: Traced) -> None:
    headers = {"X-Request-ID": "mine", "Authorization": "hunter2"}
    answer = traced.client.get("/generate?model=toy@1&seed=1&", headers=headers)
    request = traced.one("GET /generate")
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.response.body.size": len(answer.content),
        "http.route": "/generate",
        "url.path": "/generate",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "testserver",
        "server.port": 80,
        "client.address": "testclient",
        "ganymede.model": "toy@1",
        "ganymede.request_id": "mine",
    }
    assert request.status.status_code == StatusCode.UNSET
    batch = {"ganymede.model": "toy@1", "ganymede.batch.size": 1, "ganymede.batch.release": "idle"}
    assert traced.one("batch").attributes == batch


def test_the_parent_is_the_span_that_the_caller_names(traced: Traced) -> None:
    headers = {"traceparent": f"{TRACEPARENT}-01", "tracestate": "vendor=value"}
    traced.client.get("/models", headers=headers)
    request = traced.one("GET /models")
    assert request.context.trace_id == TRACE
    assert request.parent is not None
    assert (request.parent.span_id, request.parent.is_remote) == (SPAN, True)
    assert request.context.trace_state.get("vendor") == "value"


def test_what_the_caller_does_not_sample_is_not_traced(traced: Traced) -> None:
    answer = traced.client.get("/generate?model=toy@1&seed=1", headers={"traceparent": f"{TRACEPARENT}-00"})
    assert answer.status_code == 200
    assert traced.names() == []


def test_a_batch_is_one_span_linked_to_each_of_its_requests(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go = hold(traced.client, monkeypatch)
    batcher = traced.client.app.state.service.catalog.get("toy").queues["generator"]  # type: ignore[attr-defined]

    async def story() -> None:
        stays = asyncio.Event()
        tasks = [asyncio.create_task(post(traced.client, "model=toy", stays))]
        await until(entered.is_set)
        tasks += [asyncio.create_task(post(traced.client, "model=toy", stays)) for _ in range(3)]
        await until(lambda: batcher.door.waiting["interactive"] == 3)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(story())
    requests = traced.spans("POST /generate")
    alone, shared = traced.spans("batch")
    assert linked(alone) == ids(requests[:1])
    assert sorted(linked(shared)) == sorted(ids(requests[1:]))
    assert shared.parent is not None
    assert shared.parent.span_id in ids(requests[1:])
    assert [linked(span) for span in traced.spans("infer")].count(ids([shared])) == 3


def test_a_request_in_several_batches_has_several(traced: Traced) -> None:
    traced.client.get("/generate?model=toy@1&seed=1&n=20&format=zip")
    batches = traced.spans("batch")
    assert [span.attributes["ganymede.batch.size"] for span in batches if span.attributes] == [8, 8, 4]
    assert {tuple(linked(span)) for span in batches} == {tuple(ids([traced.one("GET /generate")]))}
    assert linked(traced.one("infer")) == ids(batches)


def test_a_stream_is_traced_to_its_end(traced: Traced) -> None:
    traced.client.get("/generate?model=toy@1&seed=1&n=20&format=ndjson")
    assert traced.names().count("batch") == 3
    assert traced.one("encode").end_time <= traced.one("GET /generate").end_time


def test_a_batch_that_fails_says_so_and_its_request_too(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    _, go = hold(traced.client, monkeypatch, failing=True)
    go.set()
    assert traced.client.get("/generate?model=toy").status_code == 500
    batch, request = traced.one("batch"), traced.one("GET /generate")
    assert batch.status.status_code == request.status.status_code == StatusCode.ERROR
    assert [event.attributes["exception.message"] for event in batch.events if event.attributes] == ["out of memory"]
    assert (request.attributes or {})["error.type"] == "500"
    # It never had an output: the phase that it was in lasts until the end.
    assert traced.one("infer").end_time == request.end_time
    assert traced.spans("encode") == []


def test_who_hangs_up_in_the_queue_leaves_a_queue_that_ends_with_the_request(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go = hold(traced.client, monkeypatch)

    async def story() -> None:
        stays, leaves = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(post(traced.client, "model=toy", stays))
        await until(entered.is_set)
        second = asyncio.create_task(post(traced.client, "model=toy", leaves))
        await asyncio.sleep(0.02)
        leaves.set()
        await second
        go.set()
        await first

    asyncio.run(story())
    left = traced.spans("POST /generate")[1]
    [queue] = [span for span in traced.spans("queue") if span.parent and span.parent.span_id in ids([left])]
    assert queue.end_time == left.end_time
    assert (left.attributes or {})["http.response.status_code"] == 499
    assert (left.attributes or {})["error.type"] == "cancelled"
    assert left.status.status_code == StatusCode.UNSET


def test_an_odd_method_and_a_path_of_nobodys_do_not_become_names(traced: Traced) -> None:
    traced.client.request("BREW", "/coffee")
    request = traced.one("HTTP")
    attributes: dict[str, Any] = dict(request.attributes or {})
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", "BREW")
    assert "http.route" not in attributes


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_and_scrapes_are_not_traced(traced: Traced, path: str) -> None:
    assert traced.client.get(path).status_code == 200
    assert traced.names() == []
