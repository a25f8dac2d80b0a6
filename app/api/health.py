"""Whether the process lives, whether it can take work, and its metrics."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import openapi
from app.api.deps import service
from app.errors import NotReady

router = APIRouter(tags=["operation"])


@router.get("/healthz", response_class=JSONResponse)
async def alive() -> Response:
    """The process is alive. Says nothing of the models: restarting it would not mend those."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz", response_class=JSONResponse, responses=openapi.problems(503))
async def ready(request: Request) -> Response:
    """Every model is warm and draws its golden samples right.

    Otherwise 503, with the state of each model and the exact reason of each that failed; also with no model at all,
    and from the moment that a shutdown begins.
    """
    catalog = service(request).catalog
    entries = catalog.entries()
    states = [{"model": entry.reference, "state": entry.state, "reason": entry.reason} for entry in entries]
    failed = [f"{entry.reference} failed to load: {entry.reason}" for entry in entries if entry.state == "failed"]
    if reason := catalog.reason or "; ".join(failed):
        raise NotReady(reason, extensions={"models": states})
    return JSONResponse({"status": "ready", "models": states})


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
async def metrics(request: Request) -> Response:
    """Prometheus' text format: requests, phases, batches, queues, dropped and refused work, and states of models."""
    return Response(service(request).metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
