"""Work for the engine on behalf of a client who is listened to meanwhile: whoever hangs up takes the work along."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from app import caller
from app.access.bill import Bill
from app.engine.job import Arrays, Finish, Job
from app.engine.model import LiveModel
from app.errors import Overloaded, TooMuchWork
from app.metrics import Lane

Result = TypeVar("Result")

SOON = 0.005
"""Seconds before it listens for a hang-up. A small picture is done by then."""


async def carried_out(
    request: Request,
    live: LiveModel,
    inputs: Arrays,
    finish: Finish[Result],
    *,
    deadline: float,
    lane: Lane,
    graph: str = "generator",
) -> Job[Result]:
    """The job of `submitted` once it is done; raises what ends it before, and `ClientDisconnect` where the client is
    gone, see `require_client`.
    """
    require_client(request, live, len(next(iter(inputs.values()))))
    job = submitted(request, live, inputs, finish, deadline=deadline, lane=lane, graph=graph)
    await outcome(job, request, live.lagged)
    require_client(request, live, job.samples)
    return job


def submitted(
    request: Request,
    live: LiveModel,
    inputs: Arrays,
    finish: Finish[Result],
    *,
    deadline: float,
    lane: Lane,
    graph: str = "generator",
    room: float | None = None,
) -> Job[Result]:
    """A job for the graph of that role, see `LiveModel.submit`.

    Raises `QuotaExceeded` where the key of the request has nothing left.
    """
    bill: Bill | None = request.scope.get("state", {}).get("bill")
    if bill is not None:
        bill.open()
    job = live.submit(inputs, deadline=deadline, finish=finish, lane=lane, graph=graph, room=room)
    if bill is not None:
        bill.put(job, draws=graph not in ("encoder", "critic"))
    if (asking := caller.current.get()) is not None:
        # Not the job, which would keep its result for as long as the answer is sent.
        asking.jobs.append((job.submitted, job.timing))
    return job


def require_time(
    live: LiveModel,
    inputs: Arrays,
    deadline: float,
    graph: str = "generator",
    *,
    waited: float = 0.0,
    times: int = 1,
    advice: str = "send it in parts",
) -> None:
    """Raises `TooMuchWork`, with that advice, where the deadline of so many such jobs, one after the other, is out of
    reach even if nothing else is to be done; `Overloaded` where it is so because the upload waited for so long.

    The engine lets such a job in while nothing waits, since only jobs can put a wrong prediction right. Here smaller
    ones do. For verbs whose requests differ in size a thousandfold.
    """
    needed, left = times * live.alone(inputs, graph), deadline - time.monotonic()
    if 0 < left < needed:
        live.metrics.refused["deadline"].inc()
        if needed <= left + waited:
            raise Overloaded(f"{live.manifest.reference} would take {needed:.3g} s; {left:.3g} s are left.", waited)
        raise TooMuchWork(live.manifest.reference, needed, left, advice)


def require_client(request: Request, live: LiveModel, samples: int) -> None:
    """Raises `ClientDisconnect` where the client is gone, and counts so many samples as cancelled."""
    if hung_up(request):
        live.abandoned(samples)
        raise ClientDisconnect


async def outcome(job: "Future[Result]", request: Request, lagged: Callable[[float], None]) -> Result:
    """What `job` gives or raises. If the client hangs up before it ends: cancels it, raises `ClientDisconnect`.

    `lagged` is told for how many seconds the job had ended when the event loop came to it.
    """
    loop = asyncio.get_running_loop()
    # Unlike `asyncio.wrap_future` it copies nothing: this is in the way of every picture.
    ended = 0.0

    def end(done: "asyncio.Future[None]", _: "Future[Result]") -> None:
        nonlocal ended
        ended = time.monotonic()
        loop.call_soon_threadsafe(_settle, done, None)

    def ending() -> "asyncio.Future[None]":
        done = loop.create_future()
        job.add_done_callback(partial(end, done))
        return done

    done = ending()
    deaf = _listen(request, partial(_settle, done, ClientDisconnect()))
    try:
        await done
    except BaseException as error:
        if job.cancel() or not isinstance(error, ClientDisconnect):
            raise
        # It has its outcome, or gets it now.
        await ending()
    finally:
        deaf()
    lagged(time.monotonic() - ended)
    return job.result()


def _listen(request: Request, gone: Callable[[], None]) -> Callable[[], None]:
    """Has `gone` called once the client has hung up; returns what ends that.

    Our own server calls by itself. Of any other, or while the body is still coming, ASGI's messages have to be read.
    """
    listen = request.scope.get("listen")
    deaf: Callable[[], None] | None = listen(gone) if listen is not None else None
    return deaf or _Listener(request.receive, gone).close


class _Listener:
    """Calls `gone` once the client has hung up, if it is still listening by then.

    It begins after a while, and goes on from wait to wait as a task would, which costs more than all validation.
    """

    def __init__(self, receive: Receive, gone: Callable[[], None]) -> None:
        self._hearing = hang_up(receive)
        self._gone = gone
        self._closed = False
        self._timer = asyncio.get_running_loop().call_later(SOON, self._go_on, None)

    def close(self) -> None:
        """Listens no further."""
        self._closed = True
        self._timer.cancel()
        self._hearing.close()

    def _go_on(self, _: object) -> None:
        if self._closed:
            return
        try:
            waits = self._hearing.send(None)
        except StopIteration:
            self._gone()
            return
        if waits is None:  # it lets others go first
            asyncio.get_running_loop().call_soon(self._go_on, None)
        else:
            waits.add_done_callback(self._go_on)


def hung_up(request: Request) -> bool:
    """Whether the client is known to be gone. Doesn't wait; once the body has been read, there is nothing to miss.

    Our own server looks further than ASGI lets an application see, see `app.processes.connection`.
    """
    gone = request.scope.get("gone")
    if gone is not None and not gone():
        return False
    asking = request.receive()
    try:
        asking.send(None)  # type: ignore[attr-defined] # Starlette types coroutines as awaitables
    except StopIteration as answer:
        return bool(answer.value["type"] == "http.disconnect")
    asking.close()  # type: ignore[attr-defined]
    return False


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    """Ends the wait: the first to come says how."""
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


async def hang_up(receive: Receive) -> None:
    """Returns once the client is gone; what is left of the request's body is read past."""
    while (await receive())["type"] != "http.disconnect":
        pass
