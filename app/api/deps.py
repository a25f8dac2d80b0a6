"""What every endpoint needs: a route, the service behind the app, and the parameters of a request."""

import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.api.intake import Intake
from app.api.schemas import expectation, properties
from app.engine.catalog import Catalog
from app.errors import InvalidParameter
from app.metrics import Metrics
from app.settings import Settings

Fields = TypeVar("Fields", bound=BaseModel)

MAX_BODY = 16 * 1024
"""Bytes of a body of parameters."""


@dataclass(frozen=True)
class Service:
    """What one app serves with; `create_app` puts it at `app.state.service`."""

    settings: Settings
    metrics: Metrics
    catalog: Catalog
    intake: Intake
    """Whose turn it is to have an uploaded picture, or frames, decoded."""


def service(request: Request) -> Service:
    """The service of the app that this request came to."""
    found: Service = request.app.state.service
    return found


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response.

    FastAPI finds no parameters to fill in and nothing to serialise there, which takes it a tenth of a small picture's
    time; here it does not look.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


async def parameters(request: Request, model: type[Fields], most: int = MAX_BODY) -> Fields:
    """The query and, of a POST, the JSON body of at most so many bytes, checked as one `model`; see `checked`.

    Raises 415 for a body that isn't JSON by its content type, 413 for one that is too large.
    """
    body = await json_object(request, most) if request.method == "POST" else {}
    return checked(request, body.items(), model)


def checked(request: Request, body: Iterable[tuple[str, Any]], model: type[Fields]) -> Fields:
    """The fields of the query and of a body, checked as one `model`.

    Raises `InvalidParameter` naming each bad field with its range, a field given twice and an unknown one.
    """
    given: dict[str, Any] = {}
    flaws = []
    for field, value in [*pairs(request.scope["query_string"].decode("latin-1")), *body]:
        if field in given:
            flaws.append({"field": field, "message": "is given more than once, in the query or in query and body"})
        given[field] = value
    if flaws:
        raise InvalidParameter(flaws)
    return validated(given, model)


def pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query, in their order: as `parse_qsl`, which looks at each of them for escapes."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True)
    given = [pair.partition("=") for pair in query.split("&") if pair]
    return [(name, value) for name, _, value in given]


def validated(given: Mapping[str, Any], model: type[Fields], within: str = "") -> Fields:
    """Fields by name, checked as one `model`; raises `InvalidParameter`, in which the names stand after `within`."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        flaws = [_flaw(model, flaw) for flaw in error.errors()]
        raise InvalidParameter([flaw | {"field": within + flaw["field"]} for flaw in flaws]) from error


def _flaw(model: type[BaseModel], flaw: ErrorDetails) -> dict[str, str]:
    known, field = properties(model), str(flaw["loc"][0])
    if field not in known:
        return {"field": field, "message": f"there is no such parameter; known: {', '.join(known)}"}
    if flaw["type"] == "missing":
        return {"field": field, "message": f"is missing; it must be {expectation(known[field])}"}
    shown = json.dumps(flaw["input"], ensure_ascii=False, default=str)
    if len(shown) > 64:
        shown = f"{shown[:64]}…"
    return {"field": field, "message": f"must be {expectation(known[field])}, not {shown}"}


def media_type(request: Request) -> str:
    """The content type of the body, in lower case and without its parameters; "" if it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_object(
    request: Request, limit: int = MAX_BODY, advice: str = "all parameters fit into a few hundred"
) -> dict[str, Any]:
    """The members of the JSON object in the body; none if the body is empty.

    Raises 415 for a body that isn't JSON by its content type, 413 for one of more than `limit` bytes, which ends with
    the `advice`.
    """
    raw, more = b"", True
    # `Request.stream` is a generator, which the event loop keeps a list of: a fifth of what validation takes.
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        raw += message.get("body", b"")
        more = message.get("more_body", False)
        if len(raw) > limit:
            raise HTTPException(413, f"The body may hold {limit} bytes; {advice}.")
    if not raw:
        return {}
    kind = media_type(request)
    if kind != "application/json":
        raise HTTPException(415, f"The body must be application/json, not {kind or 'untyped'}; or use the query.")
    try:
        content = from_json(raw)
    except ValueError as error:
        raise InvalidParameter.of("body", f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidParameter.of("body", "must be a JSON object of parameters")
    return content
