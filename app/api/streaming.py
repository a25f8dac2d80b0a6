"""Pictures that are sent as they are done, in whatever order that is: `multipart/mixed` and newline-delimited JSON.

What fails after the first picture ends the stream with its problem document, as a last line or part.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from starlette.requests import Request

from app.api import answers, headers, problems
from app.api.arrivals import Arrivals, Stream, begun
from app.api.drawing import Drawing
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


class Feed(Arrivals[bytes]):
    """Framed pictures on their way from the encode pool to the client."""

    def __init__(self, framing: Framing) -> None:
        super().__init__()
        self.framing = framing

    def work(self, drawing: Drawing, image: str) -> Piecewise[None]:
        """What a job does with its outputs, of which `image` is the picture: it puts each in the feed."""

        def each(offset: int, outputs: Arrays) -> None:
            self.put(self.framing.picture(drawing.single(offset), outputs[image]))

        return Piecewise(each, lambda _: None)

    async def answer(self, job: Job[None], request: Request, fields: Mapping[str, str]) -> Stream:
        """The answer with these headers, once the first picture is there; raises what ends the job before.

        If the client hangs up, now or later: cancels the job; now, raises `ClientDisconnect`.
        """
        pictures = await begun(self.of(job, request))
        return Stream(self._framed(pictures), headers=fields, media_type=self.framing.media_type)

    async def _framed(self, pictures: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(pictures):
            try:
                async for picture in pictures:
                    yield picture
            except Problem as problem:
                yield self.framing.problem(problems.document(problem))
            yield self.framing.end
