"""The door: who asks, whether their key may, how much of it is left, and which port what is asked at.

A bare ASGI wrapper. It stands there only where there are keys, or a port for management. What it lets pass it has
matched to a route itself: a path that it doesn't know comes no further.
"""

from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.bill import Bill
from app.access.keys import Key
from app.access.quotas import Headers, Quotas
from app.access.refusals import Forbidden, QuotaExceeded, Unauthorized
from app.access.scopes import Need
from app.access.usage import Usage
from app.access.watched import KeysFile
from app.api import problems
from app.api.hot import FrontedApp
from app.api.places import Found, Places
from app.errors import Problem
from app.metrics import Metrics

MANAGEMENT: frozenset[Need] = frozenset({"admin", "metrics"})
"""What only the management port has, where there is one."""
OPEN: frozenset[Need | None] = frozenset({"open", "health"})
"""What needs no key."""
NOT_ALLOWED = 1008
"""WebSocket's code for a violated policy (RFC 6455, section 7.4.1)."""


class Door:
    """Asks for the keys of a file, if there is one, and tells two ports apart, if `management` is one of them."""

    def __init__(
        self, app: ASGIApp, routes: FrontedApp, metrics: Metrics, keys: KeysFile | None, management: int | None
    ) -> None:
        """`app` is what lies behind the door; `routes` has the routes."""
        self.app = app
        self._routes = routes
        self._places = Places(routes)
        self._metrics = metrics
        self._keys = keys
        self._management = management
        self._quotas = Quotas(Usage.alone())
        if keys is not None:
            metrics.keys.watch(keys.look)

    def share(self, usage: Usage) -> None:
        """Counts from now on together with other workers."""
        self._quotas = Quotas(usage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There is no WebSocket here; one that comes must not come in by being no request.
            await send({"type": "websocket.close", "code": NOT_ALLOWED})
            return
        found = self._places.find(scope)
        key = None
        try:
            self._require_port(scope, found)
            if self._keys is not None and (found is None or found.place.need not in OPEN):
                key = self._owner(self._keys, scope, found)
            _require_route(found)
            if key is not None:
                self._quotas.enter(key)
        except (Problem, HTTPException) as error:
            await self._refuse(error, scope, receive, send, found, key)
            return
        if key is None:
            await self.app(scope, receive, send)
        else:
            await self._let_in(key, scope, receive, send)

    async def _let_in(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        bill = scope.setdefault("state", {})["bill"] = Bill(partial(self._require, key))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_private(message["headers"]), *self._quotas.headers(key, bill)]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before it is sent: whoever has all of an answer finds it counted, whichever worker is asked next.
                self._quotas.charge(key, bill)
            await send(message)

        try:
            await self.app(scope, receive, told)
        finally:
            self._quotas.charge(key, bill)
            self._quotas.leave(key)
            self._metrics.keys.used(key.name, *bill.total())

    def _require(self, key: Key) -> None:
        try:
            self._quotas.require(key)
        except QuotaExceeded as error:
            self._metrics.keys.refused(key.name, error.reason)
            raise

    def _require_port(self, scope: Scope, found: Found | None) -> None:
        """Raises 404 for what the other port has."""
        if self._management is None:
            return
        _, port = scope.get("server") or ("", None)
        managing = port == self._management
        need = found.place.need if found else None
        if need != "health" and managing != (need in MANAGEMENT):
            raise HTTPException(404)

    def _owner(self, keys: KeysFile, scope: Scope, found: Found | None) -> Key:
        """Whose the key of a request is; raises `Unauthorized` without one, `Forbidden` if it lacks the scope.

        Whoever has any key may be told that there is nothing at a path, or not with that method.
        """
        token = _token(scope)
        if token is None:
            raise Unauthorized("none")
        key = keys.ring().owner(token)
        # For the line of the request, and its span.
        scope.setdefault("state", {})["key"] = key.name
        if found is not None and found.allowed and found.place.need not in key.scopes:
            raise Forbidden(key.name, key.said, found.place.need)
        return key

    async def _refuse(
        self,
        error: Problem | HTTPException,
        scope: Scope,
        receive: Receive,
        send: Send,
        found: Found | None,
        key: Key | None,
    ) -> None:
        scope["app"] = self._routes
        if found is not None:
            # For the count of requests by route, and for the methods that a 405 names.
            scope["route"] = found.place.route
        if isinstance(error, Unauthorized | Forbidden | QuotaExceeded):
            reason = "scope" if isinstance(error, Forbidden) else error.reason
            self._metrics.keys.refused(error.name, reason)
        response = await problems.answer_to(Request(scope), error)
        if key is not None:
            response.raw_headers.extend(self._quotas.headers(key))
        await response(scope, receive, send)


def _require_route(found: Found | None) -> None:
    if found is None:
        raise HTTPException(404)
    if not found.allowed:
        raise HTTPException(405)


def _token(scope: Scope) -> bytes | None:
    """The token that a request brings: after `Bearer`, as every client of OpenAI's sends it, or in `X-API-Key`.

    Never in the query: addresses are written into logs, histories and pages.
    """
    other = None
    name: bytes
    value: bytes
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
        if name == b"x-api-key":
            other = value
    return other


def _private(headers: Headers) -> Headers:
    """Headers with which no cache between here and the client hands out the answer to whoever has no key."""
    return [
        (name, value.replace(b"public", b"private")) if name == b"cache-control" else (name, value)
        for name, value in headers
    ]
