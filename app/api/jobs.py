"""Waiting for the engine while listening to the client: whoever hangs up takes the work along."""

import asyncio
from concurrent.futures import Future
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

Result = TypeVar("Result")


async def outcome(job: "Future[Result]", request: Request) -> Result:
    """What `job` gives or raises. If the client hangs up first: cancels the job, raises `ClientDisconnect`."""
    answer = asyncio.wrap_future(job)
    listener = asyncio.ensure_future(_hang_up(request.receive))
    # Cheaper than asyncio.wait for both: a request is short, and this is in the way of every one.
    listener.add_done_callback(lambda _: answer.cancel())
    try:
        return await answer
    except asyncio.CancelledError:
        if listener.done():
            raise ClientDisconnect from None
        raise
    finally:
        listener.cancel()


async def _hang_up(receive: Receive) -> None:
    """Returns once the client is gone; what is left of the request's body is read past."""
    while (await receive())["type"] != "http.disconnect":
        pass
