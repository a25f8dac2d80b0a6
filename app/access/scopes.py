"""What a route needs of whoever asks, written on its endpoint. Read by the door, and by the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

Scope = Literal["generate", "admin", "metrics"]
"""What a key may have: to draw and to read models; to change what is served; to read `/metrics`."""
Need = Literal["generate", "admin", "metrics", "open", "health"]
"""What a route may need: one of the scopes, or no key at all; `health` is open, and on both ports if there are two."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
UNDECLARED: Scope = "admin"
"""What a route needs that doesn't say so: so nothing new is ever open by accident."""

Endpoint = TypeVar("Endpoint")


def needs(need: Need) -> Callable[[Endpoint], Endpoint]:
    """Declares what a route needs, on its endpoint: a decorator below that of the route, or of a mounted application.

    It wraps nothing, so it costs a request nothing.
    """

    def declared(endpoint: Endpoint) -> Endpoint:
        endpoint.__ganymede_needs__ = need  # type: ignore[attr-defined]
        return endpoint

    return declared


def needed(endpoint: Any) -> Need:
    """What the route of this endpoint, or of a mounted application, needs."""
    found: Need = getattr(endpoint, "__ganymede_needs__", UNDECLARED)
    return found
