"""Answers that are sent while their job is still at work.

The status is that of the first chunk: what fails before it is answered as ever. What fails later, and isn't told in the
stream, cuts the connection, so that no client takes a part for the whole. A client that hangs up takes along what isn't
done yet.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.jobs import hang_up
from app.engine.job import Job
from app.errors import Problem

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Arrivals(Generic[Item]):
    """What the pieces of a job become, on its way from the encode pool to the event loop that made this object.

    It holds what the client has yet to read: all of it, at most.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._come: asyncio.Queue[Item | None] = asyncio.Queue()

    def put(self, item: Item) -> None:
        """One more; from any thread."""
        self._loop.call_soon_threadsafe(self._come.put_nowait, item)

    async def of(self, job: Job[None], request: Request) -> AsyncGenerator[Item, None]:
        """What comes until the job ends; raises what ends it early.

        If the client hangs up, or the caller closes this: cancels the job. Hung up, raises `ClientDisconnect`.
        """
        job.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._come.put_nowait, None))
        listener = self._loop.create_task(hang_up(request.receive))
        listener.add_done_callback(lambda _: job.cancel())
        try:
            while (item := await self._come.get()) is not None and not listener.done():
                yield item
            if listener.done():
                raise ClientDisconnect
            job.result()
        finally:
            listener.cancel()


async def begun(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same chunks, of which the first is there by now; raises what came in its place."""
    try:
        first = await anext(chunks)
    except BaseException:
        await chunks.aclose()
        raise

    async def all_of_them() -> AsyncGenerator[bytes, None]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return all_of_them()


class Stream(StreamingResponse):
    """An answer whose content listens for the client's hang-up by itself, and then ends."""

    body_iterator: AsyncGenerator[bytes, None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        async with aclosing(self.body_iterator):
            try:
                await self.stream_response(send)
            except ClientDisconnect:
                return
            except Problem as problem:
                # The server cuts the connection of an answer that was not completed.
                log.warning("The answer of %s was cut off: %s", scope["path"], problem.detail)
