"""How an error looks to the client that gets it: by the path that it asked, in the shape that its protocol has for it.

RFC 9457 everywhere, but OpenAI's under `/v1` and the Open Inference Protocol's under `/v2`. Used by `problems` alone to
answer, and by the routes there to end a stream.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request

Document = Mapping[str, Any]
"""A problem document (RFC 9457): the one form that all errors have before they are shaped."""


@dataclass(frozen=True)
class Face:
    """The content of an error's answer, made of its problem document, and the media type of it.

    `invalid` is the status that says "the request can't be used": both protocols have 400 where this service's own
    routes say 422, and their clients raise the exception that users catch by it. Every other status is the same.
    """

    media_type: str
    content: Callable[[Document], Document]
    invalid: int = HTTPStatus.UNPROCESSABLE_ENTITY

    def status(self, document: Document) -> int:
        """The status of the answer."""
        status: int = document["status"]
        return self.invalid if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def of(request: Request) -> Face:
    """The face that a request sees."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return FACES.get(path.lstrip("/").partition("/")[0], OWN)


def openai_error(document: Document) -> dict[str, Any]:
    """OpenAI's shape, `{"error": {message, type, param, code}}`: what its clients' exceptions are made of."""
    slug = document["type"].rpartition(":")[2]
    status, flaws = document["status"], document.get("errors")
    return {
        "error": {
            "message": document["detail"],
            "type": KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": flaws[0]["field"] if flaws else None,
            "code": CODES.get(slug, slug.replace("-", "_")),
        }
    }


KINDS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
CODES: dict[str, str | None] = {
    "unknown-model": "model_not_found",
    "overloaded": "rate_limit_exceeded",
    "deadline-exceeded": "rate_limit_exceeded",
    "quota-exceeded": "rate_limit_exceeded",
    "unauthorized": "invalid_api_key",
    "blank": None,  # about:blank, which is no more than its status
}
"""OpenAI's own codes where it has one; else the type of the problem."""

OWN = Face("application/problem+json", lambda document: document)
FACES = {
    "v1": Face("application/json", openai_error, HTTPStatus.BAD_REQUEST),
    "v2": Face("application/json", lambda document: {"error": document["detail"]}, HTTPStatus.BAD_REQUEST),
}
"""By the first segment of the path."""
