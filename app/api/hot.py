"""A short cut to the routes that small pictures come from.

The framework's own way to an endpoint, its exception middleware, its exit stack and its search for the route, takes
about 45 µs of a request, and this one 10 (`python -m bench.overhead`). Routes found here are the same objects that the
framework knows, so the OpenAPI document, the errors and the counts don't depend on the way that a request came.
"""

from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problems


class FrontedApp(FastAPI):
    """An application of which `front` takes every call, before the framework, which is at `framework`."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.front(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The framework's own way."""
        await super().__call__(scope, receive, send)


class HotRoutes:
    """Calls the endpoints of `routes`, each `Request → Response`, by exact method and path; else the framework."""

    def __init__(self, app: FrontedApp, routes: Iterable[APIRoute]) -> None:
        self.app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Behind a proxy that adds a prefix, the framework takes it off.
        hot = scope["type"] == "http" and not scope.get("root_path")
        route = self._routes.get((scope["method"], scope["path"])) if hot else None
        if route is None:
            await self.app.framework(scope, receive, send)
            return
        scope["app"], scope["route"] = self.app, route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except Exception as error:
            response = await problems.answer_to(request, error)
            if problems.is_unforeseen(error):
                # Answered, and then the server's to log.
                await response(scope, receive, send)
                raise
        await response(scope, receive, send)
