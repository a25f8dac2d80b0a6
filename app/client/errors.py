"""What can go wrong between a call and its answer, in words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

SHOWN = 200
"""Characters of an unexpected answer that an error's message shows."""


class ServiceError(Exception):
    """The service answered with a problem (RFC 9457): what was wrong, what was expected and what to do.

    `document` is the whole problem document, whose further members name the models, classes or styles that there are;
    empty if the answer was none. `retry_after` is in seconds, None where the service doesn't say.
    """

    def __init__(
        self, status: int, title: str, detail: str, document: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        super().__init__(status, title, detail, document, retry_after)
        self.status = status
        self.title = title
        self.detail = detail
        self.document = document
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"


class NoAnswerError(ConnectionError):
    """No answer came, or not all of it: nobody listens, the connection broke, or it took too long."""


def problem(response: httpx.Response) -> ServiceError:
    """The error that an answer is, of which the content has been read."""
    if _kind(response) != "application/problem+json":
        detail = f"{_place(response.request)} answered with {_kind(response) or 'nothing'}: {response.text[:SHOWN]!r}."
        return ServiceError(response.status_code, response.reason_phrase, detail, {}, _retry_after(response.headers))
    # What stands between may send problems of its own, in which every member is optional.
    usual = {"status": response.status_code, "title": response.reason_phrase, "detail": "no more is said."}
    return of_document(usual | response.json(), _retry_after(response.headers))


def of_document(document: Mapping[str, Any], retry_after: float | None = None) -> ServiceError:
    """The error that a problem document describes."""
    return ServiceError(document["status"], document["title"], document["detail"], document, retry_after)


def require_kind(response: httpx.Response, kinds: Sequence[str]) -> None:
    """Raises `ServiceError` for an answer of another media type than these: it comes from something else."""
    if _kind(response) not in kinds:
        came = f"{_place(response.request)} answered with {_kind(response) or 'nothing'}, not {' or '.join(kinds)}"
        detail = f"{came}: is base_url the address of a Ganymede service?"
        raise ServiceError(response.status_code, "Unexpected answer", detail, {})


@contextmanager
def told(seconds: float) -> Iterator[None]:
    """Turns what httpx raises within into `NoAnswerError`; `seconds` is how long the service may be silent."""
    try:
        yield
    except httpx.ConnectError as error:
        message = f"{_place(error.request)} can't be reached: {error}; is the service running there?"
        raise NoAnswerError(message) from error
    except httpx.TimeoutException as error:
        message = f"{_place(error.request)} gave no answer within {seconds:g} s; ask for less, or set a longer timeout."
        raise NoAnswerError(message) from error
    except httpx.RequestError as error:
        message = f"{_place(error.request)} broke off before the answer was complete: {error}"
        raise NoAnswerError(message) from error


def _kind(response: httpx.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _place(request: httpx.Request) -> str:
    """The method and the address of a request, without its parameters."""
    return f"{request.method} {request.url.copy_with(query=None)}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; dates, which proxies may send, are not understood."""
    for name, unit in (("Retry-After-Ms", 1000), ("Retry-After", 1)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    return None
