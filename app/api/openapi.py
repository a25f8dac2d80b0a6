"""How the routes are described at `/openapi.json`, from the models that also check the requests."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.api.problems import MEDIA_TYPE
from app.api.schemas import ProblemDocument, properties

Responses = dict[int | str, dict[str, Any]]

MEANINGS = {
    400: "The form is broken.",
    404: "No such model, version, class or style; the answer lists those that exist.",
    406: "Nothing that the Accept header allows can be made.",
    413: "The body, or what is in it, is too large, or is more work than can be done in time.",
    415: "The body, or the file in it, is of no kind that is taken.",
    422: "A parameter is out of its range; the answer names each with what it must be.",
    429: "More work is queued than would be done in time. Come back after Retry-After seconds.",
    500: "The model failed, or computed what can't be sent.",
    503: "The model is not ready, or fails again and again, or this replica is shutting down.",
    504: "The model was given up: it took far longer than it ever does.",
}


def problems(*statuses: int) -> Responses:
    """The documented errors of a route."""
    schema = ProblemDocument.model_json_schema()
    return {
        status: {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
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


def query(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of `model` as parameters of the query."""
    fields = []
    for name, schema in properties(model).items():
        description = schema.pop("description", "")
        [example] = schema.pop("examples", [None])
        field = {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        fields.append(field if example is None else field | {"example": example})
    return {"parameters": fields}


def body(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of `model` as a JSON body; a request may use it instead of the query, or beside it."""
    fields = properties(model)
    example = {name: schema["examples"][0] for name, schema in fields.items() if "examples" in schema}
    schema = {"type": "object", "properties": fields, "additionalProperties": False}
    return {"requestBody": {"content": {"application/json": {"schema": schema, "example": example}}}}
