"""`/interpolate`: the pictures from one point of the latent space to the next, as a strip, a grid, or an animation."""

import secrets
import time

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import caching, headers, layouts, openapi
from app.api.classes import class_of, model_for
from app.api.codes import transport
from app.api.codes.transport import JSON_LIMIT
from app.api.deps import DirectRoute, checked, json_object, service
from app.api.forms import PICTURES, require_short
from app.api.jobs import carried_out
from app.api.layouts import APART, FPS, STEPS, Format, Layout
from app.api.schemas import limited
from app.api.walks import sequences, stops
from app.api.walks.interpolation import Interpolation
from app.api.walks.schemas import InterpolatedSamples, InterpolateParameters
from app.api.walks.stops import NamedStop
from app.classes import Class
from app.contract import Manifest
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.media import images
from app.settings import Settings
from app.walks import CORNERS, Walk, most_steps

ADVICE = "as npy in base64, a latent takes a third of what it takes as a list of numbers"

SHOWN = 64
"""Stops whose seeds an answer's header lists: it must stay short."""

EXAMPLE = {
    "model": "cifar10@1",
    "stops": [{"seed": 1, "class": "cat"}, {"seed": 2, "class": "dog"}, {"seed": 3, "index": 1, "class": "cat"}],
    "steps": 8,
    "loop": 1,
    "format": "gif",
}

MEANINGS = {
    "X-Model": headers.MEANINGS["X-Model"],
    "X-Seeds": f"the seed of each stop, drawn or given, or `latent`; not of more than {SHOWN} stops",
    "Server-Timing": headers.MEANINGS["Server-Timing"],
}

ANSWER: openapi.Responses = {
    200: {
        "model": InterpolatedSamples,
        "description": "The pictures. Those at the stops are, byte for byte, the pictures of their seeds.",
        "content": {kind: {} for kind in layouts.MEDIA_TYPES.values()},
        "headers": {
            name: {"description": description, "schema": {"type": "string"}} for name, description in MEANINGS.items()
        },
    },
    **openapi.problems(404, 406, 413, 415, 422, 429, 500, 503, 504),
}


def router(settings: Settings) -> APIRouter:
    """The route of `/interpolate`, with the limits of these settings."""
    limits = limited(InterpolateParameters, settings)
    routes = APIRouter(tags=["interpolate"], route_class=DirectRoute)

    @routes.post(
        "/interpolate",
        response_class=Response,
        responses=ANSWER,
        openapi_extra=openapi.query(limits) | openapi.body(limits, EXAMPLE),
    )
    @needs("generate")
    async def interpolate(request: Request) -> Response:
        """Draw what lies between samples. Parameters come in the query, in a JSON body, or some in each.

        The walk leads from stop to stop, each a seed or, in a JSON body, an object: `{"seed": 1, "index": 3, "class":
        "dog"}`, `{"seed": 1, "class": {"dog": 0.7, "cat": 0.3}}` or `{"latent": [0.1, …]}`. The pictures at the stops
        are, byte for byte, those that `/generate` draws of the seeds.

        With a pinned model and given seeds the answer is always the same. It is never cached, but carries in its
        metadata what it takes to make it again; so does each picture in json and zip.
        """
        return await _interpolate(request, limits)

    return routes


async def _interpolate(request: Request, limits: type[InterpolateParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked = checked(request, (await json_object(request, JSON_LIMIT, ADVICE)).items(), limits)
    layout, file_format = layouts.chosen(request, asked.layout, asked.format)
    named = _stops(asked, layout, here.settings.max_samples)
    walk = _walk(asked, layout, len(named), here.settings.max_samples)
    if any(stop.latent is not None for stop in named):
        transport.require_model(asked, here.settings)
    first, *_ = (stops.class_text(asked.class_) or "").split(";")
    live = model_for(here, asked.model, next(filter(None, [first, *(stop.text for stop in named)]), None))
    request.state.model = live.manifest.reference
    walked = _settled(asked, live, named, walk, layout, file_format)
    _require_short(walked)
    sequences.require_room(walked, here.settings.max_pixels)

    fields = {
        "X-Model": live.manifest.reference,
        "Content-Disposition": headers.disposition(walked.file_name()),
        "Cache-Control": caching.NEVER,
    }
    if len(named) <= SHOWN:
        fields["X-Seeds"] = ",".join("latent" if stop.seed is None else str(stop.seed) for stop in walked.stops)
    if asked.format is None:
        fields["Vary"] = "Accept"
    inputs = await run_in_threadpool(walked.inputs)
    deadline = started + (asked.timeout or here.settings.request_timeout)
    finish = sequences.body(walked.of(inputs), live.manifest.graphs["generator"].output("image").name)
    done = await carried_out(request, live, inputs, finish, deadline=deadline, lane=asked.priority)
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started)
    return Response(done.result(), headers=fields, media_type=layouts.MEDIA_TYPES[file_format])


def _stops(asked: InterpolateParameters, layout: Layout, most: int) -> list[NamedStop]:
    """The stops asked for, `most` of them at most; seeds are drawn for those that are not given."""
    ends = {"from": asked.from_, "to": asked.to}
    if asked.stops is not None:
        if given := [name for name, end in ends.items() if end is not None]:
            raise InvalidParameter.of(given[0], "is one of the stops already; give either stops, or from and to")
        return stops.read_list(asked.stops, most)
    if asked.from_ is None and asked.to is None:
        return [NamedStop("stops", secrets.randbelow(2**32)) for _ in range(CORNERS if layout == "grid" else 2)]
    return [
        NamedStop(name, secrets.randbelow(2**32)) if end is None else stops.read(end, name)
        for name, end in ends.items()
    ]


def _walk(asked: InterpolateParameters, layout: Layout, count: int, pictures: int) -> Walk:
    """The walk through so many stops; so many pictures of it are drawn at most."""
    grid = layout == "grid"
    if grid and count != CORNERS:
        message = f"of a grid are its {CORNERS} corners, top left, top right, bottom left and bottom right, not {count}"
        raise InvalidParameter.of("stops", message)
    if grid and asked.loop:
        raise InvalidParameter.of("loop", "is of strips and animations, a grid has no end; leave loop out")
    most = most_steps(count, pictures, loop=bool(asked.loop), grid=grid)
    if most < 2:
        raise InvalidParameter.of(
            "layout", f"needs more pictures than the {pictures} that this server draws in one request"
        )
    walk = Walk(count, asked.steps or min(STEPS[layout], most), asked.easing, bool(asked.loop), grid)
    if asked.frame is None and len(walk) > pictures:
        message = f"makes {len(walk)} pictures of {count} stops; this server draws {pictures} in one request: "
        raise InvalidParameter.of("steps", message + f"{most} steps at most")
    if asked.frame is not None and asked.frame >= len(walk):
        raise InvalidParameter.of(
            "frame", f"must be an integer from 0 to {len(walk) - 1}: the walk has {len(walk)} pictures"
        )
    return walk


def _settled(
    asked: InterpolateParameters,
    live: LiveModel,
    named: list[NamedStop],
    walk: Walk,
    layout: Layout,
    file_format: Format,
) -> Interpolation:
    """The interpolation that `asked` comes to with this model; raises `UnknownClass` and `InvalidParameter`."""
    sequences.require_fitting(asked, file_format, moves=layout == "animation" and file_format not in APART)
    chosen = zip(named, _classes(asked.class_, len(named), live.manifest), strict=True)
    return Interpolation(
        live=live,
        stops=tuple(stops.settle(stop, live.manifest, class_) for stop, class_ in chosen),
        walk=walk,
        mode=asked.mode,
        truncation=asked.truncation,
        layout=layout,
        format=file_format,
        picture=file_format if file_format in PICTURES else asked.picture or "png",
        frame=asked.frame,
        upscale=asked.upscale,
        fps=FPS if asked.fps is None else asked.fps,
    )


def _classes(given: object, count: int, manifest: Manifest) -> list[Class | None]:
    """The class of each stop that names none itself."""
    text = stops.class_text(given)
    if text is None or text in manifest.classes or ";" not in text:
        return [None if text is None else class_of(manifest, text)] * count
    texts = [piece.strip() for piece in text.split(";")]
    if len(texts) != count:
        raise InvalidParameter.of(
            "class", f"names {len(texts)} classes for {count} stops; name one for all, or one for each"
        )
    return [class_of(manifest, piece) if piece else None for piece in texts]


def _require_short(walked: Interpolation) -> None:
    """Refuses stops that take more metadata than the format of the pictures holds."""
    if walked.picture in images.LONGEST_RECIPE:
        said = max(len(one.derivation().xmp) for one in (walked, walked.single(len(walked.numbers) - 1)))
        require_short(said, walked.picture, "stops", "fewer latents")
