"""What a client is told whose connection is closed: problem documents (RFC 9457) from below the routes.

Used by `connection`, which decides. Knows HTTP and the settings.
"""

import json
from collections.abc import Iterable
from http import HTTPStatus

from app.metrics import Closed
from app.settings import Settings

LEAST = 1000
"""Bytes a second that a body must bring, and that an answer must lose, on average over the seconds that it may stall:
a fifth of what the slowest phones manage."""

SAID: dict[Closed, tuple[int, str]] = {
    "malformed": (400, "This is no HTTP request that can be read."),
    "url": (414, "The address is too long: it may have {head_kb:g} kB."),
    "headers": (431, "The headers are too large: they may have {head_kb:g} kB in all."),
    "head": (408, "The head of the request must be there within {head_seconds:g} s."),
    "body": (408, "The body came too slowly: less than {least:,.0f} bytes in {body_seconds:g} s."),
    "full": (503, "This replica has as many connections as it may have; ask another one, or come back later."),
}
"""What a client is told, by why its connection is closed. Of the other reasons nobody would read it."""

FIELDS = (
    (b"content-type", b"application/problem+json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),
)


def answer(reason: Closed, settings: Settings, usual: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole answer, with the server's usual headers."""
    status, said = SAID[reason]
    detail = said.format(
        head_kb=settings.max_head_kb,
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        least=LEAST * settings.body_seconds,
    )
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(document).encode()
    fields = [*usual, *FIELDS, (b"content-length", b"%d" % len(body))]
    head = b"".join(b"%s: %s\r\n" % field for field in fields)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, title.encode(), head, body)
