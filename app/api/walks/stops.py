"""The stops of an interpolation: as requests name them, and what a model makes of them.

A stop is a sample of a seed, or a latent of the client's own.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import from_json

from app.api.classes import class_of, name_of
from app.api.codes.transport import TYPES
from app.api.deps import validated
from app.api.schemas import members
from app.classes import Class, single
from app.contract import Manifest
from app.engine.job import Arrays
from app.errors import InvalidParameter
from app.latents import MAX_SEED, Floats
from app.media import bundles

SEED: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
CLASS: dict[str, Any] = {
    "oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}]
}

LARGEST = 1000.0
"""How far from 0 the values of a latent may be: a standard normal's stay within 6, and no arithmetic overflows."""


class StopParameters(BaseModel):
    """A stop as an object of a JSON body."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED, description="of the sample")] = None
    index: Annotated[int, Field(ge=0, le=MAX_SEED, description="index of the sample of the seed")] = 0
    class_: Annotated[
        Any,
        WithJsonSchema(CLASS),
        Field(alias="class", description="class by name or index, or weights; drawn from the seed if not given"),
    ] = None
    latent: Annotated[
        Any,
        WithJsonSchema({"oneOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]}),
        Field(
            description="in place of a seed: values of a latent of the named model, or an npy file of them in base64"
        ),
    ] = None


OBJECT: dict[str, Any] = {"type": "object", "properties": members(StopParameters), "additionalProperties": False}
"""The JSON schema of a stop that says more than a seed."""


@dataclass(frozen=True)
class NamedStop:
    """A stop as a request names it, not yet held against a model; errors call it `field`. `text` is its class."""

    field: str
    seed: int | None
    index: int = 0
    text: str | None = None
    latent: object = None


@dataclass(frozen=True)
class Stop:
    """Sample `index` of `seed`, or a latent, float32 [size]; `class_` is None where it is drawn from the seed."""

    seed: int | None
    index: int
    class_: Class | None
    latent: Floats | None

    def inputs(self, manifest: Manifest, truncation: float) -> Arrays:
        """What the generator eats for it, [1, …] by ONNX name. Of a seed, the very bits that draw its picture."""
        seed, indices = self.seed or 0, range(self.index, self.index + 1)
        inputs = manifest.inputs(seed, indices, self.class_, truncation)
        latent = manifest.graphs["generator"].input("latent")
        if self.latent is None or latent is None:
            return inputs
        return inputs | {latent.name: self.latent[None]}

    def label(self, manifest: Manifest) -> Class | None:
        """The class that it has, named or drawn; None without classes."""
        taken = manifest.graphs["generator"].input("label")
        if self.class_ is not None or taken is None:
            return self.class_
        [drawn] = single(self.inputs(manifest, 1)[taken.name])
        return drawn

    def canonical(self, manifest: Manifest) -> int | dict[str, Any]:
        """The stop as JSON that `read` takes for the same one: a bare seed where that says it all."""
        said: dict[str, Any] = {}
        if self.latent is not None:
            file = BytesIO()
            np.lib.format.write_array(file, self.latent, version=(1, 0), allow_pickle=False)
            said["latent"] = base64.b64encode(file.getvalue()).decode()
        elif self.index == 0 and self.class_ is None:
            return self.seed or 0
        else:
            said |= {"seed": self.seed} | ({"index": self.index} if self.index else {})
        return said if self.class_ is None else said | {"class": name_of(manifest, self.class_)}


def read_list(given: object, most: int) -> list[NamedStop]:
    """The stops of `1,2,3`, or of a JSON list of seeds and objects, be it a list or a text; raises `InvalidParameter`.

    A walk through more than `most` is more than can be drawn.
    """
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = from_json(given)
        except ValueError as error:
            raise InvalidParameter.of("stops", f"is not JSON: {error}") from error
    if isinstance(given, str):
        given = [piece.strip() for piece in given.split(",")]
    if not isinstance(given, list) or len(given) < 2:
        raise InvalidParameter.of(
            "stops", "must be two stops at least: seeds, such as 1,2,3, or a JSON list of seeds and objects"
        )
    if len(given) > most:
        message = f"are {len(given)}; this server draws {most} pictures in one request, so name {most} at most"
        raise InvalidParameter.of("stops", message)
    return [read(stop, f"stops[{number}]") for number, stop in enumerate(given)]


def read(given: object, field: str) -> NamedStop:
    """One stop: a seed, or an object; see `StopParameters`. Raises `InvalidParameter`."""
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) <= len(str(MAX_SEED)):
        given = int(given)
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_SEED:
        return NamedStop(field, given)
    if not isinstance(given, Mapping):
        raise InvalidParameter.of(field, f"must be a seed from 0 to {MAX_SEED}, or an object with a seed or a latent")
    asked = validated(cast(Mapping[str, Any], given), StopParameters, f"{field}.")
    if (asked.seed is None) == (asked.latent is None):
        raise InvalidParameter.of(field, "must have either a seed or a latent")
    if asked.latent is not None and asked.index:
        raise InvalidParameter.of(f"{field}.index", "is of samples of a seed, a latent has none; leave it out")
    return NamedStop(field, asked.seed, asked.index, class_text(asked.class_, f"{field}.class"), asked.latent)


def class_text(given: object, field: str = "class") -> str | None:
    """What names a class, or several by their weights, as a text: `{"dog": 0.7, "cat": 0.3}` is `dog:0.7,cat:0.3`."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    if not isinstance(given, Mapping) or not given:
        raise InvalidParameter.of(
            field, "must be a class by name or index, or weights of classes, such as dog:0.7,cat:0.3"
        )
    return ",".join(f"{name}:{weight}" for name, weight in given.items())


def settle(asked: NamedStop, manifest: Manifest, otherwise: Class | None) -> Stop:
    """What a stop is for this model; its class is `otherwise` if it names none.

    Raises `UnknownClass`, and `InvalidParameter` for a class or a latent that the model can't have.
    """
    class_ = otherwise if asked.text is None else _class(manifest, asked.text, f"{asked.field}.class")
    if asked.latent is None:
        return Stop(asked.seed, asked.index, class_, None)
    if class_ is None and manifest.classes:
        raise InvalidParameter.of(
            f"{asked.field}.class", f"is missing: {manifest.reference} has classes, and a latent draws none"
        )
    size = manifest.latent.size if manifest.latent else 0
    latent = _latent(asked.latent, size)
    if latent is None:
        expected = f"{size} numbers from -{LARGEST:g} to {LARGEST:g}"
        message = f"must be {expected}, or an npy file of them in base64"
        raise InvalidParameter.of(f"{asked.field}.latent", message)
    return Stop(None, 0, class_, latent)


def _class(manifest: Manifest, text: str, field: str) -> Class:
    """As `class_of`, in whose errors the class is called `field`."""
    try:
        return class_of(manifest, text)
    except InvalidParameter as error:
        raise InvalidParameter([flaw | {"field": field} for flaw in error.extensions["errors"]]) from error


def _latent(given: object, size: int) -> Floats | None:
    """The latent, float32 [size], of a list or an npy file; None if it is none."""
    values = _unpacked(given) if isinstance(given, str) else given
    if not isinstance(values, list) or len(values) != size:
        return None
    # Compared before numpy sees them: JSON's integers have no bound, and NaN is within none.
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return np.array(values, np.float32) if numbers and all(abs(value) <= LARGEST for value in values) else None


def _unpacked(given: str) -> object:
    """The values in an npy file in base64, of shape [size] or [1, size]; None if it is none."""
    try:
        values = bundles.from_npy(base64.b64decode(given, validate=True), *TYPES)
    except ValueError:
        return None
    return values.reshape(-1).tolist() if values.ndim == 1 or (values.ndim, len(values)) == (2, 1) else None
