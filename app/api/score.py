"""`/score`: how real a model's critic takes an uploaded picture to be, and how well it matches a class, or each."""

import time
from typing import Annotated

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.access.scopes import needs
from app.api import headers, openapi
from app.api.choosing import scores
from app.api.classes import class_of, model_for
from app.api.deps import DirectRoute, service
from app.api.jobs import carried_out
from app.api.schemas import Parameters, limited
from app.api.sight import seen
from app.api.uploads import body, uploaded
from app.contract import Graph, Manifest
from app.engine.job import Arrays
from app.errors import InvalidParameter
from app.media.images import Pixels
from app.settings import Settings


class ScoreParameters(Parameters):
    """What may be asked of `/score`."""

    class_: Annotated[
        str | None,
        Field(alias="class", description="class by name or index; each class if not given", examples=["dog"]),
    ] = None


class Scored(BaseModel):
    """The answer of `/score`. The numbers are logits: they compare pictures under one model, and mean nothing alone."""

    model: str
    realness: Annotated[float, Field(description="the higher, the more real; 0 is as likely real as drawn")]
    match: Annotated[
        dict[str, float] | None,
        Field(
            description="how well the picture matches each class asked for, the best first; not there without classes"
        ),
    ] = None


ANSWER: openapi.Responses = {
    200: {
        "model": Scored,
        "description": "What the critic says.",
        "headers": openapi.headers(headers.WORKED),
    },
    **openapi.problems(400, 404, 413, 415, 422, 429, 500, 503, 504),
}


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(ScoreParameters, settings)
    routes = APIRouter(tags=["score"], route_class=DirectRoute)

    @routes.post(
        "/score",
        response_class=JSONResponse,
        responses=ANSWER,
        openapi_extra=openapi.query(limits) | body(limits, "image", "image/*"),
    )
    @needs("generate")
    async def score_picture(request: Request) -> Response:
        """Ask a model's critic about a picture: is it real, and is it of this class?

        The picture is the body, or the part `image` of a form. The critic sees its middle, as large as fits the form of
        training's pictures, at their size.
        """
        return await _score(request, limits)

    return routes


async def _score(request: Request, limits: type[ScoreParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, limits, "image", here.settings.upload_bytes)
    live = model_for(here, asked.model, asked.class_, roles=("critic",))
    manifest = live.manifest
    request.state.model = manifest.reference
    if "critic" not in manifest.graphs:
        message = f"{manifest.reference} has no critic that could judge; it has {', '.join(manifest.graphs)}"
        raise InvalidParameter.of("model", message)
    labels = _labels(manifest, asked.class_, here.settings.max_samples)

    deadline = started + (asked.timeout or here.settings.request_timeout)
    picture, decode = await seen(request, live, "critic", upload, deadline=deadline, lane=asked.priority)
    done = await carried_out(
        request,
        live,
        _inputs(manifest.graphs["critic"], picture, labels),
        lambda outputs: scores(manifest.graphs["critic"], outputs),
        deadline=deadline,
        lane=asked.priority,
        graph="critic",
    )
    said = done.result()
    matches = {
        manifest.classes[label]: one["match"] for label, one in zip(labels, said, strict=False) if "match" in one
    }
    best_first = dict(sorted(matches.items(), key=lambda match: -match[1]))
    scored = Scored(model=manifest.reference, realness=said[0]["realness"], match=best_first or None)
    fields = headers.of_work(manifest.reference, f"{manifest.name}-{manifest.version}_scored.json", varies=False)
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started, decode=decode)
    return Response(scored.model_dump_json(exclude_none=True), headers=fields, media_type="application/json")


def _labels(manifest: Manifest, text: str | None, most: int) -> list[int]:
    """The classes to ask about: the one that is named, or all; none where the critic asks for no class."""
    judges = manifest.graphs["critic"].input("label") is not None
    if text is None:
        count = len(manifest.classes) if judges else 0
        if count > most:
            raise _invalid(f"is missing: {manifest.reference} has {count} classes, and {most} are judged at once")
        return list(range(count))
    asked = class_of(manifest, text)
    if not judges:
        raise _invalid(f"the critic of {manifest.reference} knows no classes; leave class out")
    if not isinstance(asked, int):
        raise _invalid("must be one class, not several by weights; leave it out to ask about each")
    return [asked]


def _inputs(critic: Graph, picture: dict[str, Pixels], labels: list[int]) -> Arrays:
    """What the critic is given: the picture, once for each class."""
    label = critic.input("label")
    if label is None:
        return picture
    repeated = {name: np.repeat(pixels, len(labels), axis=0) for name, pixels in picture.items()}
    return {**repeated, label.name: label.labels(labels)}


def _invalid(message: str) -> InvalidParameter:
    return InvalidParameter.of("class", message)
