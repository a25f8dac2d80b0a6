"""Whether the process lives, whether it can take work, and its metrics."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.access.scopes import needs
from app.api import openapi
from app.api.deps import service
from app.errors import NotReady

router = APIRouter(tags=["operation"])


@router.get("/healthz", response_class=JSONResponse)
@needs("health")
async def alive() -> Response:
    """The process is alive. Says nothing of the models: restarting it would not mend those."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz", response_class=JSONResponse, responses=openapi.problems(503))
@needs("health")
async def ready(request: Request) -> Response:
    """Every model is warm and draws its golden samples right, or comes into memory, and shows that, when asked for.

    Otherwise 503, with the state of each model and the exact reason of each that failed, to load or, for the last
    batches, at work; also with no model at all, and from the moment that a shutdown begins. A version that came while
    others served, and failed, is no reason: `/models` has what became of it. One of several workers speaks for itself:
    each has models of its own, loaded from the same folder.
    """
    catalog = service(request).catalog
    entries = catalog.entries()
    states = [{"model": entry.reference, "state": entry.state, "reason": entry.reason} for entry in entries]
    told = {"failed": "failed to load", "failing": "is not run"}
    broken = [entry for entry in entries if entry.state in told and not entry.late]
    failed = [f"{entry.reference} {told[entry.state]}: {entry.reason}" for entry in broken]
    if reason := catalog.reason or "; ".join(failed):
        raise NotReady(reason, extensions={"models": states})
    return JSONResponse({"status": "ready", "models": states})


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
@needs("metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text format: requests, phases, batches, queues, dropped and refused work, and states of models.

    Any of several workers answers for all: counters and histograms are sums that survive a worker's death, less what
    it counted after the last scrape; families of the process have a label `worker`.
    """
    return Response(await run_in_threadpool(service(request).metrics.exposition), media_type=CONTENT_TYPE_LATEST)
