"""Where requests come in: each gets its ids, and leaves a line in the log and, where it is traced, spans.

The outermost wrapper, in bare ASGI, so that what it counts is what the client sees: every answer and error, and answers
that are streamed to their end. Knows no verb.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import caller
from app.api import identity, problems
from app.api.counting import NO_ROUTE
from app.api.problems import CLIENT_CLOSED_REQUEST
from app.api.spans import Traces
from app.caller import Caller

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that machines ask every few seconds: their lines are of the level debug, and they are not traced."""

LONGEST = 512
"""Characters of a path that are logged."""

log = logging.getLogger(__name__)


class Visit:
    """What is seen of one request while it is answered. Its `receive` and `send` go between server and application."""

    __slots__ = ("_head", "_id", "_receive", "_send", "ended", "gone", "sent", "status")

    def __init__(self, request_id: str, receive: Receive, send: Send, *, head: bool) -> None:
        self.status = 0
        """Of the answer; 0 before it begins."""
        self.sent = 0
        """Bytes of the body."""
        self.ended = False
        """Whether the answer is complete."""
        self.gone = False
        """Whether the client left before it was."""
        self._id = (identity.HEADER, request_id.encode("ascii"))
        self._receive = receive
        self._send = send
        self._head = head

    async def receive(self) -> Message:
        """The server's next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.ended:
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        """Sends a message of the application on, with the id of the request in the head of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            # Not appended: the list may be a response's own, which is sent more than once.
            message["headers"] = [*message.get("headers", ()), self._id]
        elif message["type"] == "http.response.body":
            if not self._head:
                self.sent += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        await self._send(message)

    def outcome(self) -> tuple[int, str | None]:
        """The status, and how the answer ended if it isn't complete: "cancelled" by the client, or "cut" by an error.

        Where no answer began, the status is nginx's 499 of a client that left, or 500.
        """
        if self.gone or self.status == CLIENT_CLOSED_REQUEST:
            return self.status or CLIENT_CLOSED_REQUEST, "cancelled"
        return self.status or 500, None if self.ended else "cut"


class Entrance:
    """Stands around the whole application. `lines` says whether each request leaves one in the log."""

    def __init__(self, app: ASGIApp, *, lines: bool, traces: Traces | None = None) -> None:
        self.app = app
        self.lines = lines
        self.traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        request_id, trace_id, carried = identity.of(scope["headers"])
        asking = Caller(request_id, trace_id)
        quiet = scope["path"].removeprefix(scope.get("root_path", "")) in QUIET
        span = self.traces.begin(scope, asking, carried) if self.traces is not None and not quiet else None
        # Never reset: the server logs what the application raises after this has returned, in the same task, which is
        # this request's alone.
        caller.current.set(asking)
        visit = Visit(request_id, receive, send, head=scope["method"] == "HEAD")
        raised: BaseException | None = None
        try:
            await self.app(scope, visit.receive, visit.send)
        except BaseException as error:
            raised = error
            if isinstance(error, Exception) and not visit.status:
                # Of a wrapper within: what routes raise has been answered.
                answer = await problems.answer_to(Request(scope, visit.receive), error)
                await answer(scope, visit.receive, visit.send)
            raise
        finally:
            level = logging.DEBUG if quiet else logging.INFO
            if span is not None or (self.lines and log.isEnabledFor(level)):
                told = _told(scope, visit, asking, time.monotonic() - began)
                if self.lines and log.isEnabledFor(level):
                    _write(level, told)
                if span is not None:
                    span.end(told, asking.jobs, raised)


def _told(scope: Scope, visit: Visit, asking: Caller, seconds: float) -> dict[str, Any]:
    """What is told of a request: no header but its ids, no query, nothing of its body or its answer's."""
    status, ended = visit.outcome()
    route = scope.get("route")
    state: Mapping[str, Any] = scope.get("state", {})
    told: dict[str, Any] = {
        "method": scope["method"],
        "path": _path(scope),
        "route": NO_ROUTE if route is None else route.path,
        "status": status,
        "bytes": visit.sent,
        "duration_ms": _ms(seconds),
    }
    if ended is not None:
        told["ended"] = ended
    if model := state.get("model"):
        told["model"] = model
    if asking.jobs:
        queue = infer = encode = 0.0
        sizes: list[int] = []
        for _, timing in asking.jobs:
            queue += timing.queue
            infer += timing.infer
            encode += timing.encode
            sizes += timing.batches
        told["queue_ms"] = _ms(queue)
        told["batch"] = max(sizes, default=0)
        told["batches"] = len(sizes)
        told["infer_ms"] = _ms(infer)
        told["encode_ms"] = _ms(encode)
    if key := state.get("key"):
        told["key"] = key
    if client := scope.get("client"):
        told["client"] = client[0]
    return told


def _path(scope: Scope) -> str:
    """The path as it was sent, percent-encoded; the server's decoded one may hold anything."""
    path: str = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return path if len(path) <= LONGEST else f"{path[:LONGEST]}…"


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


def _write(level: int, told: Mapping[str, Any]) -> None:
    """One line. The record is made here, since `log.log` looks for the line of code that it stands on, for 3 µs."""
    said = (told["method"], told["path"], told["status"])
    log.handle(log.makeRecord(log.name, level, __file__, 0, "%s %s %d", said, None, "_write", {"fields": told}))
