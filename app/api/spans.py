"""What is traced of a request, with OpenTelemetry's API: a span for it, for its phases, and for the batches it rode in.

    POST /generate      the request; its parent is the caller's span, if it named one in `traceparent`
    ├ queue             from the submission of a job until its last sample enters a batch
    ├ batch             a run of the device: a child of the first traced request in it, linked to all of them
    ├ infer             until the job's last output is there; linked to its batches, whose child or not they are
    └ encode            until its result is made

The request's span begins with it, since its id is what batches are linked to. Phases are made when it ends, of times
that the engine takes anyway.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, TracerProvider, set_span_in_context, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from starlette.types import Scope

from app.api.counting import NO_ROUTE
from app.caller import Caller, Phases

CONVENTIONS = "https://opentelemetry.io/schemas/1.37.0"
"""OpenTelemetry's semantic conventions that names of attributes follow; those of this service begin with its name."""

W3C, NOWHERE = TraceContextTextMapPropagator(), Context()

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""Methods that the conventions know; another one is `_OTHER`, so that clients can't invent values."""

NAMES = {
    "bytes": "http.response.body.size",
    "client": "client.address",
    "key": "ganymede.key",
    "model": "ganymede.model",
}
"""Attributes told of a request when it ends, beside route and status, by what its line in the log calls them."""


class Traces:
    """Begins the trace of each request, with spans of this provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("ganymede", version("ganymede"), CONVENTIONS)

    def begin(self, scope: Scope, asking: Caller, carried: Mapping[str, str]) -> "RequestTrace | None":
        """The trace of a request that carried that context, noted at its caller; None if it isn't sampled.

        Its id is the caller's in either case.
        """
        method = scope["method"]
        known = method if method in METHODS else "_OTHER"
        attributes: dict[str, AttributeValue] = {
            "http.request.method": known,
            "url.path": scope["path"],
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"),
            "ganymede.request_id": asking.request_id,
        }
        if known != method:
            attributes["http.request.method_original"] = method
        if server := scope.get("server"):
            attributes["server.address"] = server[0]
            if server[1] is not None:
                attributes["server.port"] = server[1]
        name = known if known == method else "HTTP"
        span = self._tracer.start_span(name, W3C.extract(carried, NOWHERE), SpanKind.SERVER, attributes)
        if (of := span.get_span_context()).is_valid:
            asking.trace_id = f"{of.trace_id:032x}"
        if not span.is_recording():
            return None
        asking.trace = trace = RequestTrace(self._tracer, span, name)
        return trace


class RequestTrace:
    """The spans of one request, see `caller.Trace`."""

    def __init__(self, tracer: Tracer, span: Span, name: str) -> None:
        self.span = span
        self.batches: list[Link] = []
        self._tracer = tracer
        self._name = name
        self._context = set_span_in_context(span, Context())
        self._epoch = time.time_ns() - time.monotonic_ns()

    @contextmanager
    def batch(self, model: str, size: int, release: str, traces: Sequence["RequestTrace"]) -> Iterator[None]:
        """The span of a batch, which ends with the run; an error that it raises is in it."""
        links = [Link(trace.span.get_span_context()) for trace in traces]
        attributes: dict[str, AttributeValue] = {
            "ganymede.model": model,
            "ganymede.batch.size": size,
            "ganymede.batch.release": release,
        }
        span = self._tracer.start_span("batch", self._context, attributes=attributes, links=links)
        for trace in traces:
            trace.batches.append(Link(span.get_span_context()))
        with use_span(span, end_on_exit=True):
            yield

    def end(
        self, told: Mapping[str, Any], jobs: Sequence[tuple[float, Phases]], raised: BaseException | None = None
    ) -> None:
        """Ends the request's span, with what is told of it, and makes those of the phases of its jobs."""
        now = time.monotonic()
        rides = iter(self.batches)
        for submitted, timing in jobs:
            links = [link for _, link in zip(timing.batches, rides, strict=False)]
            self._phases(submitted, timing, links, now)
        if told["route"] != NO_ROUTE:
            self.span.update_name(f"{self._name} {told['route']}")
            self.span.set_attribute("http.route", told["route"])
        status: int = told["status"]
        self.span.set_attribute("http.response.status_code", status)
        self.span.set_attributes({name: told[field] for field, name in NAMES.items() if field in told})
        if status >= 500 or raised is not None or "ended" in told:
            kind = told.get("ended", str(status)) if raised is None else type(raised).__qualname__
            self.span.set_attribute("error.type", kind)
            # A client that leaves is no failure of the server.
            if told.get("ended") != "cancelled":
                self.span.set_status(StatusCode.ERROR)
        self.span.end(self._at(now))

    def _phases(self, submitted: float, timing: Phases, links: Sequence[Link], now: float) -> None:
        """The spans of a job's phases. One that has not ended lasts until now, and is the last."""
        began = submitted
        for name, seconds in (("queue", timing.queue), ("infer", timing.infer), ("encode", timing.encode)):
            ended = began + seconds if seconds else now
            span = self._tracer.start_span(
                name, self._context, links=links if name == "infer" else (), start_time=self._at(began)
            )
            span.end(self._at(ended))
            began = ended
            if not seconds:
                return

    def _at(self, moment: float) -> int:
        """A `time.monotonic` moment as nanoseconds of the epoch, by the clock as it stood when the request came."""
        return self._epoch + int(1e9 * moment)
