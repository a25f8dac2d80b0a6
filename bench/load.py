"""The load generator: a closed loop of keep-alive HTTP/1.1 connections to this machine, in a process of its own.

A bare `asyncio.Protocol`: a client library would cost more than the servers that it measures. `run` starts the process;
`python -m bench.load` is it, and prints its `Round` as JSON.
"""

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

import uvloop

HOST = "127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n"
REQUEST = b"POST /generate?seed=%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
PATIENCE = 20
"""Seconds after the end of a round in which connections may still get the answer that they wait for."""


@dataclass(frozen=True)
class Round:
    """What one server did in one round. Milliseconds per answer; `errors` counts by what came in a picture's stead."""

    images_per_second: float
    p50: float
    p99: float
    errors: dict[str, int]
    busy: float
    """Share of one core that the generator itself took."""


@dataclass
class Tally:
    """What all connections of a round share: seeds, no two alike, when it counts, and what was counted."""

    seeds: Iterator[int]
    begin: float
    end: float
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def answered(self, asked: float, flaw: str | None) -> None:
        now = time.perf_counter()
        if flaw is not None:
            self.errors[flaw] += 1
        elif self.begin <= now <= self.end:
            self.seconds.append(now - asked)


class Connection(asyncio.Protocol):
    """Asks for the next seed as soon as the last one's picture is there, until the round ends."""

    def __init__(self, tally: Tally, done: asyncio.Future[None]) -> None:
        self.tally = tally
        self.done = done
        self.received = b""
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has no part in the hierarchy
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        if self.asked > self.tally.end:
            self.asked = 0.0
            self.transport.close()
        else:
            self.transport.write(REQUEST % next(self.tally.seeds))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self.received = b""
        self.tally.answered(self.asked, _flaw(head, body))
        self.ask()

    def connection_lost(self, _: Exception | None) -> None:
        if self.asked:
            self.tally.answered(self.asked, "connection lost")
        if not self.done.done():
            self.done.set_result(None)


def _flaw(head: bytes, body: bytes) -> str | None:
    """What is wrong with an answer; None if it is a picture."""
    status = head[9:12]
    if status != b"200":
        return f"status {status.decode()}"
    return None if body.startswith(PNG) else "not a PNG"


async def _load(port: int, concurrency: int, warmup: float, seconds: float, first_seed: int) -> Round:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + warmup
    tally = Tally(itertools.count(first_seed), begin, begin + seconds)
    ends: list[asyncio.Future[None]] = []
    for _ in range(concurrency):
        ends.append(loop.create_future())
        await loop.create_connection(partial(Connection, tally, ends[-1]), HOST, port)
    cpu, began = time.process_time(), time.perf_counter()
    _, hanging = await asyncio.wait(ends, timeout=warmup + seconds + PATIENCE)
    busy = (time.process_time() - cpu) / (time.perf_counter() - began)
    if hanging:
        tally.errors["no answer"] += len(hanging)
    return Round(len(tally.seconds) / seconds, *_percentiles(tally.seconds), dict(tally.errors), busy)


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds; infinite if nothing was answered."""
    ordered = sorted(seconds) or [float("inf")]
    return 1000 * ordered[len(ordered) // 2], 1000 * ordered[len(ordered) * 99 // 100]


def run(port: int, concurrency: int, warmup: float, seconds: float, first_seed: int) -> Round:
    """Loads the server on `port` with `concurrency` connections, and counts for `seconds` after a warm-up."""
    numbers = [str(number) for number in (port, concurrency, warmup, seconds, first_seed)]
    command = [sys.executable, "-m", "bench.load", *numbers]
    limit = warmup + seconds + 2 * PATIENCE
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=limit)  # noqa: S603 (our own)
    return Round(**json.loads(done.stdout))


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m bench.load", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("concurrency", type=int)
    parser.add_argument("warmup", type=float, help="seconds before counting begins")
    parser.add_argument("seconds", type=float, help="seconds in which answers are counted")
    parser.add_argument("first_seed", type=int, nargs="?", default=0)
    print(json.dumps(asdict(uvloop.run(_load(**vars(parser.parse_args()))))))
