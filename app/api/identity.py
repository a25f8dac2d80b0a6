"""Which request this is: the ids that it brings in its headers, checked, or an id of its own."""

import random
import re
from collections.abc import Iterable, Mapping

HEADER = b"x-request-id"

FIT = re.compile(rb"[A-Za-z0-9._~:+/=@-]{1,128}")
"""Ids that are taken over: UUIDs, ULIDs, base64, and what proxies make. Nothing that could end or forge a log line."""

PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
"""A version, the trace, the span that called, its flags, and what a later version than 00 may add."""

NOTHING: Mapping[str, str] = {}


def of(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str | None, Mapping[str, str]]:
    """The id of a request with these headers, the id of its trace, 32 hexadecimal digits, and the trace's context, its
    `traceparent` and `tracestate`: None and nothing if it is in no trace.

    An `X-Request-ID` that is missing, not `FIT` or given twice is replaced by 128 random bits in hexadecimal. A
    `traceparent` that is malformed or given twice (W3C Trace Context, Level 1, section 3.2) counts as none; what
    `tracestate` holds is for whoever goes on with the trace to read.
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
    # Not from the system: that lets go of the interpreter's lock, and these are names, no secrets.
    fit = len(ids) == 1 and FIT.fullmatch(ids[0])
    request_id = ids[0].decode("ascii") if fit else f"{random.getrandbits(128):032x}"
    parent = PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if parent is None or (parent[1] == b"00" and parent[3]):
        return request_id, None, NOTHING
    carried = {"traceparent": parent[0].decode("latin-1")}
    if states:
        carried["tracestate"] = b",".join(states).decode("latin-1")
    return request_id, parent[2].decode("ascii"), carried
