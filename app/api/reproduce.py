"""`/reproduce`: a picture that this service drew, drawn again from its recipe, and held against it byte for byte."""

import time
from typing import Any, cast

import numpy as np
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.access.scopes import needs
from app.api import answers, caching, headers, layouts, openapi
from app.api.deps import DirectRoute, Service, service
from app.api.drawing import Drawing, settle
from app.api.edits.edited import edited, unfollowed
from app.api.edits.editing import Editing
from app.api.edits.schemas import EditParameters
from app.api.jobs import carried_out
from app.api.schemas import GenerateParameters, Parameters, limited
from app.api.uploads import body, uploaded
from app.api.walks import sequences
from app.engine.model import LiveModel
from app.errors import NotReproduced, UnknownModel
from app.media import images, pictures
from app.media.headers import kind_of
from app.media.provenance import Derivation, Recipe, RecipeError, recipe_of
from app.settings import Settings


class ReproduceParameters(Parameters):
    """What may be asked of `/reproduce`: the model and everything else stand in the picture."""

    model: None = None


def router(settings: Settings) -> APIRouter:
    """The route of `/reproduce`, with the limits of these settings."""
    asked = limited(ReproduceParameters, settings)
    drawable = limited(GenerateParameters, settings)
    editable = limited(EditParameters, settings)
    routes = APIRouter(tags=["generate"], route_class=DirectRoute)

    @routes.post(
        "/reproduce",
        response_class=Response,
        responses={
            200: {
                "description": "The very same bytes, drawn again.",
                "content": {answers.MEDIA_TYPES[name]: {} for name in ("png", "jpeg", "webp")}
                | {layouts.MEDIA_TYPES["apng"]: {}},
            },
            **openapi.problems(400, 409, 413, 415, 422, 429, 500, 503, 504),
        },
        openapi_extra=openapi.query(asked) | body(asked, "image", "image/*"),
    )
    @needs("generate")
    async def draw_again(request: Request) -> Response:
        """Draw a picture of this service again, from the recipe that it carries.

        Answers the same bytes, or 409 and what differs: the model is gone, its weights are others, the file was written
        anew, or its pixels were altered, and how many.
        """
        return await _reproduce(request, asked, drawable, editable)

    return routes


async def _reproduce(
    request: Request,
    model: type[ReproduceParameters],
    drawable: type[GenerateParameters],
    editable: type[EditParameters],
) -> Response:
    started = time.monotonic()
    here = service(request)
    asked, upload = await uploaded(request, model, "image", here.settings.upload_bytes)
    async with here.intake.turn(asked.priority):
        recipe = await run_in_threadpool(_recipe, upload.data)
    live = _model(here, recipe)
    request.state.model = live.manifest.reference
    kind = cast(images.Format, kind_of(upload.data).lower())
    drawing: Drawing | Editing
    if isinstance(recipe, Recipe):
        drawing = _drawing(recipe, live, drawable, kind)
    else:
        drawing = edited(recipe, live, editable, kind, here.settings)
    inputs = await drawing.inputs()
    drawing = drawing.known(inputs)
    job = await carried_out(
        request,
        live,
        inputs,
        sequences.body(drawing, drawing.image)
        if isinstance(drawing, Editing)
        else answers.body(drawing, drawing.image),
        deadline=started + (asked.timeout or here.settings.request_timeout),
        lane=asked.priority,
        graph=drawing.role,
    )
    drawn = job.result()
    if drawn != upload.data:
        if isinstance(drawing, Editing) and drawing.moves:
            raise NotReproduced("The animation and the one drawn again differ: it was altered, or written anew.")
        async with here.intake.turn(asked.priority):
            detail, figures = await run_in_threadpool(_difference, upload.data, drawn, here.settings)
        where = {"url": drawing.address()} if drawing.lasting else {}
        raise NotReproduced(detail, recipe=recipe.model_dump(exclude_none=True), **where, **figures)
    fields = {
        "X-Model": live.manifest.reference,
        "Cache-Control": caching.NEVER,
        "Server-Timing": headers.server_timing(job.timing, time.monotonic() - started),
    }
    if drawing.lasting:
        fields |= {
            "X-Seed": str(drawing.seed),
            "Content-Location": request.scope.get("root_path", "") + drawing.address(),
        }
    return Response(drawn, headers=fields, media_type=layouts.MEDIA_TYPES[cast(layouts.Format, drawing.format)])


def _recipe(data: bytes) -> Recipe | Derivation:
    """The recipe of a drawn picture; raises `NotReproduced` for a file without one, or one that takes more."""
    try:
        recipe = recipe_of(data)
    except RecipeError as error:
        raise NotReproduced(f"No recipe: {error}.") from error
    if isinstance(recipe, Recipe) or recipe.verb == "edit":
        return recipe
    raise NotReproduced(_again(recipe), recipe=recipe.model_dump(exclude_none=True))


def _again(recipe: Derivation) -> str:
    """How to make something again that is no sample of a seed."""
    parameters = "&".join(f"{name}={value}" for name, value in recipe.parameters.items())
    request = f"/{recipe.verb}?model={recipe.model}@{recipe.version}" + (f"&{parameters}" if parameters else "")
    if recipe.source is None:
        return f"It was made by {recipe.verb}; POST {request} makes it again."
    return f"It was made of another file: send the one whose SHA-256 is {recipe.source} to POST {request} again."


def _model(here: Service, recipe: Recipe | Derivation) -> LiveModel:
    reference = f"{recipe.model}@{recipe.version}"
    try:
        live = here.catalog.get(reference)
    except UnknownModel as error:
        raise NotReproduced(f"The model is gone: {error.detail}") from error
    if live.digest != recipe.digest:
        was = f"the picture's has SHA-256 {recipe.digest}, the one here {live.digest}"
        raise NotReproduced(f"{reference} is another model than the one that drew it: {was}.")
    if not live.manifest.reproducible:
        raise NotReproduced(f"{reference} draws noise of its own: it makes another picture each time.")
    return live


def _drawing(
    recipe: Recipe, live: LiveModel, drawable: type[GenerateParameters], file_format: images.Format
) -> Drawing:
    fields = recipe.model_dump(by_alias=True, exclude_none=True, include=set(drawable.model_fields) - {"model"})
    if recipe.columns is not None:
        fields["grid"] = recipe.columns
    try:
        asked = drawable.model_validate(fields)
    except ValidationError as error:
        raise unfollowed(error) from error
    drawing = settle(asked, live, recipe.seed, file_format)
    if drawing.best_of is not None:
        raise NotReproduced("It is a sheet that a critic chose; its address draws it again.", url=drawing.address())
    return drawing


def _difference(sent: bytes, drawn: bytes, settings: Settings) -> tuple[str, dict[str, Any]]:
    """What differs between two files of a picture, in words and in figures."""
    before, after = (
        pictures.decode(data, max_pixels=settings.max_pixels, max_frames=1).astype(np.int16) for data in (sent, drawn)
    )
    if before.shape != after.shape:
        sizes = " and ".join(f"{width}×{height}" for height, width, _ in (before.shape, after.shape))
        return f"The picture was cut or scaled: it and the one drawn again have {sizes} pixels.", {}
    off = np.abs(before - after).max(axis=-1)
    if not off.any():
        return "The file was written anew, by another program or version; its pixels are the same.", {}
    share, most = float((off > 0).mean()), int(off.max())
    rounded = "another processor or runtime may have rounded so" if most == 1 else "the picture was altered"
    detail = f"{share:.2%} of the pixels differ, by up to {most} of 255 levels: {rounded}."
    return detail, {"differing": share, "largest": most}
