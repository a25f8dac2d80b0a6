"""`/models/{reference}/map`: what a generator draws over a plane of its latent space, as one sheet."""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import caching, headers, openapi
from app.api.classes import name_of
from app.api.codes import transport
from app.api.codes.code_map import MEDIA_TYPES, CodeMap, MapParameters, settle
from app.api.deps import DirectRoute, checked, service
from app.api.jobs import carried_out
from app.api.negotiation import negotiated
from app.api.schemas import limited
from app.errors import InvalidParameter
from app.settings import Settings

ANSWER: openapi.Responses = {
    200: {
        "description": "The sheet.",
        "content": {kind: {} for kind in MEDIA_TYPES.values()},
        "headers": openapi.headers(headers.MAPPED),
    },
    304: {"description": "The client's copy, named by If-None-Match, still holds."},
    **openapi.problems(404, 406, 422, 429, 500, 503, 504),
}


def router(settings: Settings) -> APIRouter:
    """The routes, with the limits of these settings."""
    limits = limited(MapParameters, settings)
    routes = APIRouter(tags=["codes"], route_class=DirectRoute)

    @routes.get("/models/{reference}/map", response_class=Response, responses=ANSWER, openapi_extra=_described(limits))
    @needs("generate")
    async def map_of_codes(request: Request) -> Response:
        """What the generator draws over a plane of its latent space.

        With a pinned version (`name@version`) the answer never changes and may be cached for ever.
        """
        return await _map(request, limits)

    @routes.head("/models/{reference}/map", response_class=Response, include_in_schema=False)
    @needs("generate")
    async def headers_of_a_map(request: Request) -> Response:
        """What GET would say of its answer, from the address alone: nothing is drawn."""
        return await _map(request, limits)

    return routes


def _described(model: type[MapParameters]) -> dict[str, Any]:
    """How OpenAPI describes the parameters: the model's name is a part of the path."""
    path = {
        "name": "reference",
        "in": "path",
        "required": True,
        "description": "name, or name@version",
        "schema": {"type": "string"},
        "example": "fashion-vae@1",
    }
    return {"parameters": [path, *(field for field in openapi.query(model)["parameters"] if field["name"] != "model")]}


async def _map(request: Request, limits: type[MapParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    if "model" in request.query_params:
        message = "is named by the path; leave it out of the query"
        raise InvalidParameter.of("model", message)
    asked = checked(request, [("model", request.path_params["reference"])], limits)
    file_format = asked.format or negotiated(request, MEDIA_TYPES)
    live = here.catalog.get(asked.model, task=None)
    request.state.model = live.manifest.reference
    drawing = settle(asked, live, file_format, here.settings.max_samples)

    media_type = MEDIA_TYPES[file_format]
    fields = _fields(asked, drawing, request.scope.get("root_path", ""))
    if (known := caching.undrawn(request, fields, media_type)) is not None:
        return known

    image = live.manifest.graphs["generator"].output("image").name
    done = await carried_out(
        request,
        live,
        transport.inputs(live.manifest, drawing.codes(), drawing.label),
        lambda outputs: drawing.file(outputs[image]),
        deadline=started + (asked.timeout or here.settings.request_timeout),
        lane=asked.priority,
    )
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started)
    return Response(done.result(), headers=fields, media_type=media_type)


def _fields(asked: MapParameters, drawing: CodeMap, prefix: str) -> dict[str, str]:
    """Everything that can be said of a map before it is drawn. `prefix` is what a proxy added to paths."""
    fields = {"X-Model": drawing.manifest.reference}
    if name := name_of(drawing.manifest, drawing.label):
        fields["X-Class"] = headers.ascii_text(name)
    if asked.format is None:
        fields["Vary"] = "Accept"
    return fields | headers.of_address(drawing, prefix, pinned=asked.model == drawing.manifest.reference)
