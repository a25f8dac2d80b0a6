"""Pictures that are sent as they are done, in whatever order that is: `multipart/mixed` and newline-delimited JSON.

The status is that of the first picture: what fails before it is answered as ever. What fails later ends the stream with
its problem document, as a last line or part. A client that hangs up takes along what isn't drawn yet.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api import answers, headers, problems
from app.api.drawing import Drawing
from app.api.jobs import hang_up
from app.engine.job import Arrays, Job, Piecewise
from app.errors import Problem
from app.media import images

CONTENT: dict[str, Any] = {
    answers.MEDIA_TYPES["ndjson"]: {
        "schema": {
            "type": "string",
            "description": "A stream of lines, each the JSON of a `Sample`, in the order in which they are done. What "
            "fails after the first one ends it with the line of a problem document, which alone has a `status`.",
        }
    },
    answers.MEDIA_TYPES["multipart"]: {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "A stream of pictures (image/png, or as `picture` says), in the order in which they are "
            "done, each with `X-Index`, `X-Class` and the `Content-Location` at which it lies for ever. What fails "
            "after the first one ends it with a part of application/problem+json.",
        }
    },
}
"""How OpenAPI describes the streams."""


class Framing(Protocol):
    """How pictures, and a problem, follow upon each other in a stream."""

    @property
    def media_type(self) -> str:
        """Content type of the stream."""
        ...

    @property
    def end(self) -> bytes:
        """What follows the last of them."""
        ...

    def picture(self, single: Drawing, pixels: images.Pixels) -> bytes:
        """One picture, uint8 [h, w, c]."""
        ...

    def problem(self, document: Mapping[str, object]) -> bytes:
        """A problem document (RFC 9457)."""
        ...


class Lines:
    """Each picture a JSON object on a line of its own, like a member of `samples`; a problem has a `status`."""

    media_type = answers.MEDIA_TYPES["ndjson"]
    end = b""

    def picture(self, single: Drawing, pixels: images.Pixels) -> bytes:
        return answers.sample(single, pixels) + b"\n"

    def problem(self, document: Mapping[str, object]) -> bytes:
        return json.dumps(document).encode() + b"\n"


class Parts:
    """Each picture a part with headers of its own (RFC 2046, section 5.1); `prefix` is what a proxy added to paths."""

    def __init__(self, prefix: str) -> None:
        # Drawn for each answer: 128 bits don't occur in a picture by chance.
        self._boundary = secrets.token_hex(16)
        self._prefix = prefix

    @property
    def media_type(self) -> str:
        return f"{answers.MEDIA_TYPES['multipart']}; boundary={self._boundary}"

    @property
    def end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()

    def picture(self, single: Drawing, pixels: images.Pixels) -> bytes:
        kind = answers.MEDIA_TYPES[single.format]
        return self._part(kind, headers.of_part(single, self._prefix), answers.picture(single, pixels))

    def problem(self, document: Mapping[str, object]) -> bytes:
        return self._part(problems.MEDIA_TYPE, {}, json.dumps(document).encode())

    def _part(self, kind: str, fields: Mapping[str, str], content: bytes) -> bytes:
        lines = {"Content-Type": kind, "Content-Length": str(len(content)), **fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"--{self._boundary}\r\n{head}\r\n".encode("ascii") + content + b"\r\n"


def framing(drawing: Drawing, prefix: str) -> Framing:
    """The framing of a drawing that is streamed."""
    return Lines() if drawing.format == "ndjson" else Parts(prefix)


class Feed:
    """Framed pictures on their way from the encode pool to the event loop that made this object.

    It holds those that the client has yet to read: all of them, at most.
    """

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Queue[bytes | None] = asyncio.Queue()

    def work(self, drawing: Drawing, labels: Sequence[int | None], image: str) -> Piecewise[None]:
        """What a job does with its outputs, of which `image` is the picture: it puts each in the feed."""

        def each(offset: int, outputs: Arrays) -> None:
            self._put(self.framing.picture(drawing.single(offset, labels[offset]), outputs[image]))

        return Piecewise(each, lambda _: None)

    async def answer(self, job: Job[None], request: Request, fields: Mapping[str, str]) -> "Stream":
        """The answer with these headers, once the first picture is there; raises what ends the job before.

        If the client hangs up, now or later: cancels the job; now, raises `ClientDisconnect`.
        """
        pictures = self._pictures(job, request)
        try:
            first = await anext(pictures)
        except BaseException:
            await pictures.aclose()
            raise
        return Stream(self._framed(first, pictures), headers=fields, media_type=self.framing.media_type)

    def _put(self, picture: bytes | None) -> None:
        self._loop.call_soon_threadsafe(self._done.put_nowait, picture)

    async def _pictures(self, job: Job[None], request: Request) -> AsyncGenerator[bytes, None]:
        job.add_done_callback(lambda _: self._put(None))
        listener = self._loop.create_task(hang_up(request.receive))
        listener.add_done_callback(lambda _: job.cancel())
        try:
            while (picture := await self._done.get()) is not None:
                yield picture
            if job.cancelled():
                raise ClientDisconnect
            job.result()
        finally:
            listener.cancel()

    async def _framed(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(rest):
            yield first
            try:
                async for picture in rest:
                    yield picture
            except Problem as problem:
                yield self.framing.problem(problem.document())
            yield self.framing.end


class Stream(StreamingResponse):
    """An answer whose content listens for the client's hang-up by itself, and then ends."""

    body_iterator: AsyncGenerator[bytes, None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        async with aclosing(self.body_iterator):
            with suppress(ClientDisconnect):
                await self.stream_response(send)
