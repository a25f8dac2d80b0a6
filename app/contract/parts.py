"""The smaller parts of a manifest: where the weights come from, what was measured, and the golden samples.

Knows pydantic and numpy; `app.contract.declaration` puts them together.
"""

import base64
import zlib
from itertools import pairwise
from math import prod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from app.contract import bounds
from app.contract.errors import ContractError
from app.contract.tensors import Line, Part, Side, Text, Values


class Latent(Part):
    """The latent space: vectors of `size` values drawn from `prior`."""

    size: int = Field(gt=0, le=bounds.LATENT)
    prior: Literal["normal"] = "normal"


class Curve(Part):
    """How a measure went while training: `points` of real pictures seen so far, and its value; less is better."""

    measure: Line
    points: tuple[tuple[int, Annotated[float, Field(allow_inf_nan=False)]], ...] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _goes_on(self) -> "Curve":
        seen = [images for images, _ in self.points]
        if any(later <= earlier for earlier, later in pairwise(seen)):
            raise ValueError("a curve's pictures grow from point to point")
        return self


class Training(Part):
    """Where the weights come from. `images` counts the real pictures that the discriminator saw."""

    recipe: Line
    data: Text
    images: int
    seed: int
    revision: Line
    device: Line
    seconds: float
    date: Line
    settings: dict[Line, Text | int | float | bool | None] = Field({}, max_length=bounds.SETTINGS)
    curve: Curve | None = None
    """Of the measure by which the weights were chosen, over the whole run, which may have gone on after them."""


class Origin(Part):
    """Where the weights come from if they were not trained here: what the file says, and whoever added it."""

    file: Text
    """The name that it had."""
    producer: Text = ""
    """What wrote it, by its own account."""
    source: Text = ""
    """Where it was got, in words or as an address."""
    date: Line
    """When it was added."""


class Metric(Part):
    """A measured number. `floor` is the same number for real data against real data.

    `others` are what it must be compared with, by name: an ablation, a baseline, the untouched input.
    """

    name: Line
    value: float
    floor: float | None = None
    others: dict[Line, float] = Field({}, max_length=bounds.METRICS)
    protocol: Text


class Licence(Part):
    """Under which terms the data and the weights may be used, in words."""

    data: Text
    weights: Text


class Golden(Part):
    """What the exporter's generator answered for one seed: values of `shape`, deflated and in base64."""

    seed: int
    label: int | None = None
    shape: tuple[Side, ...] = Field(max_length=bounds.AXES)
    dtype: Literal["uint8", "float32"] = "uint8"
    pixels: str

    @classmethod
    def of(cls, seed: int, label: int | None, values: Values) -> "Golden":
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode()
        return cls(seed=seed, label=label, shape=values.shape, dtype=str(values.dtype), pixels=packed)

    def array(self) -> Values:
        """The values, of `dtype` and `shape`; `ContractError` if they are not that many bytes."""
        size = prod(self.shape) * np.dtype(self.dtype).itemsize
        try:
            data = zlib.decompressobj().decompress(base64.b64decode(self.pixels, validate=True), size + 1)
        except (ValueError, zlib.error) as error:
            raise ContractError(f"golden sample of seed {self.seed} can't be unpacked: {error}") from error
        if len(data) != size:
            raise ContractError(f"golden sample of seed {self.seed} holds {len(data)} bytes, its shape says {size}")
        return np.frombuffer(data, self.dtype).reshape(self.shape)


class Exporter(Part):
    """What drew the golden samples: same processor and runtime must give the same bytes."""

    runtime: Line
    processor: Text
