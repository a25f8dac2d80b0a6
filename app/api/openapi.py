"""How the routes are described at `/openapi.json`, from the models that also check the requests."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.api import protocols
from app.api.schemas import ProblemDocument, members, properties

Responses = dict[int | str, dict[str, Any]]

MEANINGS = {
    400: "The request is broken, or can't be used; the answer says what must be otherwise.",
    401: "There is no key, or one that is not known, or has expired.",
    403: "The key lacks the scope that the route needs.",
    404: "No such model, version, class, style or direction; the answer lists those that exist.",
    406: "Nothing that the Accept header allows can be made.",
    413: "The body, or what is in it, is too large, or is more work than can be done in time.",
    409: "What is asked for does not go with what is here; the answer says what differs.",
    415: "The body, or the file in it, is of no kind that is taken.",
    422: "A parameter is out of its range; the answer names each with what it must be.",
    429: "More work is queued than would be done in time. Come back after Retry-After seconds.",
    500: "The model failed, or computed what can't be sent.",
    503: "The model is not ready, or fails again and again, or this replica is shutting down.",
    507: "The change can't be written down, and was not made.",
    504: "The model was given up: it took far longer than it ever does.",
}

TAGS = [
    {"name": name, "description": description}
    for name, description in {
        "generate": "Pictures from seeds; and those drawn here, again from what they carry.",
        "interpolate": "What lies between pictures.",
        "edit": "Pictures, changed along directions of the latent space.",
        "codes": "Pictures to latents and back, of models with an encoder, and maps of latents.",
        "score": "What a model's critic says of a picture.",
        "translate": "Pictures of pictures: translated, or painted in a style.",
        "enhance": "Recordings, without what does not belong there.",
        "predict": "How clips go on.",
        "models": "What is served, and what is known of it.",
        "operation": "For whoever runs the service.",
        "OpenAI": "The same pictures for OpenAI's clients, unchanged.",
        "Open Inference Protocol": "The same models for clients that send tensors, such as Triton's, unchanged.",
    }.items()
]
"""The groups of routes, in the order of the page."""


def problems(*statuses: int) -> Responses:
    """The documented errors of a route."""
    return errors(ProblemDocument, protocols.OWN.media_type, *statuses)


def errors(shape: type[BaseModel], media_type: str, *statuses: int) -> Responses:
    """The documented errors of a route that answers them in a shape of its own."""
    schema = inlined(shape)
    return {
        status: {
            "description": MEANINGS[status],
            "content": {media_type: {"schema": schema}},
        }
        for status in statuses
    }


def headers(meanings: Mapping[str, str]) -> dict[str, Any]:
    """The documented headers of an answer: what each means, by its name."""
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in meanings.items()}


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of each field of `model`, without its example, which a form's schema has no place for."""
    return {
        name: {key: value for key, value in schema.items() if key != "examples"}
        for name, schema in properties(model).items()
    }


def path(**parts: tuple[str, str]) -> dict[str, Any]:
    """The parts of a path, each with its description and an example."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
                "example": example,
            }
            for name, (description, example) in parts.items()
        ]
    }


def query(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of `model` as parameters of the query; of one that has several forms, it is the first."""
    fields = []
    for name, schema in properties(model).items():
        schema |= schema.pop("oneOf", [{}])[0]
        description = schema.pop("description", "")
        [example] = schema.pop("examples", [None])
        field = {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        fields.append(field if example is None else field | {"example": example})
    return {"parameters": fields}


def body(model: type[BaseModel], example: Mapping[str, Any] | None = None, *, required: bool = False) -> dict[str, Any]:
    """The fields of `model` as a JSON body; unless it is required, a request may use the query instead, or too."""
    fields = members(model)
    if example is None:
        example = {name: schema["examples"][0] for name, schema in fields.items() if "examples" in schema}
    schema: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    if needed := model.model_json_schema().get("required"):
        schema["required"] = needed
    return content(schema, example, required=required)


def content(
    schema: dict[str, Any], example: object, *, required: bool = False, others: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A JSON body of that schema, or one of other media types."""
    accepted = {"application/json": {"schema": schema, "example": example}} | dict(others or {})
    return {"requestBody": {"content": accepted} | ({"required": True} if required else {})}


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `model` in one piece: what it refers to stands where it is referred to."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            part = definitions[part["$ref"].rpartition("/")[2]] | {k: v for k, v in part.items() if k != "$ref"}
        return {key: resolved(item) for key, item in part.items()}

    whole: dict[str, Any] = resolved(schema)
    return whole
