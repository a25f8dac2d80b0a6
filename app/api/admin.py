"""What changes the models that are served: load, unload, send, delete. There only where the settings say `admin`.

One change at a time, on a thread of its own: models load there for seconds, while everybody is served.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import models, openapi
from app.api.deps import DirectRoute, checked, json_object, service
from app.api.uploads import Limited
from app.contract import Version
from app.engine import uploads
from app.engine.catalog import Catalog
from app.engine.incoming import Incoming, incoming
from app.errors import InvalidParameter, NotKept
from app.settings import Settings

CANARY = re.compile(r"([1-9][0-9]{0,8}):(0?\.[0-9]+|0|1)")
REFERENCE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})@([1-9][0-9]{0,8})")

PART = 1 << 20
"""Bytes that are written to the disk at once."""

NAME = openapi.path(name=("name of a model", "cifar10"))
VERSION = openapi.path(reference=("name@version", "cifar10@2"))
DONE: openapi.Responses = {200: {"description": "The model as it is served now.", "content": {"application/json": {}}}}

log = logging.getLogger(__name__)


class Changed(BaseModel):
    """What may be said of a change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Loaded(Changed):
    """Of `/models/{name}/load`."""

    version: Annotated[
        Version | None, Field(description="version that takes over; the newest in the folder if not given")
    ] = None
    canary: Annotated[
        str | None,
        Field(
            description="versions that take a share of the requests, such as 2:0.1 for a tenth, several with commas; "
            "the rest stays with version, or with what serves now",
            examples=["2:0.1"],
        ),
    ] = None


class Unloaded(Changed):
    """Of `/models/{name}/unload`."""

    version: Annotated[Version | None, Field(description="version that leaves; all if not given")] = None


class Sent(Changed):
    """Of the upload of a version."""

    share: Annotated[
        float,
        Field(ge=0, le=1, description="share of the requests that name no version: 1 takes over, 0 leaves them alone"),
    ] = 1.0


def router(settings: Settings) -> APIRouter:
    """The routes that change models, for keys of the scope admin."""
    routes = APIRouter(tags=["models"], route_class=DirectRoute)
    one = asyncio.Lock()

    async def change(request: Request, made: Callable[..., None], *arguments: Any) -> None:
        # Else those that wait for their turn would take the threads that requests are served with.
        async with one:
            log.info("%s %s", request.method, request.url.path)
            await run_in_threadpool(made, *arguments)

    @routes.post(
        "/models/{name}/load",
        response_class=Response,
        responses={**DONE, **openapi.problems(404, 409, 413, 415, 422, 503, 507)},
        openapi_extra=_described(Loaded, NAME),
    )
    @needs("admin")
    async def load_model(request: Request) -> Response:
        """A version takes over, or several share the requests that name none, once each has shown that it can serve.

        A version that fails leaves all as it was: 422, with the reason.
        """
        name, asked = await _asked(request, Loaded)
        await change(request, _catalog(request).changes.load, name, asked.version, _canaries(asked.canary))
        return models.shown(request, name)

    @routes.post(
        "/models/{name}/unload",
        response_class=Response,
        responses={**DONE, **openapi.problems(404, 413, 415, 422, 503, 507)},
        openapi_extra=_described(Unloaded, NAME),
    )
    @needs("admin")
    async def unload_model(request: Request) -> Response:
        """A version is found no more. Requests that it has are answered; then it leaves memory."""
        name, asked = await _asked(request, Unloaded)
        await change(request, _catalog(request).changes.unload, name, asked.version)
        return models.shown(request, name)

    @routes.put(
        "/models/{reference}",
        response_class=Response,
        responses={
            201: {"description": "The model as it is served now.", "content": {"application/json": {}}},
            **openapi.problems(404, 409, 413, 422, 503, 507),
        },
        openapi_extra=_described(Sent, VERSION) | _archive(),
    )
    @needs("admin")
    async def send_version(request: Request) -> Response:
        """A new version, as a zip or a tar of its folder: kept, and served once it has shown that it can be.

        A version that fails is not kept, and leaves all as it was: 422, with the reason.
        """
        require_allowed(request, settings)
        name, version = _reference(request)
        asked = checked(request, (), Sent)
        models_folder, most = settings.models, settings.model_bytes
        with incoming(models_folder) as place:
            try:
                await _received(request, place, most)
            except OSError as error:
                raise NotKept(f"There is no room for the archive: {error.strerror}.") from error
            await change(request, uploads.put, _catalog(request).changes, name, version, place, most, asked.share)
        root = request.scope.get("root_path", "")
        answer = models.shown(request, f"{name}@{version}", status=201)
        answer.headers["Location"] = f"{root}/models/{name}@{version}"
        return answer

    @routes.delete(
        "/models/{reference}",
        status_code=204,
        response_class=Response,
        responses=openapi.problems(404, 409, 422, 503, 507),
        openapi_extra=VERSION,
    )
    @needs("admin")
    async def delete_version(request: Request) -> Response:
        """A version that is not in service is removed for good, with its folder."""
        require_allowed(request, settings)
        name, version = _reference(request)
        await change(request, uploads.delete, _catalog(request).changes, name, version)
        return Response(status_code=204)

    async def _asked(request: Request, model: type[Any]) -> tuple[str, Any]:
        require_allowed(request, settings)
        body = await json_object(request)
        return request.path_params["name"], checked(request, body.items(), model)

    return routes


def require_allowed(request: Request, settings: Settings) -> None:
    """Raises 403 where there are no keys and the request may not be of somebody on this machine.

    A page in a browser on this machine isn't: it sends its origin, and comes under a name of its own even where that
    leads to this machine.
    """
    if settings.keys_file is not None:
        return
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    client = request.client.host if request.client else ""
    if not (_is_here(client) and _is_here(_address(f"//{host}").hostname or "")):
        raise HTTPException(
            403,
            "Without keys, models are changed from this machine alone, by its address: serve with "
            "--keys-file and a key of the scope admin.",
        )
    if origin is not None and _address(origin).netloc != host:
        raise HTTPException(403, f"A page of {origin[:99]} may not change what is served here.")


def _address(text: str) -> SplitResult:
    """The parts of an address; of what is none, they are empty."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _catalog(request: Request) -> Catalog:
    return service(request).catalog


def _reference(request: Request) -> tuple[str, int]:
    reference = request.path_params["reference"]
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise InvalidParameter.of("reference", f"must be name@version, such as cifar10@2, not {reference[:64]!r}")
    return found[1], int(found[2])


def _canaries(text: str | None) -> dict[int, float]:
    """The shares by version; `InvalidParameter` unless they are shares that leave something."""
    parts = [] if text is None else text.split(",")
    shares: dict[int, float] = {}
    for part in parts:
        found = CANARY.fullmatch(part.strip())
        if found is None or int(found[1]) in shares:
            raise InvalidParameter.of("canary", f"must be versions with shares, such as 2:0.1, not {text!r}"[:200])
        shares[int(found[1])] = float(found[2])
    if sum(shares.values()) > 1:
        raise InvalidParameter.of("canary", f"has shares of {sum(shares.values()):g} in all; they may be 1")
    return shares


async def _received(request: Request, place: Incoming, most: int) -> None:
    """Writes the body to its place as it comes; 413 for one that is too large."""
    limited = Request(request.scope, Limited(request, most, "archive"))
    with place.archive.open("wb", buffering=0) as out:
        held = bytearray()
        async for chunk in limited.stream():
            held += chunk
            if len(held) >= PART:
                await run_in_threadpool(out.write, bytes(held))
                held.clear()
        await run_in_threadpool(out.write, bytes(held))


def _described(model: type[BaseModel], path: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": [*path["parameters"], *openapi.query(model)["parameters"]]}


def _archive() -> dict[str, Any]:
    file = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": {"application/zip": file, "application/x-tar": file}}}
