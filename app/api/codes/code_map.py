"""What a request for a map of codes comes to: its places in the latent space, its address, its file.

Of a latent of two values the map shows the whole space. Nothing is drawn at random, so it has an address as samples
have.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote_plus

import numpy as np
from pydantic import Field

from app import latents
from app.api import caching
from app.api.classes import GivenClass, name_of, required_class
from app.api.derived import derivation
from app.api.forms import Form, require_room
from app.api.media_types import offered
from app.api.schemas import Parameters
from app.classes import Class
from app.contract import Manifest
from app.engine.model import LiveModel
from app.errors import InvalidParameter
from app.latents import Floats
from app.media import bundles, images

MapFormat = Literal["png", "jpeg", "webp", "npy"]

MEDIA_TYPES: dict[MapFormat, str] = offered(*get_args(MapFormat))

SIDE = 8
"""Rows and columns, if they are not given and so many may be drawn."""


class MapParameters(Parameters):
    """What may be asked of a map. The path names the model."""

    class_: GivenClass = None
    rows: Annotated[int | None, Field(ge=1, description="pictures from above to below", examples=[4])] = None
    columns: Annotated[int | None, Field(ge=1, description="pictures from left to right", examples=[4])] = None
    dimensions: Annotated[
        str,
        Field(
            description="two dimensions of the latent, from 0: the first grows to the right, the second upwards; all "
            "others are 0, the mean",
            examples=["0,1"],
        ),
    ] = "0,1"
    extent: Annotated[
        float | None,
        Field(
            gt=0,
            le=100,
            description="goes in even steps from -extent to extent, in standard deviations of the prior; if not given, "
            "every picture stands for an equal share of all samples, so that they are closest around the mean",
        ),
    ] = None
    format: Annotated[
        MapFormat | None,
        Field(
            description="form of the answer; wins over the Accept header. npy is uint8 [rows, columns, h, w, channels]",
            examples=["png"],
        ),
    ] = None


@dataclass(frozen=True)
class CodeMap:
    """A sheet of `rows` × `columns` pictures of one class, None without classes, in one format.

    `size` is that of the latent, `dimensions` are those that grow to the right and upwards.
    """

    live: LiveModel
    label: Class | None
    rows: int
    columns: int
    size: int
    dimensions: tuple[int, int]
    extent: float | None
    format: MapFormat

    @property
    def manifest(self) -> Manifest:
        return self.live.manifest

    @property
    def lasting(self) -> bool:
        """Whether its address gives the same sheet again: not if the graph draws noise of its own."""
        return self.manifest.reproducible

    def parameters(self) -> dict[str, Any]:
        """What it was drawn by, as an address and a recipe hold it."""
        return {
            "class": name_of(self.manifest, self.label),
            "rows": self.rows,
            "columns": self.columns,
            "dimensions": ",".join(map(str, self.dimensions)),
            "extent": self.extent,
        }

    def address(self) -> str:
        """The path and query where this sheet lies for ever: version pinned."""
        given = self.parameters() | {"format": self.format}
        query = (f"{name}={quote_plus(str(value), safe=':,')}" for name, value in given.items() if value is not None)
        return f"/models/{self.manifest.reference}/map?{'&'.join(query)}"

    def tag(self) -> str:
        """The strong entity tag: the weights, what they ran on, the address, and the encoder."""
        return caching.entity_tag([self.live.digest, self.live.identity, self.address(), images.ENCODER])

    def file_name(self) -> str:
        return f"{self.manifest.name}-{self.manifest.version}_map.{self.format}"

    def codes(self) -> Floats:
        """The latents, row by row, float32 [rows · columns, size]."""
        right, up = (_places(count, self.extent) for count in (self.columns, self.rows))
        along, upward = (np.eye(1, self.size, dimension, np.float32)[0] for dimension in self.dimensions)
        return latents.plane(right, up, along, upward).reshape(-1, self.size)

    def file(self, drawn: images.Pixels) -> bytes:
        """The answer's body, of the pictures row by row, uint8 [rows · columns, h, w, c]."""
        if self.format == "npy":
            return bundles.npy(drawn.reshape(self.rows, self.columns, *drawn.shape[1:]))
        recipe = derivation(self.live, "map", self.parameters())
        return images.encode(images.sheet(drawn, self.columns), self.format, recipe)


def settle(asked: MapParameters, live: LiveModel, file_format: MapFormat, most: int) -> CodeMap:
    """The map that `asked` comes to with this model, of at most so many pictures.

    Raises `UnknownClass`, and `InvalidParameter` for a model that draws from no latent, a class that it lacks or that
    is missing, dimensions that it hasn't, and more pictures than may be drawn or the format can hold.
    """
    manifest = live.manifest
    if manifest.latent is None:
        raise _invalid("model", f"{manifest.reference} draws from no latent, it can {', '.join(manifest.tasks)}")
    side = min(SIDE, math.isqrt(most))
    rows, columns = asked.rows or side, asked.columns or side
    if rows * columns > most:
        made = f"{rows} rows × {columns} columns = {rows * columns} pictures"
        raise _invalid("rows", f"{made} would be drawn, and {most} may be; ask for fewer rows or columns")
    image = manifest.graphs["generator"].output("image")
    if file_format != "npy":
        require_room(Form(file_format, file_format, columns), rows * columns, image, "columns")
    return CodeMap(
        live=live,
        label=required_class(manifest, asked.class_),
        rows=rows,
        columns=columns,
        size=manifest.latent.size,
        dimensions=_dimensions(asked.dimensions, manifest.latent.size),
        extent=asked.extent,
        format=file_format,
    )


def _dimensions(text: str, size: int) -> tuple[int, int]:
    """The two dimensions of a latent of that size which a text names."""
    parts = [part.strip() for part in text.split(",")]
    named = [int(part) for part in parts if part.isdecimal() and len(part) < 10]
    if len(parts) != 2 or len(set(named)) != 2 or max(named) >= size:
        raise _invalid("dimensions", f"must be two different ones of 0 to {size - 1}, such as 0,1, not {text!r:.64}")
    return named[0], named[1]


def _places(count: int, extent: float | None) -> Floats:
    """How far to go along an axis, in standard deviations of the prior, for each of so many pictures."""
    if extent is None:
        return latents.quantiles(count)
    return np.linspace(-extent, extent, count, dtype=np.float32) if count > 1 else np.zeros(1, np.float32)


def _invalid(field: str, message: str) -> InvalidParameter:
    return InvalidParameter.of(field, message)
