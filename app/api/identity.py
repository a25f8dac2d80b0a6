"""Which request this is: the ids that it brings in its headers, checked, or an id of its own."""

import os
import re
from collections.abc import Iterable

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

HEADER = b"x-request-id"

FIT = re.compile(rb"[A-Za-z0-9._~:+/=@-]{1,128}")
"""Ids that are taken over: UUIDs, ULIDs, base64, and what proxies make. Nothing that could end or forge a log line."""

NOWHERE = Context()
W3C = TraceContextTextMapPropagator()


def of(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str | None, Context]:
    """The id of a request with these headers, that of its trace, 32 hexadecimal digits, and the trace's context: None
    and an empty one if it is in none.

    An `X-Request-ID` that is missing, not `FIT` or given twice is replaced by 128 random bits in hexadecimal. The trace
    context is that of `traceparent` and `tracestate` (W3C Trace Context, Level 1, sections 3.2 and 3.3); where the
    former is malformed or given twice, there is none.
    """
    ids: list[bytes] = []
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == HEADER:
            ids.append(value)
        elif name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    fit = len(ids) == 1 and FIT.fullmatch(ids[0])
    request_id = ids[0].decode("ascii") if fit else os.urandom(16).hex()
    if len(parents) != 1:
        return request_id, None, NOWHERE
    carried = {"traceparent": parents[0].decode("latin-1").strip()}
    if states:
        carried["tracestate"] = b",".join(states).decode("latin-1")
    context = W3C.extract(carried, NOWHERE)
    return request_id, carried["traceparent"][3:35] if context else None, context
