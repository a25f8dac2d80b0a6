"""`/edit`: samples, latents or a picture of the client's own, moved along named directions of the latent space."""

import secrets
import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.access.scopes import needs
from app.api import caching, headers, layouts, openapi, uploads
from app.api.codes import transport
from app.api.codes.transport import JSON_LIMIT
from app.api.deps import DirectRoute, checked, json_object, media_type, service
from app.api.edits import amounts, starts
from app.api.edits.editable import model_for
from app.api.edits.editing import Editing
from app.api.edits.schemas import EditedSamples, EditParameters
from app.api.edits.settling import settle
from app.api.generate import UNCHANGED
from app.api.jobs import carried_out
from app.api.schemas import limited, members
from app.api.sight import seen
from app.api.uploads import Upload
from app.api.walks import sequences
from app.engine.job import Timing
from app.settings import Settings

ADVICE = "send fewer latents"

MEANINGS = {
    name: headers.MEANINGS[name] for name in ("X-Model", "X-Seed", "X-Class", "Content-Location", "Server-Timing")
}
MEANINGS["X-Index"] = "index of the first sample of the seed"

ANSWER: openapi.Responses = {
    200: {
        "model": EditedSamples,
        "description": "The pictures. Where all amounts are 0 they are, byte for byte, those of `/generate`.",
        "content": {kind: {} for kind in layouts.MEDIA_TYPES.values()},
        "headers": openapi.headers(MEANINGS),
    },
    **openapi.problems(404, 406, 422, 429, 500, 503, 504),
}


def router(settings: Settings) -> APIRouter:
    """The routes of `/edit`, with the limits of these settings."""
    limits = limited(EditParameters, settings)
    routes = APIRouter(tags=["edit"], route_class=DirectRoute)

    @routes.post(
        "/edit",
        response_class=Response,
        responses={**ANSWER, **openapi.problems(400, 413, 415)},
        openapi_extra=openapi.query(limits) | _body(limits),
    )
    @needs("generate")
    async def edit(request: Request) -> Response:
        """Change what a named direction changes, and leave the rest. Parameters come in the query, in a JSON body, or
        some in each.

        It begins at samples of a seed, with the parameters of `/generate`; or at `latents` in a JSON body, as
        `/encode` finds them; or at a picture, which is the body or the part `image` of a form, where the model has an
        encoder. `GET /models/{reference}` lists a model's directions and `/models/{reference}/directions.png` shows
        them. Amount 0 gives, byte for byte, the picture of `/generate`. Several samples are laid in a sheet; a sequence
        from one amount to another is a strip, one row for each sample, or an animation.

        The answer is never cached, but `Content-Location` names the address at which edited samples lie for ever, and
        each picture carries what `/reproduce` needs to draw it again.
        """
        return await _edit(request, limits)

    @routes.get("/edit", response_class=Response, responses=ANSWER | UNCHANGED, openapi_extra=openapi.query(limits))
    @needs("generate")
    async def edited_at_an_address(request: Request) -> Response:
        """The edited samples at an address.

        With a seed and a pinned version (`model=name@version`) the answer never changes and may be cached for ever;
        see `GET /generate`.
        """
        return await _edit(request, limits)

    @routes.head("/edit", response_class=Response, include_in_schema=False)
    @needs("generate")
    async def headers_of_an_edit(request: Request) -> Response:
        """What GET would say of its answer, from the address alone: nothing is drawn."""
        return await _edit(request, limits)

    return routes


def _body(limits: type[EditParameters]) -> dict[str, Any]:
    """How OpenAPI describes what a request may bring: parameters, and latents or a picture beside them."""
    fields = members(limits)
    example = {name: schema["examples"][0] for name, schema in fields.items() if "examples" in schema}
    latents = {"anyOf": [transport.LIST, {"type": "null"}], "description": "in place of samples of a seed"}
    schema = {"type": "object", "properties": {"latents": latents, **fields}, "additionalProperties": False}
    files = uploads.body(limits, "image", "image/*")["requestBody"]["content"]
    return openapi.content(schema, example, others=files)


async def _edit(request: Request, limits: type[EditParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, brought, upload = await _asked(request, limits, here.settings)
    layout, file_format = layouts.chosen(request, asked.layout, asked.format)
    named = amounts.read(asked)
    if brought is not None:
        transport.require_model(asked, here.settings)
    live = model_for(here, asked, named, ("encoder",) if upload else ())
    manifest = live.manifest
    request.state.model = manifest.reference
    if upload is not None:
        start = starts.of_picture(asked, manifest, contract.digest(upload.data))
    elif brought is not None:
        latents = transport.settled(manifest, transport.listed(brought), here.settings.max_samples)
        start = starts.of_latents(asked, manifest, latents)
    else:
        start = starts.of_seed(asked, manifest, secrets.randbelow(2**32) if asked.seed is None else asked.seed)
    editing = settle(asked, live, named, start, layout, file_format, here.settings)

    kept = request.method != "POST" and asked.seed is not None
    pinned = asked.model == manifest.reference if kept else None
    fields = _fields(editing, request.scope.get("root_path", ""), pinned=pinned)
    if asked.format is None:
        fields["Vary"] = "Accept"
    kind = layouts.MEDIA_TYPES[file_format]
    if (known := caching.undrawn(request, fields, kind)) is not None:
        return known

    deadline = started + (asked.timeout or here.settings.request_timeout)
    timing, before = Timing(), {}
    if upload is not None:
        picture, before["decode"] = await seen(request, live, "encoder", upload, deadline=deadline, lane=asked.priority)
        encoded = await carried_out(
            request, live, picture, lambda outputs: outputs, deadline=deadline, lane=asked.priority, graph="encoder"
        )
        code = encoded.result()[manifest.graphs["encoder"].output("latent").name]
        editing, timing = replace(editing, start=replace(start, latents=code)), encoded.timing
    inputs = await editing.inputs()
    editing = editing.known(inputs)
    finish = sequences.body(editing, editing.image)
    done = await carried_out(request, live, inputs, finish, deadline=deadline, lane=asked.priority)
    if name := editing.start.class_name(manifest):
        fields["X-Class"] = headers.ascii_text(name)
    fields["Server-Timing"] = headers.server_timing(timing + done.timing, time.monotonic() - started, **before)
    return Response(done.result(), headers=fields, media_type=kind)


async def _asked(
    request: Request, limits: type[EditParameters], settings: Settings
) -> tuple[EditParameters, object, Upload | None]:
    """The parameters of a request, and what it brings: latents as JSON has them, or a picture; None for neither."""
    kind = media_type(request)
    if request.method != "POST":
        return checked(request, (), limits), None, None
    if kind in (uploads.FORM, "application/octet-stream") or kind.startswith("image/"):
        asked, upload = await uploads.uploaded(request, limits, "image", settings.upload_bytes)
        return asked, None, upload
    body = await json_object(request, JSON_LIMIT, ADVICE)
    latents = body.pop("latents", None)
    return checked(request, body.items(), limits), latents, None


def _fields(editing: Editing, prefix: str, *, pinned: bool | None) -> dict[str, str]:
    """Everything that can be said of an answer before it is drawn. `prefix` is what a proxy added to paths."""
    fields = {"X-Model": editing.manifest.reference}
    if editing.start.seed is not None:
        fields |= {"X-Seed": str(editing.start.seed), "X-Index": str(editing.start.index)}
    if name := editing.start.class_name(editing.manifest):
        fields["X-Class"] = headers.ascii_text(name)
    return fields | headers.of_address(editing, prefix, pinned=pinned)
