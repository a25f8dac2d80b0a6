"""The shapes that travel: the parameters of a request and the JSON of an answer, as pydantic models.

One model checks a query and a body alike, writes the OpenAPI page and words the errors, so the three can't disagree.
"""

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Le
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator

from app.latents import MAX_SEED
from app.media import images
from app.media.provenance import Recipe
from app.metrics import Lane
from app.settings import Settings

Format = Literal["png", "jpeg", "webp", "json", "zip", "npy", "ndjson", "multipart"]

Asked = TypeVar("Asked", bound="Parameters")


KINDS = {
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "object": "an object",
    "array": "a list",
}
"""JSON's types in words."""


class Parameters(BaseModel):
    """What may be asked of every verb. Unknown names are errors: a misspelt `sede` must not draw a random picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
    booleans: ClassVar[frozenset[str]] = frozenset()
    """The parameters that are."""

    model: Annotated[
        str | None,
        Field(description="name, or name@version for an address that never changes", examples=["cifar10@1"]),
    ] = None
    timeout: Annotated[
        float | None,
        Field(gt=0, description="seconds after which the answer is of no more use; queued work is dropped"),
    ] = None
    priority: Annotated[
        Lane,
        Field(description="bulk yields to interactive: it takes what that leaves free", examples=["interactive"]),
    ] = "interactive"

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean(cls, value: object, info: ValidationInfo) -> object:
        # pydantic would take JSON's `true` for 1.
        if isinstance(value, bool) and info.field_name not in cls.booleans:
            raise ValueError("this is no boolean")
        return value


class SampleParameters(Parameters):
    """Which samples of which seed are meant."""

    class_: Annotated[
        str | None,
        Field(
            alias="class",
            description="class by name or index, or several by weights, such as dog:0.7,cat:0.3, where the model mixes "
            "them; drawn from the seed if not given",
            examples=["dog"],
        ),
    ] = None
    n: Annotated[int, Field(ge=1, description="how many samples", examples=[1])] = 1
    seed: Annotated[
        int | None, Field(ge=0, le=MAX_SEED, description="drawn, and returned, if not given", examples=[42])
    ] = None
    index: Annotated[int, Field(ge=0, le=MAX_SEED, description="index of the first sample of the seed")] = 0
    truncation: Annotated[
        float, Field(ge=0, le=1, description="1 draws from all of the prior; less is more typical and less varied")
    ] = 1.0


class GenerateParameters(SampleParameters):
    """What may be asked of `/generate`."""

    best_of: Annotated[
        int | None,
        Field(
            ge=1,
            description="draw so many times n samples, and answer with the n that the model's critic likes best, the "
            "best first; each keeps its own index",
        ),
    ] = None
    stage: Annotated[
        int | None,
        Field(ge=1, le=2, description="of a model that draws in two stages: 1 for the small picture; 2 if not given"),
    ] = None
    format: Annotated[
        Format | None,
        Field(
            description="form of the answer; wins over the Accept header. ndjson and multipart are streams, which send "
            "each picture as soon as it is done",
            examples=["png"],
        ),
    ] = None
    picture: Annotated[
        images.Format | None,
        Field(description="form of each picture in json, zip, ndjson and multipart; png if not given"),
    ] = None
    grid: Annotated[
        int | None, Field(ge=1, description="columns of the sheet that n > 1 pictures are laid in; near-square if not")
    ] = None

    @property
    def drawn(self) -> int:
        """How many samples are drawn: more than are sent where the critic chooses."""
        return self.n * (self.best_of or 1)


def limited(parameters: type[Asked], settings: Settings) -> type[Asked]:
    """The parameters of a verb with this server's own upper limits, in checks, errors and documentation at once."""
    counts = dict.fromkeys(("n", "grid", "best_of", "rows", "columns", "steps"), settings.max_samples)
    limits = counts | {"frame": settings.max_samples**2 - 1, "timeout": settings.request_timeout}

    def at_most(name: str, limit: float) -> Any:
        field = copy(parameters.model_fields[name])
        field.metadata = [*field.metadata, Le(limit)]
        return field.annotation, field

    fields = {name: at_most(name, limit) for name, limit in limits.items() if name in parameters.model_fields}
    return create_model(parameters.__name__, __base__=parameters, **fields)


def properties(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each field by its outward name; an optional field's is that of its value, without null.

    A field that can only be null is none: a verb leaves a parameter of its base out by declaring it as None.
    """
    schema = {}
    for name, entry in model.model_json_schema()["properties"].items():
        if entry.get("type") == "null":
            continue
        value, *_ = entry.get("anyOf", [{}])
        entry = {key: item for key, item in (entry | value).items() if key not in ("anyOf", "title")}
        schema[name] = {key: item for key, item in entry.items() if item is not None}
    return schema


def members(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each field in a JSON object: as in `properties`, or null where that is as good as nothing."""
    optional = {field.alias or name for name, field in model.model_fields.items() if field.default is None}
    return {name: _or_null(schema) if name in optional else schema for name, schema in properties(model).items()}


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: schema[key] for key in ("description", "examples") if key in schema}
    value = {key: item for key, item in schema.items() if key not in said}
    return {"anyOf": [value, {"type": "null"}], **said}


def expectation(schema: Mapping[str, Any]) -> str:
    """A field's type and range in words, from its JSON schema: `an integer from 1 to 64`."""
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "oneOf" in schema:
        return " or ".join(expectation(form) for form in schema["oneOf"])
    if schema["type"] == "boolean":
        return "true or false"
    kind = KINDS[schema["type"]]
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']:g} and up to {schema['maximum']:g}"
    if "minimum" in schema:
        return f"{kind} from {schema['minimum']:g} to {schema['maximum']}"
    if "maxLength" in schema:
        return f"{kind} of at most {schema['maxLength']} characters"
    return kind


class Sample(BaseModel):
    """One picture of a JSON answer, or a line of a stream."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    index: int
    class_: Annotated[str | None, Field(alias="class")] = None
    scores: Annotated[
        Mapping[str, float] | None, Field(description="realness, and match with the class, where best_of was asked for")
    ] = None
    image: Annotated[str, Field(description="picture in base64, a PNG unless another was asked for")]
    url: Annotated[
        str | None,
        Field(description="where this very picture lies for ever; not there if the model draws noise of its own"),
    ] = None
    recipe: Recipe


class Samples(BaseModel):
    """The JSON answer of `/generate`."""

    model: str
    seed: int
    samples: list[Sample]


class ProblemDocument(BaseModel):
    """An error (RFC 9457). `errors`, `known`, `classes` or `offered` are there when they say more; `request_id` is the
    answer's `X-Request-ID`.
    """

    type: str
    title: str
    status: int
    detail: str
    request_id: str
