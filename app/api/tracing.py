"""Whether requests are traced, and where their spans go: to a collector, over OTLP/HTTP, by OpenTelemetry's SDK.

The SDK is the extra `tracing`; nothing of it is imported where nobody asks for traces. Its own `OTEL_*` variables set
the collector's address and headers, the sampler, the queue's sizes and the resource's attributes.
"""

import os
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables that ask for traces, where the setting leaves it to them: each names the collector."""
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"
SPOKEN = "http/protobuf"

PATIENCE = 3.0
"""Seconds that the last spans may take to be sent at the end. The SDK would try a collector that is gone for ten."""


class TracingUnavailable(Exception):  # noqa: N818 - as `DeviceUnavailable`
    """Traces are asked for and can't be had; says who asks, why not, and what to do."""


def provider(settings: Settings) -> "TracerProvider | None":
    """What makes spans and sends them to the collector, until it is told to `close`; None where nobody asks for traces.

    Raises `TracingUnavailable` if they are asked for, but the extra isn't installed or a variable says what can't be.
    """
    asked = _asked(settings)
    if asked is None:
        return None
    _check(asked)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingUnavailable(
            f"{asked} asks for traces, and what makes them isn't installed: pip install 'ganymede[tracing]', "
            "or leave them with --tracing off"
        ) from error
    resource = Resource.create({"service.version": version("ganymede")})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "ganymede"}))
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def close(made: "TracerProvider") -> None:
    """Sends the spans that have not been, for `PATIENCE` at most; what is left then is lost."""
    ending = Thread(target=made.shutdown, name="ganymede-last-spans", daemon=True)
    ending.start()
    ending.join(PATIENCE)


def _asked(settings: Settings) -> str | None:
    """What asks for traces, None if nothing does."""
    if settings.tracing == "on":
        return "--tracing on"
    disabled = os.environ.get(DISABLED, "").strip().lower() == "true" or os.environ.get(EXPORTER, "").strip() == "none"
    if settings.tracing == "off" or disabled:
        return None
    return next((name for name in ENDPOINTS if os.environ.get(name)), None)


def _check(asked: str) -> None:
    """Raises `TracingUnavailable` where a variable wants what this service doesn't do, or names no address."""
    for name, takes in ((EXPORTER, ("otlp", "none")), *((name, (SPOKEN,)) for name in PROTOCOLS)):
        given = os.environ.get(name, "").strip()
        if given and given not in takes:
            raise TracingUnavailable(
                f"{asked} asks for traces, but {name} is {given!r}: this service speaks {SPOKEN} (OTLP) only; "
                f"set it to {takes[0]}, or leave traces with --tracing off"
            )
    for name in ENDPOINTS:
        given = os.environ.get(name, "")
        if given and (urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).hostname):
            raise TracingUnavailable(f"{name} must be an address such as http://collector:4318, not {given!r}")
