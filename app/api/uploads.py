"""A file that a client sends, with the parameters beside it: as the body itself, or as one part of a form.

The limit holds while the bytes come, whatever the headers claim: what is too much is never held.
"""

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive

from app.api.deps import checked, media_type
from app.api.openapi import fields
from app.api.schemas import Asked
from app.errors import InvalidParameter

FORM = "multipart/form-data"
FIELDS = 32
"""Parts of a form besides the file; no verb has as many parameters."""
FRAMING = 64 * 1024
"""Bytes that a form may have besides its file."""


@dataclass(frozen=True)
class Upload:
    """What a client sent: the file, in which nothing has been looked at yet."""

    data: bytes


async def uploaded(request: Request, model: type[Asked], name: str, limit: int) -> tuple[Asked, Upload]:
    """The parameters of a request and the file that it brings, of at most `limit` bytes.

    The file is the part `name` of a form, whose other parts are parameters like those of the query; or it is the whole
    body, of any other content type. Raises 413 for a larger one, before it is read where `Content-Length` tells; 400
    for a broken form; `InvalidParameter` where there is no file, more than one, or a bad parameter.
    """
    if media_type(request) == FORM:
        return await _from_form(request, model, name, limit)
    asked = checked(request, (), model)
    data = await read(request, limit, "file")
    if not data:
        raise InvalidParameter([_missing(name)])
    return asked, Upload(data)


async def read(request: Request, limit: int, what: str) -> bytes:
    """The whole body, of at most `limit` bytes; 413, which says `what` it is, for a larger one, as in `uploaded`."""
    return b"".join([chunk async for chunk in Request(request.scope, Limited(request, limit, what)).stream()])


async def _from_form(request: Request, model: type[Asked], name: str, limit: int) -> tuple[Asked, Upload]:
    parts = await _parts(Request(request.scope, Limited(request, limit + FRAMING)), limit + FRAMING)
    files = [(field, part) for field, part in parts if isinstance(part, UploadFile)]
    for field, _ in files:
        if field != name:
            raise InvalidParameter.of(field, f"is no file that is wanted; call it {name}")
    asked = checked(request, [(field, part) for field, part in parts if isinstance(part, str)], model)
    data = await files[0][1].read() if files else b""
    if len(data) > limit:
        raise _too_large(limit)
    if not data:
        raise InvalidParameter([_missing(name)])
    return asked, Upload(data)


async def _parts(request: Request, limit: int) -> list[tuple[str, UploadFile | str]]:
    """The parts of a form of at most `limit` bytes, all in memory, as a bare body is: the framework would write files
    of more than a megabyte to the disk, which may be full.
    """
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=FIELDS)
    parser.spool_max_size = limit
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    except UnicodeError as error:
        raise HTTPException(400, "The form is not in the charset that it names.") from error
    return form.multi_items()


class Limited:
    """The messages of a request's body; 413 once they hold more than `limit` bytes."""

    def __init__(self, request: Request, limit: int, what: str = "file") -> None:
        """413 if the request says already that it is larger."""
        self._receive: Receive = request.receive
        self._limit = limit
        self._what = what
        self._size = 0
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit, what)

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _too_large(self._limit, self._what)
        return message


def body(model: type[Asked], name: str, *kinds: str) -> dict[str, Any]:
    """How OpenAPI describes a request with a file of these media types, such as `image/*`."""
    file = {"type": "string", "format": "binary"}
    parameters = fields(model)
    form = {"type": "object", "required": [name], "properties": {name: file, **parameters}}
    content = {FORM: {"schema": form}} | {kind: {"schema": file} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


def _missing(name: str) -> dict[str, str]:
    return {"field": name, "message": f"is missing: send the file as the body, or as the part {name!r} of a form"}


def _too_large(limit: int, what: str = "file") -> HTTPException:
    return HTTPException(413, f"The {what} may hold {limit:,} bytes; send a smaller one.")
