"""`/predict`: the frames that follow those of an uploaded clip, in whatever form, in the form that it had."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated, cast

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.access.scopes import needs
from app.api import caching, headers, openapi
from app.api.deps import DirectRoute, service
from app.api.media_types import offered
from app.api.negotiation import negotiated
from app.api.predictions.predicted import FILMS, MEDIA_TYPES, Format, Prediction
from app.api.predictions.rollout import rolled_out
from app.api.schemas import Parameters, limited
from app.api.uploads import Upload, body, uploaded
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.media import animation, clips
from app.media.frames import Limits
from app.media.framing import frame
from app.settings import Settings

STEPS = 10
"""Frames that are predicted where the request doesn't say, if the server allows so many."""

RATE = 10.0
"""Frames a second of an answer where neither the request nor the clip says."""

OWN: Mapping[str, Format] = {
    "GIF": "gif",
    "WebP": "webp",
    "PNG": "apng",
    "TIFF": "zip",
    "MP4": "mp4",
    "MOV": "mp4",
    "WebM": "mp4",
    "Matroska": "mp4",
    "zip": "zip",
    "npy": "npy",
}
"""The format of the answer to each kind of clip, where the request doesn't say."""

MEANINGS = {name: headers.MEANINGS[name] for name in ("X-Model", "Server-Timing")}


class PredictParameters(Parameters):
    """What may be asked of `/predict`."""

    model: Annotated[
        str | None,
        Field(description="name, or name@version; the first that predicts if not given", examples=["radar"]),
    ] = None
    steps: Annotated[
        int | None,
        Field(ge=1, description=f"how many frames to predict; {STEPS} if not given and allowed", examples=[10]),
    ] = None
    context: Annotated[
        int,
        Field(ge=0, le=1, description="1 puts the frames first that the model was given: the last ones of the clip"),
    ] = 0
    fps: Annotated[
        float | None,
        Field(
            ge=animation.SLOWEST,
            le=animation.FASTEST,
            description=f"frames a second of the answer; as many as the clip has if not given, {RATE:g} if it has none",
        ),
    ] = None
    format: Annotated[
        Format | None,
        Field(
            description="form of the answer; wins over the Accept header. That of the clip if neither says; mp4 for "
            "every video, and zip for TIFF. gif, webp, apng and mp4 are films; zip and npy hold the frames apart; png "
            "is a strip of them",
            examples=["gif"],
        ),
    ] = None


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(PredictParameters, settings)
    routes = APIRouter(tags=["predict"], route_class=DirectRoute)
    files = body(limits, "frames", "image/*", "video/*", "application/zip", "application/x-npy")

    @routes.post("/predict", response_class=Response, responses=_ANSWER, openapi_extra=openapi.query(limits) | files)
    @needs("generate")
    async def predict_frames(request: Request) -> Response:
        """Predict how a clip goes on.

        The clip is the body, or the part `frames` of a form: an animated GIF, WebP or PNG, an MP4, MOV, WebM or
        Matroska video, a zip of pictures in the order of their names, a TIFF of pages, or a uint8 array [k, h, w] or
        [k, h, w, c] in numpy's format. It is known by its bytes. The model looks at its last frames, as many as it was
        trained with, and the answer holds the new ones, of the clip's size and rate.

        A model of grey frames sees the luma of colours, and answers in grey. So a weather map whose colours stand for
        intensities must be sent as those intensities, one grey level for each: colours of a palette can't be turned
        back into what they stand for.
        """
        return await _predict(request, limits)

    return routes


_ANSWER: openapi.Responses = {
    200: {
        "description": "The frames that follow, of the size of those that were sent; an odd side of an mp4 is a pixel "
        "longer.",
        "content": {kind: {} for kind in MEDIA_TYPES.values()},
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in MEANINGS.items()},
    },
    **openapi.problems(400, 404, 406, 413, 415, 422, 429, 500, 503, 504),
}


async def _predict(request: Request, limits: type[PredictParameters]) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, limits, "frames", here.settings.upload_bytes)
    file_format = asked.format or _preferred(request, OWN[clips.kind_of(upload.data)])
    live = here.catalog.get(asked.model, task="predict")
    request.state.model = live.manifest.reference

    deadline = started + (asked.timeout or here.settings.request_timeout)
    read = partial(_settled, asked, upload, live, file_format, here.settings)
    taken = await here.intake.take(request, live, read, deadline=deadline, lane=asked.priority)
    file, timing = await rolled_out(request, taken.made, deadline=deadline, waited=taken.waited, lane=asked.priority)
    fields = {
        "X-Model": live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Content-Disposition": f"{'attachment' if file_format in ('zip', 'npy') else 'inline'}; "
        f'filename="{live.manifest.name}-{live.manifest.version}.{file_format}"',
        "Server-Timing": headers.server_timing(timing, time.monotonic() - started, decode=taken.seconds),
    }
    if asked.format is None:
        fields["Vary"] = "Accept"
    return Response(file, headers=fields, media_type=MEDIA_TYPES[file_format])


def _preferred(request: Request, own: Format) -> Format:
    """What the client likes best, and of equals the clip's `own` format."""
    return negotiated(request, offered(own, *(name for name in MEDIA_TYPES if name != own)))


def _settled(
    asked: PredictParameters, upload: Upload, live: LiveModel, file_format: Format, settings: Settings
) -> Prediction:
    """What a request comes to. Raises what `clips.read` does, and `InvalidParameter` for what can't be made."""
    if asked.fps is not None and file_format not in FILMS:
        raise InvalidParameter.of("fps", f"is of {', '.join(FILMS)}, not of {file_format}; leave fps out")
    taken = live.manifest.graphs["generator"].given("frames")
    needed = taken.sample[0]
    limits = Limits(settings.upload_bytes, settings.max_frames, settings.max_pixels)
    clip = clips.read(upload.data, limits, last=needed)
    given, height, width, _ = clip.frames.shape
    if given < needed:
        said = f"{live.manifest.reference} predicts the next frame from {needed}, and the clip has {given}"
        raise InvalidParameter.of("frames", f"are too few: {said}; send {needed - given} more")
    steps = asked.steps or min(STEPS, settings.max_samples)
    _require_room(steps + asked.context * needed, height, width, file_format, settings.max_pixels)
    rate = asked.fps or clip.rate or RATE
    return Prediction(
        live=live,
        # Not continued beyond its edges: the shipped model's digits turn at the walls, and would fly through them into
        # their mirror images.
        clip=frame(clip.frames, taken, at_model_scale=False, border=0),
        steps=steps,
        context=bool(asked.context),
        format=file_format,
        rate=min(max(rate, animation.SLOWEST), animation.FASTEST),
        source=contract.digest(upload.data),
        parameters={"steps": steps} | asked.model_dump(include={"context", "fps"}, exclude_defaults=True),
    )


def _require_room(count: int, height: int, width: int, file_format: Format, pixels: int) -> None:
    """Raises `InvalidParameter` for so many frames of more than so many `pixels` in all, or that the format can't hold:
    before they are drawn in vain.
    """
    if count * height * width > pixels:
        size = f"{count} frames of {width}×{height} have more than {pixels} pixels in all"
        raise InvalidParameter.of(
            "steps", f"make an answer too large: {size}, and {pixels // (height * width)} fit; ask for fewer"
        )
    longest, limit = max(height, width), animation.LONGEST_SIDE.get(cast(animation.Format, file_format))
    if limit is not None and longest > limit:
        message = f"can't be {file_format}: a side has {longest} pixels, it holds {limit}; use another"
        raise InvalidParameter.of("format", message)
