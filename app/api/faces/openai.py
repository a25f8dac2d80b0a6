"""OpenAI's API for pictures, `/v1/images/generations` and `/v1/models`, so that its clients work unchanged.

A prompt becomes a class of a model, see `prompts`; from there on it is a drawing like any of `/generate`.
"""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.access.scopes import needs
from app.api import answers, caching, headers, openapi, protocols
from app.api.deps import DirectRoute, Service, parameters, service
from app.api.drawing import Drawing, settle
from app.api.faces.openai_schemas import (
    EVENT,
    MOST,
    PROMPT,
    ErrorDocument,
    Images,
    ImagesParameters,
    Model,
    Models,
    Picture,
)
from app.api.faces.prompts import meant
from app.api.jobs import carried_out, require_client, submitted
from app.api.schemas import GenerateParameters, limited
from app.api.streaming import Feed
from app.contract import Manifest
from app.engine.job import Arrays, Piecewise
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.media.images import Pixels
from app.settings import Settings

MAX_BODY = 8 * PROMPT
"""Bytes of a body: the longest prompt fits in any script."""

NOTHING = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""What a picture costs in tokens, which OpenAI's events must say."""

errors = partial(openapi.errors, ErrorDocument, protocols.FACES["v1"].media_type)


def router(settings: Settings) -> APIRouter:
    """The routes, with the limits of these settings."""
    limits = limited(ImagesParameters, settings.model_copy(update={"max_samples": min(MOST, settings.max_samples)}))
    routes = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=DirectRoute)

    @routes.post(
        "/images/generations",
        response_class=Response,
        responses={
            200: {"model": Images, "description": "The pictures.", "content": EVENT},
            **errors(400, 404, 413, 415, 429, 500, 503, 504),
        },
        openapi_extra=openapi.body(limits, required=True),
    )
    @needs("generate")
    async def images_for_a_prompt(request: Request) -> Response:
        """Draw pictures, as OpenAI's clients ask for them. The prompt names a class, and that is all it can.

        Each picture has an address on this server, where it lies for ever. `seed` draws the same pictures again.
        """
        return await _draw(request, limits)

    @routes.get("/models", response_class=Response, responses={200: {"model": Models}, **errors(503)})
    @needs("generate")
    async def models_that_draw(request: Request) -> Response:
        """The models that can draw, as OpenAI's clients list them; `/models` has all of them, and says more."""
        able = service(request).catalog.able("generate")
        return JSONResponse(Models(data=[_model(live.manifest) for live in able]).model_dump())

    @routes.get(
        "/models/{id}",
        response_class=Response,
        responses={200: {"model": Model}, **errors(400, 404, 503)},
        openapi_extra=openapi.path(id=("name, or name@version", "cifar10")),
    )
    @needs("generate")
    async def model_that_draws(request: Request) -> Response:
        """One model, as OpenAI's clients ask for it. A bare name means the newest version."""
        return JSONResponse(_model(service(request).catalog.get(request.path_params["id"]).manifest).model_dump())

    return routes


async def _draw(request: Request, limits: type[ImagesParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked = await parameters(request, limits, MAX_BODY)
    live, class_name = meant(asked.prompt, _candidates(here, asked.model))
    request.state.model = live.manifest.reference
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    wanted = {"class": class_name, "n": asked.n or 1, "picture": asked.output_format or "png"}
    drawing = settle(GenerateParameters.model_validate(wanted), live, seed, "json")
    frame = _frame(asked, drawing)

    inputs = await drawing.inputs()
    drawing = drawing.known(inputs)
    fields = headers.of_drawing(drawing) | {"Cache-Control": caching.NEVER}
    server = str(request.base_url).rstrip("/")
    if asked.response_format == "url":
        addresses = [_picture(drawing.single(offset), server, None) for offset in range(drawing.n)]
        content = _joined(frame, [_json(address) for address in addresses])
        return Response(content, headers=fields, media_type="application/json")
    deadline = started + (asked.timeout or here.settings.request_timeout)
    if asked.stream:
        feed = Feed(Events(frame, server))
        work = feed.work(drawing, drawing.image)
        require_client(request, live, drawing.n)
        job = submitted(request, live, inputs, work, deadline=deadline, lane=asked.priority)
        return await feed.answer(job, request, fields)
    finish = _album(drawing, frame, server if asked.response_format is None else None)
    done = await carried_out(request, live, inputs, finish, deadline=deadline, lane=asked.priority)
    fields["Server-Timing"] = headers.server_timing(done.timing, time.monotonic() - started)
    return Response(done.result(), headers=fields, media_type="application/json")


def _candidates(here: Service, reference: str | None) -> Sequence[LiveModel]:
    """The models that a request may mean: the one that it or the settings name, or all that can draw."""
    if reference is not None or here.settings.default_model is not None:
        return [here.catalog.get(reference)]
    return here.catalog.able("generate")


def _model(manifest: Manifest) -> Model:
    come = manifest.training or manifest.origin
    try:
        created = int(datetime.fromisoformat(come.date if come else "").replace(tzinfo=UTC).timestamp())
    except ValueError:  # a manifest may say what it likes
        created = 0
    return Model(id=manifest.reference, created=created, title=manifest.title, classes=manifest.classes)


def _frame(asked: ImagesParameters, drawing: Drawing) -> Images:
    """What the answer says of all its pictures. `InvalidParameter` for what can't be had of this model."""
    height, width, channels = drawing.manifest.graphs["generator"].output("image").sample
    size, reference = f"{width}x{height}", drawing.manifest.reference
    clear = channels == 4 and drawing.picture != "jpeg"
    flaws = {}
    if asked.size not in (None, "auto", size):
        flaws["size"] = f"must be auto or {size}, the one size that {reference} draws, not {asked.size!r}"
    if asked.background not in (None, "auto", background := "transparent" if clear else "opaque"):
        flaws["background"] = f"must be auto or {background}, as {reference} draws it in {drawing.picture}"
    if asked.output_compression not in (None, 100):
        flaws["output_compression"] = "must be 100: a picture has one file of each format, at its address too"
    if asked.stream and asked.response_format == "url":
        flaws["response_format"] = "must be b64_json in a stream; leave it out"
    if asked.response_format == "url" and not drawing.lasting:
        flaws["response_format"] = f"must be b64_json: {reference} draws noise of its own, so no picture comes again"
    if flaws:
        raise InvalidParameter([{"field": field, "message": message} for field, message in flaws.items()])
    return Images(
        created=int(time.time()),
        model=reference,
        seed=drawing.seed,
        output_format=drawing.picture,
        size=size,
        background="transparent" if clear else "opaque",
    )


def _album(drawing: Drawing, frame: Images, server: str | None) -> Piecewise[bytes]:
    """What makes the answer of the samples' outputs, with the addresses on `server`, if any."""

    def member(offset: int, outputs: Arrays) -> bytes:
        return _json(_picture(drawing.single(offset), server, outputs[drawing.image]))

    return Piecewise(member, partial(_joined, frame))


def _picture(single: Drawing, server: str | None, pixels: Pixels | None) -> Picture:
    """One picture: its address on `server`, if it has one, its file, made of its pixels, uint8 [h, w, c], or both."""
    return Picture(
        b64_json=None if pixels is None else b64encode(answers.picture(single, pixels)).decode(),
        url=server + single.address() if server is not None and single.lasting else None,
        revised_prompt=single.class_name or single.manifest.title,
    )


def _json(picture: Picture) -> bytes:
    return picture.model_dump_json(exclude_none=True).encode()


def _joined(frame: Images, pictures: Sequence[bytes]) -> bytes:
    # They are JSON already, made side by side; to parse and write them again would take as long.
    head = frame.model_dump_json(exclude={"data"}).encode()
    return b'%b,"data":[%b]}' % (head[:-1], b",".join(pictures))


class Events:
    """Each picture a server-sent event, as OpenAI's clients read a stream; see `streaming.Framing`."""

    media_type = "text/event-stream"
    end = b""

    def __init__(self, frame: Images, server: str) -> None:
        self._frame = frame
        self._server = server

    def picture(self, single: Drawing, pixels: Pixels) -> bytes:
        name = "image_generation.completed"
        event = {
            "type": name,
            "created_at": self._frame.created,
            **self._frame.model_dump(include={"output_format", "size", "background"}),
            "quality": "auto",
            "usage": NOTHING,
            **_picture(single, self._server, pixels).model_dump(exclude_none=True),
        }
        return self._event(name, event)

    def problem(self, document: Mapping[str, object]) -> bytes:
        return self._event("error", protocols.openai_error(document))

    def _event(self, name: str, data: Mapping[str, object]) -> bytes:
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
