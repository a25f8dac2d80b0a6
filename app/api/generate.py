"""`/generate`: samples from a seed, as pictures, JSON, a zip or an array."""

import secrets
import time
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import answers, caching, choosing, headers, openapi, streaming
from app.api.choosing import Work
from app.api.classes import model_for
from app.api.deps import DirectRoute, Service, parameters, service
from app.api.drawing import settle
from app.api.jobs import outcome, require_client, submitted
from app.api.negotiation import negotiated
from app.api.schemas import GenerateParameters, Samples, limited
from app.api.streaming import Feed, framing
from app.engine.job import Timing
from app.engine.model import LiveModel
from app.settings import Settings

ANSWER: openapi.Responses = {
    200: {
        "model": Samples,
        "description": "The samples.",
        "content": {kind: {} for kind in answers.MEDIA_TYPES.values()} | streaming.CONTENT,
        "headers": openapi.headers(headers.MEANINGS),
    },
    **openapi.problems(404, 406, 422, 429, 500, 503, 504),
}
UNCHANGED: openapi.Responses = {304: {"description": "The client's copy, named by If-None-Match, still holds."}}


def router(settings: Settings) -> APIRouter:
    """The routes of `/generate`, with the limits of these settings."""
    limits = limited(GenerateParameters, settings)
    routes = APIRouter(tags=["generate"], route_class=DirectRoute)

    @routes.post(
        "/generate",
        response_class=Response,
        responses={**ANSWER, **openapi.problems(413, 415)},
        openapi_extra=openapi.query(limits) | openapi.body(limits),
    )
    @needs("generate")
    async def draw_samples(request: Request) -> Response:
        """Draw samples. Parameters come in the query, in a JSON body, or some in each.

        The answer is never cached, but `Content-Location` names the address at which it lies for ever.
        """
        return await _generate(request, limits)

    @routes.get("/generate", response_class=Response, responses=ANSWER | UNCHANGED, openapi_extra=openapi.query(limits))
    @needs("generate")
    async def samples_at_an_address(request: Request) -> Response:
        """The samples at an address.

        With a seed and a pinned version (`model=name@version`) the answer never changes and may be cached for ever.
        With a seed alone it may be kept too, but asked for again: a newer version of the model may have come.
        Without a seed every answer is another, and none is cached.
        """
        return await _generate(request, limits)

    @routes.head("/generate", response_class=Response, include_in_schema=False)
    @needs("generate")
    async def headers_of_an_address(request: Request) -> Response:
        """What GET would say of its answer, from the address alone: nothing is drawn."""
        return await _generate(request, limits)

    return routes


async def _generate(request: Request, limits: type[GenerateParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked = await parameters(request, limits)
    live = _model(here, asked)
    request.state.model = live.manifest.reference
    # Of a crowd that left, most are seen here for the first time, and whoever comes next waits for what they cost.
    require_client(request, live, asked.drawn)
    file_format = asked.format or negotiated(request, answers.MEDIA_TYPES)
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    drawing = settle(asked, live, seed, file_format)
    if drawing.best_of is not None:
        choosing.require(drawing, here.settings.max_samples)

    media_type = answers.MEDIA_TYPES[file_format]
    prefix = request.scope.get("root_path", "")
    said = partial(headers.of_answer, asked, drawing, request.method, prefix)
    fields = {} if request.method == "POST" else said()
    if fields and (known := caching.undrawn(request, fields, media_type)) is not None:
        return known

    deadline = started + (asked.timeout or here.settings.request_timeout)
    # Drawing costs as much as all else that a refusal needs.
    needed = live.require_room(asked.drawn, deadline=deadline, lane=asked.priority, graph=drawing.role)
    inputs = await drawing.inputs()
    drawing = drawing.known(inputs)
    feed = Feed(framing(drawing, prefix)) if drawing.streamed else None
    work: Work[Any] = feed.work if feed else answers.body
    finish, timing, role = work(drawing, drawing.image), Timing(), drawing.role
    choice = None
    if drawing.best_of is not None:
        choice = await choosing.drawn(request, drawing, inputs, work, deadline=deadline, lane=asked.priority)
        finish, timing, role, inputs = choice, choice.timing, "critic", choice.inputs()
    # Nothing has happened since the queue was asked: unless there are more samples, which may have been drawn on a
    # thread, or the critic has chosen, whose queue is another.
    room = needed if asked.drawn == 1 and choice is None else None
    if room is None:
        require_client(request, live, asked.drawn)
    job = submitted(request, live, inputs, finish, deadline=deadline, lane=asked.priority, graph=role, room=room)
    # While an executor wakes: what takes longer than that keeps it from the interpreter's lock, and so from beginning.
    fields = fields or said()
    if feed:
        return await feed.answer(job, request, fields)
    picture = await outcome(job, request, live.lagged)
    require_client(request, live, job.samples)
    fields |= headers.of_samples(choice.best if choice else drawing)
    fields["Server-Timing"] = headers.server_timing(timing + job.timing, time.monotonic() - started)
    return Response(picture, headers=fields, media_type=media_type)


def _model(here: Service, asked: GenerateParameters) -> LiveModel:
    """The model asked for, or the first that has what is asked for."""
    roles = ("critic",) * (asked.best_of is not None) + ("stage1",) * (asked.stage is not None)
    return model_for(here, asked.model, asked.class_, roles)
