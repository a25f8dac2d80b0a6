"""`/enhance`: a recording as a model of sound makes it, such as speech without its noise, at its rate and in its form.

A short one is answered whole. A long one is sent while the network is at it. What a client has yet to read waits as the
network's own samples, 100 MB for ten minutes of stereo at 16 kHz, whatever the rate of the recording.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.access.scopes import needs
from app.api import caching, headers, openapi
from app.api.arrivals import Arrivals, Stream, begun
from app.api.deps import DirectRoute, service
from app.api.intake import Intake
from app.api.jobs import carried_out, require_client, require_time, submitted
from app.api.media_types import offered
from app.api.negotiation import negotiated
from app.api.schemas import Parameters, limited
from app.api.uploads import body, uploaded
from app.engine.job import Arrays, Piecewise
from app.engine.model import LiveModel
from app.media import audio, audio_writer
from app.media.audio import Samples
from app.media.audio_writer import Form, Format
from app.media.pieces import Pieces, Plan, pieces, plan
from app.media.provenance import Derivation
from app.media.restoration import Restoration, restored
from app.settings import Settings

OFFERED: Mapping[Format, str] = offered("wav", "flac")

MEANINGS = {name: headers.MEANINGS[name] for name in ("X-Model", "Server-Timing")}

AT_ONCE = 8
"""Pieces that are answered whole: 25 s of speech, which one core computes in a third of a second."""

DECODERS = 2
"""Recordings that are read at a time: meanwhile ten minutes of stereo take half a gigabyte at 44.1 kHz, and 0.8 at the
`WIDEST`."""

WIDEST = 2 * 96_000
"""Values a second, of all channels, that a recording of the full length may have: stereo at 96 kHz."""


class EnhanceParameters(Parameters):
    """What may be asked of `/enhance`."""

    model: Annotated[
        str | None,
        Field(description="name, or name@version; the first that enhances if not given", examples=["speech"]),
    ] = None
    format: Annotated[
        Format | None,
        Field(
            description="form of the answer; wins over the Accept header. That of the recording if neither says; FLAC "
            "for Ogg and MP3",
            examples=["flac"],
        ),
    ] = None


@dataclass(frozen=True, eq=False)
class Recording:
    """What a request comes to: the pieces [plan.rows, plan.size] that the network is given, how they are put together
    and written again, and what the file says of itself.
    """

    pieces: Pieces
    plan: Plan
    form: Form
    comment: str


def router(settings: Settings) -> APIRouter:
    """The route, with the limits of these settings."""
    limits = limited(EnhanceParameters, settings)
    routes = APIRouter(tags=["enhance"], route_class=DirectRoute)
    decoders = Intake(DECODERS)

    @routes.post(
        "/enhance",
        response_class=Response,
        responses=_ANSWER,
        openapi_extra=openapi.query(limits) | body(limits, "audio", "audio/*"),
        description=f"""Enhance a recording: take the noise out of speech, say, whatever the model was trained for.

The recording is the body, or the part `audio` of a form: WAV, FLAC, Ogg or MP3, which is known by its bytes, of any
rate, mono, stereo or more, of up to {settings.max_audio_seconds:g} seconds. Each channel is enhanced by itself. The
answer has the rate, the channels and the length of the recording.

A long answer is sent while the rest is computed, and is refused at once if that would take longer than `timeout`.
Should it fail, the connection is cut: a client that checks the length, or the end of a chunked answer, never takes a
part for the whole.""",
    )
    @needs("generate")
    async def enhance_recording(request: Request) -> Response:
        return await _enhance(request, limits, decoders)

    return routes


_ANSWER: openapi.Responses = {
    200: {
        "description": "The recording, as long as the one that was sent.",
        "content": {kind: {} for kind in OFFERED.values()},
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in MEANINGS.items()},
    },
    **openapi.problems(400, 404, 406, 413, 415, 422, 429, 500, 503, 504),
}


async def _enhance(request: Request, model: type[EnhanceParameters], decoders: Intake) -> Response:
    here = service(request)
    asked, upload = await uploaded(request, model, "audio", here.settings.upload_bytes)
    # From here on: a long recording may be on its way for longer than its answer may take.
    began = time.monotonic()
    deadline = began + (asked.timeout or here.settings.request_timeout)
    live = here.catalog.get(asked.model, task="enhance")
    request.state.model = live.manifest.reference
    read = partial(_read, upload.data, live, here.settings, partial(_chosen, request, asked.format))
    taken = await decoders.take(request, live, read, deadline=deadline, lane=asked.priority)
    recording = taken.made

    form = recording.form
    fields = {
        "X-Model": live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Content-Disposition": f'inline; filename="{live.manifest.name}-{live.manifest.version}.{form.format}"',
    }
    if asked.format is None:
        fields["Vary"] = "Accept"
    graph = live.manifest.graphs["generator"]
    inputs, made = {graph.given("audio").name: recording.pieces}, graph.output("audio").name
    require_time(live, inputs, deadline, waited=taken.waited)
    if recording.plan.rows > AT_ONCE:
        arrivals: Arrivals[tuple[int, Samples]] = Arrivals()
        each = Piecewise(lambda row, outputs: arrivals.put((row, outputs[made])), lambda _: None)
        require_client(request, live, len(recording.pieces))
        streamed = submitted(request, live, inputs, each, deadline=deadline, lane=asked.priority)
        if (size := audio_writer.size(form, recording.comment)) is not None:
            fields["Content-Length"] = str(size)
        restoration = Restoration(recording.plan, form, recording.comment)
        chunks = await begun(_written(restoration, arrivals.of(streamed, request)))
        # Half an answer is of no use to anyone; it was predicted to be done in time, and may be late.
        streamed.keep()
        return Stream(chunks, headers=fields, media_type=OFFERED[form.format])
    finish = partial(_file, recording, made)
    job = await carried_out(request, live, inputs, finish, deadline=deadline, lane=asked.priority)
    fields["Server-Timing"] = headers.server_timing(job.timing, time.monotonic() - began, decode=taken.seconds)
    return Response(job.result(), headers=fields, media_type=OFFERED[form.format])


def _chosen(request: Request, asked: Format | None, usual: Format) -> Format:
    """The format that is asked for, that the client prefers, or else the `usual` one."""
    if asked is not None:
        return asked
    return negotiated(request, offered(usual, *(name for name in OFFERED if name != usual)))


def _read(data: bytes, live: LiveModel, settings: Settings, chosen: Callable[[Format], Format]) -> Recording:
    """The recording in a file, in pieces for that model; raises as `audio.decode` and `audio_writer.form` do."""
    seconds = settings.max_audio_seconds
    sound = audio.decode(data, audio.Limits(seconds=seconds, values=int(seconds * WIDEST)))
    form = audio_writer.form(sound)
    form = audio_writer.form(sound, chosen(form.format))
    made = plan(sound, live.manifest.graphs["generator"].given("audio"))
    recipe = Derivation(
        model=live.manifest.name,
        version=live.manifest.version,
        digest=live.digest,
        verb="enhance",
        source=contract.digest(data),
    )
    return Recording(pieces(sound, made), made, form, recipe.json_text)


def _file(recording: Recording, made: str, outputs: Arrays) -> bytes:
    """The answer's file, of the outputs for all pieces, of which that of the name `made` is the sound."""
    return restored(outputs[made], recording.plan, recording.form, recording.comment)


async def _written(
    restoration: Restoration, arrivals: AsyncGenerator[tuple[int, Samples], None]
) -> AsyncGenerator[bytes, None]:
    """The answer's file as it comes, of rows and their outputs."""
    async with aclosing(arrivals):
        async for row, output in arrivals:
            if part := await run_in_threadpool(restoration.add, row, output):
                yield part
