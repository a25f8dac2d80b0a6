"""The application: `create_app` wires settings, metrics, catalog and routes together, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app.api import docs, enhance, generate, health, models, openapi, problems, reproduce, score, security, translate
from app.api.codes import decode, encode, maps, reconstruct
from app.api.counting import RequestCounter
from app.api.deps import Service
from app.api.edits import edit
from app.api.faces import inference, openai
from app.api.hot import FrontedApp, HotRoutes
from app.api.predictions import predict
from app.api.walks import interpolate
from app.engine.catalog import Catalog
from app.metrics import Metrics
from app.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """An ASGI application that serves the models of `settings`, by default those of the environment.

    Its lifespan starts loading the models and, at the end, finishes what was accepted. It answers while models load:
    `/readyz` says when they are done.
    """
    settings = settings or Settings()
    metrics = Metrics()
    catalog = Catalog(settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        catalog.start()
        yield
        await run_in_threadpool(catalog.close, settings.drain_seconds)

    app = FrontedApp(
        title="Ganymede",
        version=version("ganymede"),
        description="Pictures from generative adversarial networks: every picture has an address.",
        openapi_tags=openapi.TAGS,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        # Without an exporter it would only look for one, in every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = Service(settings, metrics, catalog)
    hot = generate.router(settings)
    routes = [route for route in hot.routes if isinstance(route, APIRoute)]
    front = security.across(HotRoutes(app, routes), settings.cors_origins)
    app.front = RequestCounter(security.SecurityHeaders(front, settings.resource_policy), metrics)
    problems.install(app)
    docs.install(app)
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
    app.include_router(openai.router(settings))
    app.include_router(inference.router)
    app.include_router(health.router)
    return app
