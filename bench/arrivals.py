"""Requests that come when they come, as from many clients who know nothing of each other: a Poisson process.

A closed loop (`load`) asks less when a server is slow; this does not. A request's time counts from when it was due,
also where the generator was late. `python -m bench.arrivals` is the process that asks.
"""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial

import uvloop

from bench import apart
from bench.load import PATIENCE, Window
from bench.wire import HOST, Answer, Ask, Connection, percentiles


@dataclass(frozen=True)
class Arrived:
    """What became of the requests that were due in the window. Milliseconds of those that were answered."""

    asked: int
    answered: int
    refused: int
    p50: float
    p99: float
    errors: dict[str, int]
    late: float
    """Milliseconds by which the generator was late, at the 99th percentile."""


@dataclass
class Log:
    """What all connections share."""

    ask: Ask
    seeds: Iterator[int]
    begin: float
    idle: list["Caller"] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    open: int = 0


class Caller(Connection):
    """Asks when it is told to, and is idle between."""

    def __init__(self, log: Log, done: "asyncio.Future[None]", due: float) -> None:
        super().__init__(done)
        self.log = log
        self.due = due

    def next(self) -> None:
        self.send(self.log.ask.request(next(self.log.seeds)))

    def again(self, due: float) -> None:
        self.due = due
        self.next()

    def answered(self, answer: Answer, _: float) -> None:
        log = self.log
        log.open -= 1
        log.idle.append(self)
        if self.due < log.begin:
            return
        if answer.status == 429:
            log.counts["refused"] += 1
        elif flaw := log.ask.flaw(answer):
            log.errors[flaw] += 1
        else:
            log.seconds.append(time.perf_counter() - self.due)

    @property
    def gone(self) -> bool:
        """Whether the server has hung up meanwhile, as it does on whoever is idle for seconds."""
        return self.done.done()

    def lost(self) -> None:
        self.log.open -= 1
        self.log.errors["connection lost"] += 1


async def _load(port: int, ask: Ask, rate: float, window: Window, first_seed: int) -> Arrived:
    loop = asyncio.get_running_loop()
    due = time.perf_counter() + 0.1
    log = Log(ask, itertools.count(first_seed), due + window.warmup)
    end, draw, tasks = log.begin + window.seconds, random.Random(first_seed), set()
    asked = 0
    while (due := due + draw.expovariate(rate)) < end:
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        counts = due >= log.begin
        asked += counts
        if counts:
            log.late.append(max(0, time.perf_counter() - due))
        log.open += 1
        while log.idle and log.idle[-1].gone:
            log.idle.pop()
        if log.idle:
            log.idle.pop().again(due)
        else:
            tasks.add(
                loop.create_task(loop.create_connection(partial(Caller, log, loop.create_future(), due), HOST, port))
            )
    while log.open and time.perf_counter() < end + PATIENCE:
        await asyncio.sleep(0.01)
    log.errors.update({"no answer": log.open} if log.open else {})
    _, late = percentiles(log.late)
    return Arrived(asked, len(log.seconds), log.counts["refused"], *percentiles(log.seconds), dict(log.errors), late)


def run(port: int, ask: Ask, rate: float, window: Window, first_seed: int) -> Arrived:
    """Asks a server so many times a second, on average, in a process apart."""
    task = {"port": port, "ask": asdict(ask), "rate": rate, "window": asdict(window), "first_seed": first_seed}
    return Arrived(**apart.run("bench.arrivals", task, window.warmup + window.seconds + 2 * PATIENCE))


if __name__ == "__main__":
    given = apart.task()
    given |= {"ask": Ask(**given["ask"]), "window": Window(**given["window"])}
    print(json.dumps(asdict(uvloop.run(_load(**given)))))
