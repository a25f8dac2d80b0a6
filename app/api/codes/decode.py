"""`/decode`: the pictures that a model draws of latents that were given, be they found by `/encode` or made up."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import answers, derived, headers, openapi
from app.api.classes import GivenClass, name_of, required_class
from app.api.codes import transport
from app.api.deps import DirectRoute, service
from app.api.derived import Derived, DerivedFormat, derivation
from app.api.forms import PictureForm, form_of, require_room, require_short
from app.api.jobs import carried_out
from app.api.negotiation import negotiated
from app.api.schemas import Parameters, limited
from app.settings import Settings


class DecodeParameters(Parameters):
    """What may be asked of `/decode`, beside the latents."""

    class_: GivenClass = None
    format: Annotated[
        DerivedFormat | None, Field(description="form of the answer; wins over the Accept header", examples=["png"])
    ] = None
    picture: PictureForm = None
    grid: Annotated[
        int | None,
        Field(ge=1, description="columns of the sheet that several pictures are laid in; near-square if not"),
    ] = None


EXAMPLE = {"model": "fashion-vae@1", "latents": [[0.0] * 32], "format": "png"}


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(DecodeParameters, settings)
    routes = APIRouter(tags=["codes"], route_class=DirectRoute)

    @routes.post(
        "/decode",
        response_class=Response,
        responses=derived.ANSWER | openapi.problems(400, 413, 415),
        openapi_extra=openapi.query(limits) | transport.body(limits, EXAMPLE),
    )
    @needs("generate")
    async def decode_latents(request: Request) -> Response:
        """Draw the pictures of latents.

        They come as `latents` in a JSON body, or as an array, float [n, size], in numpy's file format (npy), which is
        the body or the part `latents` of a form; the other parameters stand beside them, or in the query. A latent
        means something to one model alone, so `model` must be named. Several pictures are laid in a sheet.
        """
        return await _decode(request, limits)

    return routes


async def _decode(request: Request, limits: type[DecodeParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, values = await transport.brought(request, limits, here.settings)
    file_format = asked.format or negotiated(request, derived.MEDIA_TYPES)
    transport.require_model(asked, here.settings)
    live = here.catalog.get(asked.model, task=None)
    manifest = live.manifest
    request.state.model = manifest.reference
    latents = transport.settled(manifest, values, here.settings.max_samples)
    label = required_class(manifest, asked.class_)
    form = form_of(file_format, len(latents), asked.picture, asked.grid)
    image = manifest.graphs["generator"].output("image")
    require_room(form, len(latents), image)

    name = name_of(manifest, label)

    def recipe(rows: slice) -> dict[str, Any]:
        return transport.carried(latents[rows]) | {"class": name}

    pictures = Derived(
        live=live,
        stem=f"{manifest.name}-{manifest.version}_decoded",
        form=form,
        whole=derivation(live, "decode", recipe(slice(None)) | {"columns": form.columns}),
        recipes=tuple(derivation(live, "decode", recipe(slice(row, row + 1))) for row in range(len(latents))),
    )
    if isinstance(label, Mapping):
        require_short(len(pictures.whole.xmp), form.picture, "class", "fewer classes")
    done = await carried_out(
        request,
        live,
        transport.inputs(manifest, latents, label),
        answers.body(pictures, image.name),
        deadline=started + (asked.timeout or here.settings.request_timeout),
        lane=asked.priority,
    )
    fields = headers.of_work(manifest.reference, pictures.file_name(), varies=asked.format is None)
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started)
    return Response(done.result(), headers=fields, media_type=answers.MEDIA_TYPES[file_format])
