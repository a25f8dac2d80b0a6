"""The application: `create_app` wires settings, metrics, catalog and routes together, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from opentelemetry.trace import TracerProvider
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from app import web
from app.access.watched import KeysFile
from app.api import (
    admin,
    docs,
    enhance,
    generate,
    health,
    lateness,
    models,
    openapi,
    problems,
    reproduce,
    score,
    secured,
    security,
    tracing,
    translate,
)
from app.api.codes import decode, encode, maps, reconstruct
from app.api.counting import RequestCounter
from app.api.deps import Service
from app.api.door import Door
from app.api.edits import edit
from app.api.entrance import Entrance
from app.api.faces import inference, openai
from app.api.hot import FrontedApp, HotRoutes
from app.api.intake import Intake
from app.api.predictions import predict
from app.api.spans import Traces
from app.api.walks import interpolate
from app.engine import memory, providers
from app.engine.catalog import Catalog
from app.metrics import Metrics
from app.settings import Settings


def create_app(settings: Settings | None = None, *, tracer_provider: TracerProvider | None = None) -> FastAPI:
    """An ASGI application that serves the models of `settings`, by default those of the environment.

    Its lifespan starts loading the models and, at the end, finishes what was accepted. It answers while models load:
    `/readyz` says when they are done. Requests are traced with `tracer_provider`, which stays the caller's to shut
    down, or else as the settings say. Raises `KeysError` for a keys file that can't be used, and `TracingUnavailable`
    for traces that can't be had.
    """
    settings = settings or Settings()
    metrics = Metrics()
    metrics.memory_limit.set(memory.limit())
    keys = KeysFile(settings.keys_file) if settings.keys_file else None
    collecting = tracing.provider(settings) if tracer_provider is None else None
    provider = tracer_provider or collecting
    catalog = Catalog(settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        catalog.start()
        async with lateness.watched(metrics.loop_late):
            yield
        await run_in_threadpool(catalog.close, settings.drain_seconds)
        if collecting is not None:
            await run_in_threadpool(tracing.close, collecting)

    app = FrontedApp(
        title="Ganymede",
        version=version("ganymede"),
        description="Pictures from generative adversarial networks: every picture has an address.",
        openapi_tags=openapi.TAGS,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        # It would see only the requests that take the framework's way, and none of what the engine does; see `spans`.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = Service(settings, metrics, catalog, Intake(providers.cores()))
    hot = generate.router(settings)
    routes = [route for route in hot.routes if isinstance(route, APIRoute)]
    front: ASGIApp = HotRoutes(app, routes)
    app.state.door = None
    if keys or settings.management_port:
        front = app.state.door = Door(front, app, metrics, keys, settings.management_port)
    if keys:
        secured.install(app)
    # From here out: who may; whose scripts may, which ask before without a key; what browsers may do with the answer;
    # the count of all that was asked; ids and lines, which stand around everything.
    front = security.SecurityHeaders(security.across(front, settings.cors_origins), settings.resource_policy)
    front = RequestCounter(front, metrics, catalog.guests)
    app.front = Entrance(front, lines=settings.log_requests, traces=Traces(provider) if provider else None)
    problems.install(app)
    docs.install(app)
    web.install(app)
    app.include_router(hot)
    app.include_router(encode.router(settings))
    app.include_router(decode.router(settings))
    app.include_router(reconstruct.router(settings))
    app.include_router(score.router(settings))
    app.include_router(maps.router(settings))
    app.include_router(reproduce.router(settings))
    app.include_router(interpolate.router(settings))
    app.include_router(edit.router(settings))
    app.include_router(translate.router(settings))
    app.include_router(enhance.router(settings))
    app.include_router(predict.router(settings))
    app.include_router(models.router)
    if settings.admin:
        app.include_router(admin.router(settings))
    app.include_router(openai.router(settings))
    app.include_router(inference.router)
    app.include_router(health.router)
    return app
