"""The Open Inference Protocol, version 2, over REST: `/v2`, so that the clients of KServe and Triton work unchanged.

A model is its generator: tensors in, tensors out, in the batches of everyone else. Nothing is drawn from a seed here.
"""

import re
import time
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.access.scopes import needs
from app.api import caching, headers, health, openapi, protocols
from app.api.deps import DirectRoute, service
from app.api.faces import tensors
from app.api.faces.inference_schemas import (
    ErrorDocument,
    InferRequest,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    Server,
    TensorMetadata,
)
from app.api.jobs import carried_out
from app.api.uploads import read
from app.engine.model import LiveModel
from app.errors import InvalidParameter, NotReady
from app.metrics import Lane
from app.settings import Settings

JSON_LENGTH = "Inference-Header-Content-Length"
"""How many bytes of a body are its JSON; the rest are binary tensors."""

NUMBER = re.compile(r"[0-9]{1,15}")

FEW = 64 * 1024
"""Bytes of a body that are read into arrays on the event loop: that takes less than the way to a thread and back."""

MEGABYTE = 1_000_000

errors = partial(openapi.errors, ErrorDocument, protocols.FACES["v2"].media_type)

MODEL = {"name": ("name of the model", "fashion-ae")}
VERSION = MODEL | {"version": ("its version", "1")}
EXAMPLE = {"inputs": [{"name": "latent", "datatype": "FP32", "shape": [1, 32], "data": [0.5] * 32}]}
BINARY: dict[str, Any] = {
    "application/octet-stream": {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": f"{JSON_LENGTH} bytes of JSON, and the tensors.",
        }
    }
}
TENSORS: dict[str, Any] = {
    "responses": {
        200: {
            "model": InferResponse,
            "description": "The outputs.",
            "content": BINARY,
            "headers": {
                JSON_LENGTH: {
                    "description": "bytes of JSON, where binary tensors follow it",
                    "schema": {"type": "integer"},
                }
            },
        },
        **errors(400, 404, 413, 415, 429, 500, 503, 504),
    },
}
REQUEST = openapi.content(openapi.inlined(InferRequest), EXAMPLE, required=True, others=BINARY)

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=DirectRoute)
get = partial(router.get, response_class=Response)


@get("", responses={200: {"model": Server}})
@needs("generate")
async def inference_server(_: Request) -> Response:
    """What this server is, and which extensions of the protocol it has."""
    extensions = ["binary_tensor_data", "schedule_policy"]
    return JSONResponse(Server(name="ganymede", version=version("ganymede"), extensions=extensions).model_dump())


@get("/health/live", responses={200: {"model": Live}})
@needs("health")
async def inference_live(_: Request) -> Response:
    """The process is alive, as at `/healthz`."""
    return JSONResponse(Live().model_dump())


@get("/health/ready", responses={200: {"model": Ready}, **errors(503)})
@needs("health")
async def inference_ready(request: Request) -> Response:
    """The server can take work, as at `/readyz`."""
    await health.ready(request)
    return JSONResponse(Ready().model_dump())


@get(
    "/models/{name}",
    name="inference_model",
    responses={200: {"model": ModelMetadata}, **errors(404, 503)},
    openapi_extra=openapi.path(**MODEL),
)
@get(
    "/models/{name}/versions/{version}",
    name="inference_model_version",
    responses={200: {"model": ModelMetadata}, **errors(404, 503)},
    openapi_extra=openapi.path(**VERSION),
)
@needs("generate")
async def metadata(request: Request) -> Response:
    """The inputs and outputs of a model's generator, by name, datatype and shape."""
    manifest = _model(request).manifest
    graph = manifest.graphs["generator"]
    versions = [entry.version for entry in service(request).catalog.entries() if entry.name == manifest.name]
    described = ModelMetadata(
        name=manifest.name,
        versions=[str(number) for number in sorted(versions)],
        inputs=[TensorMetadata.of(tensor) for tensor in graph.inputs],
        outputs=[TensorMetadata.of(tensor) for tensor in graph.outputs],
    )
    return JSONResponse(described.model_dump())


@get(
    "/models/{name}/ready",
    name="inference_model_ready",
    responses={200: {"model": ModelReady}, **errors(404, 503)},
    openapi_extra=openapi.path(**MODEL),
)
@get(
    "/models/{name}/versions/{version}/ready",
    name="inference_model_version_ready",
    responses={200: {"model": ModelReady}, **errors(404, 503)},
    openapi_extra=openapi.path(**VERSION),
)
@needs("generate")
async def model_ready(request: Request) -> Response:
    """The model can take work."""
    live = _model(request)
    if reason := live.health.reason:
        raise NotReady(f"{live.manifest.reference} is not run: {reason}")
    return JSONResponse(ModelReady(name=live.manifest.name).model_dump())


@router.post("/models/{name}/infer", name="infer", openapi_extra=openapi.path(**MODEL) | REQUEST, **TENSORS)
@router.post(
    "/models/{name}/versions/{version}/infer",
    name="infer_version",
    openapi_extra=openapi.path(**VERSION) | REQUEST,
    **TENSORS,
)
@needs("generate")
async def infer(request: Request) -> Response:
    """Run the generator of a model on tensors: in JSON, or in binary behind it.

    The metadata of the model says which it takes. A batch is of samples of one shape, whoever sent them.
    """
    started = time.monotonic()
    settings = service(request).settings
    live = _model(request)
    request.state.model = live.manifest.reference
    call = await _call(request, live, settings)
    said = call.asked.parameters
    finish = tensors.encode(call, live.manifest)
    deadline = started + _timeout(said.timeout, settings)
    lane: Lane = "bulk" if said.priority > 1 else "interactive"
    done = await carried_out(request, live, call.inputs, finish, deadline=deadline, lane=lane)
    answer = done.result()
    fields = {
        "X-Model": live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Server-Timing": headers.server_timing(done.timing, time.monotonic() - started),
    }
    if answer.json_length is None:
        return Response(answer.body, headers=fields, media_type="application/json")
    fields[JSON_LENGTH] = str(answer.json_length)
    return Response(answer.body, headers=fields, media_type="application/octet-stream")


def _model(request: Request) -> LiveModel:
    """The model of the path, whatever its tasks."""
    name, number = request.path_params["name"], request.path_params.get("version")
    return service(request).catalog.named(name if number is None else f"{name}@{number}")


async def _call(request: Request, live: LiveModel, settings: Settings) -> tensors.Call:
    """The call that the body makes, read as it comes."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise HTTPException(415, f"The body must not be compressed; Content-Encoding is {encoding!r}.")
    json_length = request.headers.get(JSON_LENGTH)
    if json_length is not None and not NUMBER.fullmatch(json_length):
        message = f"must be a number of bytes, not {json_length!r}"
        raise InvalidParameter.of(JSON_LENGTH, message)
    raw = await read(request, int(settings.max_upload_mb * MEGABYTE), "body")
    length = None if json_length is None else int(json_length)
    decode = partial(tensors.decode, raw, length, live.manifest, settings.max_samples)
    return decode() if len(raw) <= FEW else await run_in_threadpool(decode)


def _timeout(microseconds: int, settings: Settings) -> float:
    """Seconds that a request may take; 0 stands for what the settings say, which is the most, too."""
    seconds = microseconds / 1e6
    if seconds > settings.request_timeout:
        message = f"must be at most {settings.request_timeout * 1e6:.0f} microseconds, not {microseconds}"
        raise InvalidParameter.of("parameters.timeout", message)
    return seconds or settings.request_timeout
