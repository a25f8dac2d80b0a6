"""Headers by which browsers are told what an answer may do, and whose scripts may ask: on every answer, of any route.

Bare ASGI. `Strict-Transport-Security` is left to whoever speaks TLS, the proxy in front: over plain HTTP, which is all
that this service speaks, browsers ignore it.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page: a picture or a JSON document loads nothing. Pages set their own."""

READABLE = (
    "Content-Disposition",
    "Content-Location",
    "ETag",
    "Inference-Header-Content-Length",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server-Timing",
    "X-Class",
    "X-Index",
    "X-Match",
    "X-Model",
    "X-Realness",
    "X-Request-ID",
    "X-Seed",
    "X-Seeds",
)
"""The headers of answers that scripts of other sites may read, once those sites may ask at all."""

DAY = 86_400


class SecurityHeaders:
    """Adds the headers that a route has not set itself."""

    def __init__(self, app: ASGIApp, resource_policy: str) -> None:
        """`resource_policy` says whose pages may show an answer: Cross-Origin-Resource-Policy."""
        self.app = app
        self._headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-frame-options", b"DENY"),
            (b"cross-origin-resource-policy", resource_policy.encode()),
            (b"content-security-policy", NOTHING.encode()),
        ]
        self._names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                own = self._names.intersection([name for name, _ in given])
                given += [header for header in self._headers if header[0] not in own] if own else self._headers
                message["headers"] = given
            await send(message)

        await self.app(scope, receive, add)


def across(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application as scripts of those origins may call it; itself if there are none.

    Cookies are never sent: a key travels in a header that the script sets.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
        allow_headers=("*",),
        expose_headers=READABLE,
        max_age=DAY,
    )
