"""What the OpenAPI document says of keys, where there are any: how they are sent, and what each route needs."""

from typing import Any

from fastapi import FastAPI

from app.access.scopes import SCOPES
from app.api import openapi, places

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as ganymede keys add prints it."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, in another header."},
}


def install(app: FastAPI) -> None:
    """Adds the schemes to the document of `app`, once it is made."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        made = app.openapi_schema is not None
        described: dict[str, Any] = plain()
        if not made:
            _describe(app, described)
        return described

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's documentation says


def _describe(app: FastAPI, document: dict[str, Any]) -> None:
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for place in places.every(app):
        for method in place.methods or ():
            operation = document["paths"].get(place.path, {}).get(method.lower())
            if operation is None or place.need not in SCOPES:
                continue
            operation["security"] = [{scheme: [place.need]} for scheme in SCHEMES]
            for status in (401, 403, 429):
                operation["responses"].setdefault(str(status), openapi.problems(status)[status])
