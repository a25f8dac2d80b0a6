"""`/translate` and `/style`: an uploaded photo as the model sees it, at the photo's size.

Both are one thing to the engine: a graph that takes a picture and gives one. They differ in who chooses it, a model's
task or the name of a style, and in the scale that suits it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.access.scopes import needs
from app.api import caching, headers, openapi
from app.api.deps import DirectRoute, Service, service
from app.api.jobs import carried_out, require_time
from app.api.media_types import offered
from app.api.negotiation import negotiated
from app.api.schemas import Parameters, limited
from app.api.uploads import body, uploaded
from app.engine.job import Arrays
from app.engine.model import LiveModel
from app.errors import InvalidParameter, UnknownStyle
from app.media import images, pictures
from app.media.framing import Framed, frame
from app.media.provenance import Derivation
from app.settings import Settings

Scale = Literal["model", "original"]

OFFERED: Mapping[images.Format, str] = offered("png", "jpeg", "webp")

MEANINGS = {name: headers.MEANINGS[name] for name in ("X-Model", "Server-Timing")}


class TranslateParameters(Parameters):
    """What may be asked of `/translate`."""

    model: Annotated[
        str | None,
        Field(description="name, or name@version; the first that translates if not given", examples=["facades"]),
    ] = None
    format: Annotated[
        images.Format | None, Field(description="form of the answer; wins over the Accept header", examples=["png"])
    ] = None
    scale: Annotated[
        Scale,
        Field(
            description="at which scale the model sees the picture: model brings it to as many pixels as in training, "
            "and the answer back to its size; original leaves it as it is, however large"
        ),
    ] = "model"


class StyleParameters(TranslateParameters):
    """What may be asked of `/style`."""

    model: Annotated[
        str | None,
        Field(description="name, or name@version; the first that has the style if not given", examples=["monet"]),
    ] = None
    style: Annotated[
        str | None, Field(description="one of those that /models lists; the model's first if not given")
    ] = None
    strength: Annotated[
        float, Field(ge=0, le=1, description="1 is all of the style, 0 leaves the picture as it was")
    ] = 1.0
    scale: Annotated[
        Scale, Field(description="original draws with strokes of training's size; model with a whole picture's")
    ] = "original"


@dataclass(frozen=True)
class Translation:
    """What a request comes to: which graph of which model, in which form, with which parameters."""

    live: LiveModel
    graph: str
    format: images.Format
    verb: str
    asked: TranslateParameters

    @property
    def strength(self) -> float:
        return self.asked.strength if isinstance(self.asked, StyleParameters) else 1.0

    @property
    def manifest(self) -> contract.Manifest:
        return self.live.manifest


def router(settings: Settings) -> APIRouter:
    """The routes of both verbs, with the limits of these settings."""
    translating, styling = limited(TranslateParameters, settings), limited(StyleParameters, settings)
    routes = APIRouter(tags=["translate"], route_class=DirectRoute)

    @routes.post("/translate", response_class=Response, responses=_ANSWER, openapi_extra=_described(translating))
    @needs("generate")
    async def translate_picture(request: Request) -> Response:
        """Translate a picture: labels to a photo, say, whatever the model was trained for.

        The picture is the body, or the part `image` of a form. JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are known by
        their bytes. The answer has its size.
        """
        return await _answer(request, translating, "translate")

    @routes.post("/style", response_class=Response, responses=_ANSWER, openapi_extra=_described(styling))
    @needs("generate")
    async def restyle_picture(request: Request) -> Response:
        """Paint a picture in a style.

        The picture is the body, or the part `image` of a form. The answer has its size: a large one is painted in
        tiles that overlap, and has no seams.
        """
        return await _answer(request, styling, "style")

    return routes


_ANSWER: openapi.Responses = {
    200: {
        "description": "The picture, of the size of the one that was sent.",
        "content": {kind: {} for kind in OFFERED.values()},
        "headers": openapi.headers(MEANINGS),
    },
    **openapi.problems(400, 404, 406, 413, 415, 422, 429, 500, 503, 504),
}


def _described(model: type[Parameters]) -> dict[str, object]:
    return openapi.query(model) | body(model, "image", "image/*")


async def _answer(request: Request, model: type[TranslateParameters], verb: Literal["translate", "style"]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, model, "image", here.settings.upload_bytes)
    file_format = asked.format or negotiated(request, OFFERED)
    live, graph = _styled(here, asked) if isinstance(asked, StyleParameters) else (_model(here, asked), "generator")
    request.state.model = live.manifest.reference
    translation = Translation(live, graph, file_format, verb, asked)

    deadline = started + (asked.timeout or here.settings.request_timeout)
    read = partial(_framed, upload.data, translation, here.settings)
    taken = await here.intake.take(request, live, read, deadline=deadline, lane=asked.priority, graph=graph)
    framed, recipe = taken.made
    inputs = {live.manifest.graphs[graph].given("image").name: framed.samples}
    require_time(live, inputs, deadline, graph, waited=taken.waited)
    job = await carried_out(
        request,
        live,
        inputs,
        partial(_file, translation, framed, recipe),
        deadline=deadline,
        lane=asked.priority,
        graph=graph,
    )
    fields = {
        "X-Model": live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Content-Disposition": f'inline; filename="{live.manifest.name}-{live.manifest.version}.{file_format}"',
        "Server-Timing": headers.server_timing(job.timing, time.monotonic() - started, decode=taken.seconds),
    }
    if asked.format is None:
        fields["Vary"] = "Accept"
    return Response(job.result(), headers=fields, media_type=OFFERED[file_format])


def _model(here: Service, asked: TranslateParameters) -> LiveModel:
    return here.catalog.get(asked.model, task="translate")


def _styled(here: Service, asked: StyleParameters) -> tuple[LiveModel, str]:
    """The model and the graph that paint in a style: where no model is named, the first that has it."""
    if asked.model is None and asked.style is not None:
        able = here.catalog.able("style")
        live = next((one for one in able if asked.style in one.manifest.styles), None)
        if live is None:
            raise UnknownStyle(asked.style, sorted({style for one in able for style in one.manifest.styles}))
    else:
        live = here.catalog.get(asked.model, task="style")
    styles = live.manifest.styles
    style = asked.style if asked.style is not None else next(iter(styles))
    if style not in styles:
        raise UnknownStyle(style, list(styles), live.manifest.reference)
    return live, styles[style]


def _framed(data: bytes, translation: Translation, settings: Settings) -> tuple[Framed, Derivation]:
    """The picture in a file as the graph takes it, and what the answer says of itself.

    Raises what `pictures.decode` raises, and `InvalidParameter` for a picture that the answer's format can't hold.
    """
    picture = pictures.decode(data, max_pixels=settings.max_pixels, max_frames=settings.max_frames)
    limit, longest = images.LONGEST_SIDE.get(translation.format), max(picture.shape[:2])
    if limit is not None and longest > limit:
        message = f"holds {limit} pixels a side, the picture has {longest}; use png, or send a smaller one"
        raise InvalidParameter.of("format", message)
    taken = translation.manifest.graphs[translation.graph].given("image")
    recipe = Derivation(
        model=translation.manifest.name,
        version=translation.manifest.version,
        digest=translation.live.digest,
        verb=translation.verb,
        source=contract.digest(data),
        parameters=translation.asked.model_dump(
            exclude={"model", "timeout", "priority", "format"}, exclude_defaults=True
        ),
    )
    return frame(picture, taken, at_model_scale=translation.asked.scale == "model"), recipe


def _file(translation: Translation, framed: Framed, recipe: Derivation, outputs: Arrays) -> bytes:
    """The answer's file, of the outputs for the samples of a framed picture."""
    image = translation.manifest.graphs[translation.graph].output("image").name
    drawn = framed.restored(framed.joined(outputs[image]))
    if translation.strength < 1:
        original = pictures.with_channels(framed.picture, drawn.shape[2])
        drawn = _blended(original, drawn, translation.strength)
    return images.encode(drawn, translation.format, recipe)


def _blended(original: images.Pixels, drawn: images.Pixels, strength: float) -> images.Pixels:
    """`strength` of what was drawn and the rest of the original, both uint8 [h, w, c]."""
    share = np.float32(strength)
    mixed = original * (1 - share) + drawn * share
    return np.rint(mixed).astype(np.uint8)
