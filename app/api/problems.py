"""Every error as a problem document (RFC 9457): ours, the framework's, and those that nobody foresaw.

It is sent as `application/problem+json`, or in the shape of another protocol, see `faces`. No answer shows a stack
trace; the log does.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app import caller
from app.api import protocols
from app.errors import InvalidParameter, Problem

MEDIA_TYPE = protocols.OWN.media_type

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that hung up: nobody receives it, but the request counter shows it."""


def install(app: FastAPI) -> None:
    """Makes `app` answer every error with a problem document."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _unforeseen)


async def answer_to(request: Request, error: Exception) -> Response:
    """The answer to an error, foreseen or not."""
    for kind, handler in HANDLERS.items():
        if isinstance(error, kind):
            return await handler(request, error)
    return await _unforeseen(request, error)


def is_unforeseen(error: Exception) -> bool:
    """Whether an error is none that a client can bring about."""
    return not isinstance(error, tuple(HANDLERS))


def answer(request: Request, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The response of a problem document, as the client of this request expects it. Errors are never cached."""
    face = protocols.of(request)
    body = json.dumps(face.content(_identified(document)), ensure_ascii=False).encode()
    return Response(body, face.status(document), {"Cache-Control": "no-store", **(headers or {})}, face.media_type)


def document(problem: Problem) -> dict[str, Any]:
    """The document of a problem that is told within an answer."""
    return _identified(problem.document())


def _identified(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the id of its request.

    A member of its own (RFC 9457, section 3.2) and not `instance`, which identifies one occurrence of the problem: a
    client may give several requests one id.
    """
    asking = caller.current.get()
    return {**document, "request_id": asking.request_id} if asking else dict(document)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 (Starlette types handlers by Exception alone)
    return answer(request, error.document(), error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    flaws = [{"field": ".".join(map(str, flaw["loc"][1:])), "message": flaw["msg"]} for flaw in error.errors()]
    return answer(request, InvalidParameter(flaws).document())


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    detail = error.detail
    if detail == HTTPStatus.NOT_FOUND.phrase:  # the router's own; an endpoint's 404 says more
        detail = f"There is nothing at {request.url.path}; /docs lists every route."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
        detail = f"{request.url.path} has no {request.method}; it has {headers['Allow']}."
    return answer(request, _generic(error.status_code, detail), headers)


async def _hung_up(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _unforeseen(request: Request, _: Exception) -> Response:
    return answer(request, _generic(500, "The server failed unexpectedly; its log has the reason."))


def _generic(status: int, detail: str) -> dict[str, Any]:
    """A problem that is no more than its HTTP status (RFC 9457, section 4.2.1)."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def _methods(request: Request) -> list[str]:
    """The methods of every route on this path: the framework's own `Allow` names those of the first one only."""
    path = request.scope["route"].path
    routes = (route for route in iter_route_contexts(request.app.routes) if route.path == path)
    return sorted({method for route in routes for method in route.methods or ()})


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Problem: _ours,
    RequestValidationError: _invalid,
    HTTPException: _http,
    ClientDisconnect: _hung_up,
}
"""Who answers which of the errors that are foreseen."""
