"""Counts every answered request by route, model and status: the one thing that all routes have in common.

A bare ASGI wrapper, since Starlette's BaseHTTPMiddleware costs a task and a stream for each request.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics

NO_ROUTE = "none"
"""The route of requests that no route took: their paths are the client's invention, and no label."""


class RequestCounter:
    """Counts on the first byte of the answer, or as 500 where the app raises without one."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

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

        try:
            await self.app(scope, receive, watch)
        finally:
            route = scope.get("route")
            model = scope.get("state", {}).get("model", "")
            self.metrics.request(NO_ROUTE if route is None else route.path, model, status or 500)
