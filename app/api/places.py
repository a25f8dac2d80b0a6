"""Which route a request will come to, and what that needs: asked by the door before the framework is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from re import Pattern
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

# The framework's own two, so that both see the same path and the same pattern.
from starlette._utils import get_route_path
from starlette.routing import Mount, compile_path
from starlette.types import Scope

from app.access.scopes import Need, needed


@dataclass(frozen=True)
class Place:
    """A route: its pattern, its methods, None for any, what it needs, and the framework's object."""

    path: str
    pattern: Pattern[str]
    methods: frozenset[str] | None
    need: Need
    route: Any


class Found(NamedTuple):
    """The place of a request; `allowed` says whether it has the method, too."""

    place: Place
    allowed: bool


class Places:
    """The routes of an app, in its order: the first that has path and method is the one, as for the framework."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._known = -1
        self._exact: dict[tuple[str, str], Found] = {}
        self._patterns: list[Place] = []

    def find(self, scope: Scope) -> Found | None:
        """Where a request goes; None if there is nothing at its path."""
        if self._known != len(self._app.routes):
            self._look()
        path = get_route_path(scope)
        found = self._exact.get((scope["method"], path))
        return found if found is not None else _first(self._patterns, scope["method"], path)

    def _look(self) -> None:
        self._patterns = list(every(self._app))
        self._known = len(self._app.routes)
        # Most routes have no parts in their path: those need no search.
        self._exact = {}
        for place in self._patterns:
            for method in place.methods or ():
                if "{" not in place.path and (found := _first(self._patterns, method, place.path)):
                    self._exact[method, place.path] = found


def every(app: FastAPI) -> Iterator[Place]:
    """All routes of an app, those of the routers that it includes among them."""
    for context in iter_route_contexts(app.routes):
        route: Any = context.original_route
        mounted = isinstance(route, Mount)
        path = f"{context.path}/{{path:path}}" if mounted else str(context.path)
        pattern, _, _ = compile_path(path)
        endpoint = route.app if mounted else context.endpoint
        methods = None if context.methods is None else frozenset(context.methods)
        yield Place(path, pattern, methods, needed(endpoint), route)


def _first(places: Iterable[Place], method: str, path: str) -> Found | None:
    other = None
    for place in places:
        if place.pattern.match(path):
            if place.methods is None or method in place.methods:
                return Found(place, True)
            other = other or Found(place, False)
    return other
