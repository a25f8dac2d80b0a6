"""What the bounds of a connection cost a request: microseconds of processor time beyond uvicorn's own protocol.

`python -m bench.connection` prints a Markdown table. Requests are fed to both in turn, and answered at once by an
application that does nothing; there is no socket. The median of the rounds counts, and the least beside it. The last
row is a look at a connection, of which there is one a second, whatever it is asked.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.processes.connection import Connection
from app.settings import Settings
from bench import conditions

REQUESTS, ROUNDS = 500, 41
HEADERS = b"Host: localhost\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\nUser-Agent: a\r\n"
GET = b"GET /generate?model=cifar10&class=dog&seed=42 HTTP/1.1\r\n" + HEADERS + b"\r\n"
POST = b"POST /generate HTTP/1.1\r\n" + HEADERS + b'Content-Length: 15\r\n\r\n{"class":"dog"}'


class Nowhere(asyncio.Transport):
    """A client that takes everything at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        """It is gone."""

    def is_closing(self) -> bool:
        return False


def main() -> None:
    """Prints the table."""
    here = conditions.now()
    rows = uvloop.run(_measured())
    print(f"{here.date}, {here.processor}, {here.cores} cores, load average {here.load:.2f}, {here.ganymede}\n")
    print("| | uvicorn's, µs, median | least | with bounds | least | beyond it |\n|---|---|---|---|---|---|")
    for name in ("GET", "POST with a body"):
        bare, bound = rows[f"{name}, uvicorn"], rows[f"{name}, bounds"]
        more = median(after - before for before, after in zip(bare, bound, strict=True))
        print(
            f"| {name} | {median(bare):.1f} | {min(bare):.1f} | {median(bound):.1f} | {min(bound):.1f} | {more:.1f} |"
        )
    look = rows["look"]
    print(f"| a look | | | {median(look):.1f} | {min(look):.1f} | |")


async def _measured() -> dict[str, list[float]]:
    """Microseconds of each variant, in each round."""
    config = uvicorn.Config(_answer, http="httptools", ws="none", access_log=False, log_config=None, lifespan="off")
    config.load()
    uvicorns: dict[str, Any] = {"config": config, "app_state": {}, "_loop": asyncio.get_running_loop()}
    bounded = partial(Connection, Settings(), 4096, lambda _: None)
    made: dict[str, Callable[..., HttpToolsProtocol]] = {"uvicorn": HttpToolsProtocol, "bounds": bounded}
    protocols = {name: make(server_state=ServerState(), **uvicorns) for name, make in made.items()}
    for protocol in protocols.values():
        protocol.connection_made(Nowhere())
    bounds = protocols["bounds"]
    assert isinstance(bounds, Connection)
    rounds: dict[str, list[float]] = {"look": []}
    for _ in range(ROUNDS):
        for what, request in (("GET", GET), ("POST with a body", POST)):
            for name, protocol in protocols.items():
                rounds.setdefault(f"{what}, {name}", []).append(await _round(protocol, request))
        began = time.thread_time()
        for _ in range(REQUESTS):
            bounds.look(began)
        rounds["look"].append(1e6 * (time.thread_time() - began) / REQUESTS)
    return rounds


async def _round(protocol: HttpToolsProtocol, request: bytes) -> float:
    began = time.thread_time()
    for _ in range(REQUESTS):
        protocol.data_received(request)
        await asyncio.sleep(0)
        assert protocol.cycle.response_complete
    return 1e6 * (time.thread_time() - began) / REQUESTS


async def _answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"x"})


if __name__ == "__main__":
    main()
