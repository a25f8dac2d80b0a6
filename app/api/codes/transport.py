"""Codes as they travel: the latents that a request brings, in JSON or in numpy's file format, and those in a recipe."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from app.api import numbers, uploads
from app.api.deps import checked, json_object, media_type
from app.api.schemas import Asked, Parameters, members
from app.classes import Class
from app.contract import Graph, Manifest, digest
from app.engine.job import Arrays
from app.errors import InvalidParameter
from app.latents import Floats
from app.media import bundles
from app.settings import Settings

NPY = "application/x-npy"

TYPES = ("float32", "float64", "float16", "int64", "int32")
"""Those of the numbers in a file, in either order of bytes."""

JSON_LIMIT = 2**20
"""Bytes of latents in JSON: some 50,000 numbers, which are parsed on the event loop, in a few milliseconds."""

LIST: dict[str, Any] = {
    "type": "array",
    "description": "the latents, each a list of numbers",
    "items": {"type": "array", "items": {"type": "number"}},
}
"""The JSON schema of latents in JSON."""

CARRIED = 4096
"""Numbers that a recipe carries: one of more would not fit into a JPEG, whose metadata ends at 64 KB."""


async def brought(request: Request, model: type[Asked], settings: Settings) -> tuple[Asked, NDArray[Any]]:
    """The parameters of a request, and the numbers that it brings as `latents`, in whatever shape.

    They are a member of the JSON that is the body, or an npy file, which is the body or a part of a form. Raises what
    `uploaded` and `parameters` raise, and `InvalidParameter` for what holds no numbers.
    """
    if media_type(request) != "application/json":
        asked, upload = await uploads.uploaded(request, model, "latents", settings.upload_bytes)
        try:
            return asked, bundles.from_npy(upload.data, *TYPES)
        except ValueError as error:
            raise _invalid(f"can't be read as an npy file: {error}; send one, or JSON") from error
    body = await json_object(request, JSON_LIMIT, "send more latents in numpy's file format (npy)")
    latents = body.pop("latents", None)
    asked = checked(request, body.items(), model)
    if latents is None:
        raise _invalid("is missing: a list of latents, each of which is a list of numbers")
    return asked, listed(latents)


def listed(latents: object) -> NDArray[Any]:
    """The numbers of the JSON list that is `latents`, in whatever shape; raises `InvalidParameter` for any other."""
    try:
        return numbers.read(latents)
    except ValueError as error:
        raise _invalid("must be a list of latents, each a list of numbers, all of the same length") from error


def settled(manifest: Manifest, values: NDArray[Any], most: int) -> Floats:
    """The latents, float32 [n, size], that these numbers are to this model, one at least and `most` at most.

    A single latent may come without the axis of the samples. Raises `InvalidParameter` for any other shape, for
    numbers that aren't finite, and for a model that draws from no latent.
    """
    if manifest.latent is None:
        message = f"{manifest.reference} draws from no latent, it can {', '.join(manifest.tasks)}"
        raise InvalidParameter.of("model", message)
    size = manifest.latent.size
    latents = values[None] if values.ndim == 1 else values
    if latents.ndim != 2 or latents.shape[1] != size or not len(latents):
        raise _invalid(f"must be of shape [n, {size}] for {manifest.reference}, not {list(values.shape)}")
    if len(latents) > most:
        raise _invalid(f"are {len(latents)}; at most {most} are decoded for one request")
    with np.errstate(over="ignore"):
        floats = latents.astype(np.float32)
    if not np.isfinite(floats).all():
        raise _invalid("hold what is no finite number")
    return floats


def deviations(encoder: Graph, outputs: Arrays) -> Floats | None:
    """How far codes lie from the latent, float32 [n, size], where an encoder answers with that; else None."""
    named = [outputs[tensor.name] for tensor in encoder.outputs if tensor.meaning == "deviation"]
    return named[0] if named else None


def inputs(manifest: Manifest, latents: Floats, label: Class | None) -> Arrays:
    """What the generator eats for latents, float32 [n, size], of one class, None where there are none."""
    generator = manifest.graphs["generator"]
    given: dict[str, NDArray[Any]] = {}
    for tensor in generator.inputs:
        if tensor.meaning == "latent":
            given[tensor.name] = latents
        elif label is not None:
            given[tensor.name] = tensor.labels([label] * len(latents))
    return given


def carried(latents: Floats) -> dict[str, str]:
    """What a recipe says of latents, float32 [n, size]: them, little-endian in base64, or else their SHA-256."""
    data = latents.astype("<f4").tobytes()
    return {"latents": b64encode(data).decode()} if latents.size <= CARRIED else {"latents_sha256": digest(data)}


def unpacked(carried: str, size: int) -> NDArray[np.float32]:
    """The latents, float32 [n, size], that a recipe carries; ValueError if it is none of such latents."""
    return np.frombuffer(b64decode(carried, validate=True), "<f4").reshape(-1, size).astype(np.float32)


def body(model: type[Asked], example: Mapping[str, Any]) -> dict[str, Any]:
    """How OpenAPI describes a request with latents."""
    schema = {
        "type": "object",
        "required": ["latents"],
        "properties": {"latents": LIST, **members(model)},
        "additionalProperties": False,
    }
    described = uploads.body(model, "latents", NPY)
    content = {"application/json": {"schema": schema, "example": dict(example)}, **described["requestBody"]["content"]}
    return {"requestBody": {"required": True, "content": content}}


def _invalid(message: str) -> InvalidParameter:
    return InvalidParameter.of("latents", message)


def require_model(asked: Parameters, settings: Settings) -> None:
    """Refuses latents where neither the request nor the settings name a model."""
    if asked.model is None and settings.default_model is None:
        raise InvalidParameter.of(
            "model", "is missing: a latent means something only to the model that it was made for"
        )
