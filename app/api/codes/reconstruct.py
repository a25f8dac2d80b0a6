"""`/reconstruct`: what comes back of an uploaded picture: to its code, and from there to a picture again."""

import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app import contract, latents
from app.access.scopes import needs
from app.api import answers, derived, headers, openapi
from app.api.classes import GivenClass, name_of, required_class
from app.api.codes import transport
from app.api.deps import DirectRoute, service
from app.api.derived import Derived, DerivedFormat, derivation
from app.api.forms import form_of
from app.api.jobs import carried_out
from app.api.negotiation import negotiated
from app.api.schemas import Parameters, limited
from app.api.sight import seen
from app.api.uploads import body, uploaded
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.latents import MAX_SEED, Floats
from app.settings import Settings


class ReconstructParameters(Parameters):
    """What may be asked of `/reconstruct`."""

    model: Annotated[
        str | None, Field(description="name, or name@version, of a model with an encoder", examples=["fashion-vae@1"])
    ] = None
    class_: GivenClass = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=MAX_SEED,
            description="of a variational encoder: draws the code around the mean, as far off as the encoder is "
            "unsure; the mean if not given",
        ),
    ] = None
    format: Annotated[
        DerivedFormat | None, Field(description="form of the answer; wins over the Accept header", examples=["png"])
    ] = None


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(ReconstructParameters, settings)
    routes = APIRouter(tags=["codes"], route_class=DirectRoute)

    @routes.post(
        "/reconstruct",
        response_class=Response,
        responses=derived.ANSWER | openapi.problems(400, 413, 415),
        openapi_extra=openapi.query(limits) | body(limits, "image", "image/*"),
    )
    @needs("generate")
    async def reconstruct_picture(request: Request) -> Response:
        """Encode a picture and decode it again: what the model keeps of it.

        The picture is the body, or the part `image` of a form. The encoder sees its middle, as large as fits the form
        of training's pictures, at their size, which is that of the answer.
        """
        return await _reconstruct(request, limits)

    return routes


async def _reconstruct(request: Request, limits: type[ReconstructParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, limits, "image", here.settings.upload_bytes)
    file_format = asked.format or negotiated(request, derived.MEDIA_TYPES)
    live = here.catalog.get(asked.model, task="reconstruct")
    manifest = live.manifest
    request.state.model = manifest.reference
    _require_cloud(live, asked.seed)
    label = required_class(manifest, asked.class_)
    deadline = started + (asked.timeout or here.settings.request_timeout)

    picture, decode = await seen(request, live, "encoder", upload, deadline=deadline, lane=asked.priority)
    encoded = await carried_out(
        request, live, picture, lambda outputs: outputs, deadline=deadline, lane=asked.priority, graph="encoder"
    )
    recipe = derivation(
        live,
        "reconstruct",
        {"seed": asked.seed, "class": name_of(manifest, label)},
        source=contract.digest(upload.data),
    )
    form = form_of(file_format, 1, None, None)
    stem = f"{manifest.name}-{manifest.version}_reconstructed"
    pictures = Derived(live=live, stem=stem, form=form, whole=recipe, recipes=(recipe,))
    done = await carried_out(
        request,
        live,
        transport.inputs(manifest, _code(live, encoded.result(), asked.seed), label),
        answers.body(pictures, manifest.graphs["generator"].output("image").name),
        deadline=deadline,
        lane=asked.priority,
    )
    timing = encoded.timing + done.timing
    fields = headers.of_work(manifest.reference, pictures.file_name(), varies=asked.format is None)
    fields["Server-Timing"] = headers.server_timing(timing, time.monotonic() - started, decode=decode)
    return Response(done.result(), headers=fields, media_type=answers.MEDIA_TYPES[file_format])


def _require_cloud(live: LiveModel, seed: int | None) -> None:
    """`InvalidParameter` for a seed where the encoder leads to one code, and there is nothing to draw."""
    meanings = [tensor.meaning for tensor in live.manifest.graphs["encoder"].outputs]
    if seed is not None and "deviation" not in meanings:
        message = f"the encoder of {live.manifest.reference} leads to one code, not to many; leave seed out"
        raise InvalidParameter.of("seed", message)


def _code(live: LiveModel, outputs: Arrays, seed: int | None) -> Floats:
    """The code to decode, float32 [1, size]: the mean, or with a seed a draw from the cloud around it."""
    encoder = live.manifest.graphs["encoder"]
    mean: Floats = outputs[encoder.output("latent").name]
    deviations = transport.deviations(encoder, outputs)
    if seed is None or deviations is None:
        return mean
    drawn: Floats = mean + deviations * latents.noise(seed, range(1), mean.shape[1])
    return drawn
