"""`/encode`: the code of an uploaded picture, as numbers that `/decode` takes."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import headers, openapi
from app.api.codes import transport
from app.api.deps import DirectRoute, service
from app.api.jobs import carried_out
from app.api.media_types import offered
from app.api.negotiation import negotiated
from app.api.schemas import Parameters, limited
from app.api.sight import seen
from app.api.uploads import body, uploaded
from app.contract import Graph, Manifest
from app.engine.job import Arrays
from app.media import bundles
from app.settings import Settings

EncodedFormat = Literal["json", "npy"]

MEDIA_TYPES: dict[EncodedFormat, str] = offered("json", "npy")


class EncodeParameters(Parameters):
    """What may be asked of `/encode`."""

    model: Annotated[
        str | None, Field(description="name, or name@version, of a model with an encoder", examples=["fashion-vae@1"])
    ] = None
    format: Annotated[
        EncodedFormat | None, Field(description="form of the answer; wins over the Accept header", examples=["json"])
    ] = None


class Encoded(BaseModel):
    """The JSON answer of `/encode`: of one picture, in lists of one, as `/decode` takes them."""

    model: str
    latents: Annotated[list[list[float]], Field(description="the code; of a variational encoder the mean")]
    deviations: Annotated[
        list[list[float]] | None,
        Field(description="of a variational encoder: how far codes of this picture lie from the mean, in each value"),
    ] = None


ANSWER: openapi.Responses = {
    200: {
        "model": Encoded,
        "description": "The code: in JSON, or as float32 [1, size] in numpy's file format, the latent alone.",
        "content": {kind: {} for kind in MEDIA_TYPES.values()},
        "headers": openapi.headers(headers.WORKED),
    },
    **openapi.problems(400, 404, 406, 413, 415, 422, 429, 500, 503, 504),
}


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(EncodeParameters, settings)
    routes = APIRouter(tags=["codes"], route_class=DirectRoute)

    @routes.post(
        "/encode",
        response_class=Response,
        responses=ANSWER,
        openapi_extra=openapi.query(limits) | body(limits, "image", "image/*"),
    )
    @needs("generate")
    async def encode_picture(request: Request) -> Response:
        """Find the code of a picture.

        The picture is the body, or the part `image` of a form. The encoder sees its middle, as large as fits the form
        of training's pictures, at their size. `/decode` takes the JSON's `model` and `latents`, or the array, as they
        are.
        """
        return await _encode(request, limits)

    return routes


async def _encode(request: Request, limits: type[EncodeParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, limits, "image", here.settings.upload_bytes)
    file_format = asked.format or negotiated(request, MEDIA_TYPES)
    live = here.catalog.get(asked.model, task="reconstruct")
    manifest = live.manifest
    request.state.model = manifest.reference
    deadline = started + (asked.timeout or here.settings.request_timeout)
    picture, decode = await seen(request, live, "encoder", upload, deadline=deadline, lane=asked.priority)

    def finish(outputs: Arrays) -> bytes:
        return _file(manifest, manifest.graphs["encoder"], outputs, file_format)

    done = await carried_out(
        request,
        live,
        picture,
        finish,
        deadline=deadline,
        lane=asked.priority,
        graph="encoder",
    )
    file = f"{manifest.name}-{manifest.version}_encoded.{file_format}"
    fields = headers.of_work(manifest.reference, file, varies=asked.format is None)
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started, decode=decode)
    return Response(done.result(), headers=fields, media_type=MEDIA_TYPES[file_format])


def _file(manifest: Manifest, encoder: Graph, outputs: Arrays, file_format: EncodedFormat) -> bytes:
    """The answer's body, of what the encoder gave for one picture."""
    latents = outputs[encoder.output("latent").name]
    if file_format == "npy":
        return bundles.npy(latents)
    deviations = transport.deviations(encoder, outputs)
    encoded = Encoded(
        model=manifest.reference,
        latents=latents.tolist(),
        deviations=None if deviations is None else deviations.tolist(),
    )
    return encoded.model_dump_json(exclude_none=True).encode()
