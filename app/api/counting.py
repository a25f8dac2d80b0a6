"""Counts every answered request by route, model and status: the one thing that all routes have in common.

A bare ASGI wrapper, since Starlette's BaseHTTPMiddleware costs a task and a stream for each request.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine.guests import Guests
from app.metrics import Metrics

NO_ROUTE = "none"
"""The route of requests that no route took: their paths are the client's invention, and no label."""


class RequestCounter:
    """Counts on the first byte of the answer, or as 500 where the app raises without one.

    Until it is counted, a request is one of the `guests`: the model that it holds, and its series, stay.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, guests: Guests) -> None:
        self.app = app
        self.metrics = metrics
        self._guests = guests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._guests.enter(watch)
        try:
            await self.app(scope, receive, watch)
        finally:
            route = scope.get("route")
            model = scope.get("state", {}).get("model", "")
            self.metrics.request(NO_ROUTE if route is None else route.path, model, status or 500)
            self._guests.leave(watch)
