"""`/models`: what is served, in which state, where it comes from and how good it is."""

from typing import Annotated, Any
from urllib.parse import quote_plus

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import contract
from app.access.scopes import needs
from app.api import caching, openapi
from app.api.deps import service
from app.card import DIRECTIONS
from app.directions import Direction
from app.engine.entries import Entry
from app.engine.model import LiveModel
from app.errors import NotReady, RetiredModel, UnknownModel

router = APIRouter(tags=["models"])

Reference = Annotated[str, Path(description="name, or name@version", examples=["cifar10"])]

SAMPLES = "samples.png"
CARD = "README.md"


@router.get("/models", response_class=JSONResponse)
@needs("generate")
async def list_models(request: Request) -> Response:
    """Every model version: its state, what it takes in memory, and the exact reason of each that isn't served."""
    catalog = service(request).catalog
    listed: dict[str, Any] = {"models": [_summary(request, entry) for entry in catalog.entries()]}
    if catalog.lookout.notice is not None:
        listed["notice"] = catalog.lookout.notice
    return JSONResponse(listed)


@router.get("/models/{reference}", response_class=JSONResponse, responses=openapi.problems(404, 422))
@needs("generate")
async def show_model(request: Request, reference: Reference) -> Response:
    """One model: inputs, classes, training, metrics, licence, what a batch costs, and what its pictures look like in
    service, as the worker that answers has seen them lately; and all its versions, with the reason of each that isn't
    served. A bare name: the version that takes the most of its requests, the newest unless operators said otherwise.
    """
    return shown(request, reference)


@router.get(
    "/models/{reference}/samples.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **openapi.problems(404, 422, 503)},
)
@needs("generate")
async def model_samples(request: Request, reference: Reference) -> Response:
    """The sheet that was drawn from the exported graph at fixed seeds."""
    return await _file(request, reference, SAMPLES, "image/png")


@router.get(
    "/models/{reference}/directions.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **openapi.problems(404, 422, 503)},
)
@needs("generate")
async def model_directions(request: Request, reference: Reference) -> Response:
    """What each direction of the model changes, from one end of its range to the other: a row for each of a few samples
    and each direction.
    """
    return await _file(request, reference, DIRECTIONS, "image/png")


@router.get(
    "/models/{reference}/card",
    response_class=Response,
    responses={200: {"content": {"text/markdown": {}}}, **openapi.problems(404, 422, 503)},
)
@needs("generate")
async def model_card(request: Request, reference: Reference) -> Response:
    """The model card: what it is, its data, its numbers and its limits, in Markdown for people."""
    return await _file(request, reference, CARD, "text/markdown")


def shown(request: Request, reference: str, status: int = 200) -> JSONResponse:
    """What is known of one model, and of each of its versions whether it is served."""
    entry = _entry(request, reference)
    catalog = service(request).catalog
    shares = catalog.shares(entry.name)
    versions = [
        {"version": one.version, "state": one.state, "reason": one.reason, "share": shares.get(one.version, 0.0)}
        for one in catalog.entries()
        if one.name == entry.name
    ]
    known = _summary(request, entry) | {"versions": versions} | (_details(entry.model) if entry.model else {})
    return JSONResponse(known, status)


def _entry(request: Request, reference: str) -> Entry:
    """The entry of `name@version`, or that of `name` with the largest share, or the newest one if none takes jobs."""
    catalog = service(request).catalog
    entries = catalog.entries()
    fitting = [entry for entry in entries if reference in (entry.name, entry.reference)]
    if not fitting:
        raise UnknownModel(reference, [entry.reference for entry in entries])
    shares = catalog.shares(fitting[0].name)
    return max(fitting, key=lambda entry: (shares.get(entry.version, 0.0), entry.version))


def _summary(request: Request, entry: Entry) -> dict[str, Any]:
    """What can be said of any entry, ready or not. `bytes` is what it takes in memory now, `share` how much of the
    requests that name no version.
    """
    root = request.scope.get("root_path", "")
    here = f"{root}/models/{entry.reference}"
    summary: dict[str, Any] = {
        "model": entry.reference,
        "name": entry.name,
        "version": entry.version,
        "state": entry.state,
        "reason": entry.reason,
        "bytes": entry.bytes,
        "share": service(request).catalog.shares(entry.name).get(entry.version, 0.0),
    }
    links = {"self": here}
    if manifest := entry.manifest:
        summary |= {"title": manifest.title, "tasks": manifest.tasks, "classes": manifest.classes}
        if manifest.styles:
            summary["styles"] = list(manifest.styles)
        summary["directions"] = [_direction(direction) for direction in manifest.directions]
        if manifest.directions:
            first = manifest.directions[0]
            along = f"&direction={first.name}&amount={first.range[1] or first.range[0]:g}"
            classed = "".join(f"&class={quote_plus(name)}" for name in manifest.classes[:1])
            links["edit"] = f"{root}/edit?model={entry.reference}{classed}{along}"
        if "generate" in manifest.tasks:
            links["generate"] = f"{root}/generate?model={entry.reference}"
        if manifest.latent is not None:
            # A map of several classes would be none: it is that of the first.
            links["map"] = f"{here}/map" + "".join(f"?class={quote_plus(name)}" for name in manifest.classes[:1])
        files = {
            SAMPLES: {"samples": f"{here}/samples.png"},
            DIRECTIONS: {"directions": f"{here}/directions.png"},
            CARD: {"card": f"{here}/card"},
        }
        for file, link in files.items():
            links |= link if file in manifest.files else {}
    return summary | {"links": links}


def _direction(direction: Direction) -> dict[str, Any]:
    """What can be asked of a direction, and how it was found; its vector is in the manifest, for programs that edit."""
    return direction.model_dump(mode="json", exclude={"vector"})


def _details(live: LiveModel) -> dict[str, Any]:
    """The manifest, less the golden pixels and what the summary says, and what the model is and costs here."""
    said = {"golden", "name", "version", "title", "tasks", "classes", "directions"}
    details = live.manifest.model_dump(mode="json", exclude=said)
    seconds = {role: {str(size): round(one, 6) for size, one in cost.items()} for role, cost in live.costs.items()}
    output = {role: vitals.lately() for role, vitals in live.vitals.items()}
    return details | {
        "output": output,
        "digest": live.digest,
        "runtime": live.identity,
        "seconds_by_batch_size": seconds,
    }


async def _file(request: Request, reference: str, file: str, media_type: str) -> Response:
    """A file of the model folder, checked against its hash, which is its entity tag too."""
    entry = _entry(request, reference)
    manifest = entry.manifest
    if manifest is None and entry.state == "retired":
        catalog = service(request).catalog
        raise RetiredModel(entry.reference, [one.reference for one in catalog.entries() if one.model is not None])
    if manifest is None:
        raise NotReady(f"{entry.reference} is {entry.state}: {entry.reason or 'ask again soon'}")
    if file not in manifest.files:
        raise HTTPException(404, f"{entry.reference} comes without {file}.")
    headers = {"ETag": f'"{manifest.files[file]}"', "Cache-Control": caching.REVALIDATE}
    if caching.still_fresh(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        data = await run_in_threadpool(contract.load, entry.folder, manifest, file)
    except contract.ContractError as error:
        raise NotReady(f"{file} of {entry.reference} can't be sent: {error}") from error
    return Response(data, headers=headers, media_type=media_type)
