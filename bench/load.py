"""The load generator: closed loops of keep-alive connections to a server of this machine, in a process of their own.

`run` starts the process; `python -m bench.load` is it, and prints a `Round` for each group as JSON.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial

import uvloop

from bench import apart
from bench.wire import HOST, Answer, Ask, Connection, percentiles

PATIENCE = 20
"""Seconds after the end of a round in which connections may still get the answer that they wait for."""


@dataclass(frozen=True)
class Group:
    """So many connections, each of which asks again as soon as it is answered, or `pause` seconds later."""

    ask: Ask
    concurrency: int
    pause: float = 0.0


@dataclass(frozen=True)
class Window:
    """Seconds before counting begins, and seconds in which answers are counted."""

    warmup: float
    seconds: float


@dataclass(frozen=True)
class Round:
    """What one server did for one group. Milliseconds per answer; `errors` counts by what came in a picture's stead."""

    images_per_second: float
    p50: float
    p99: float
    errors: dict[str, int]
    busy: float
    """Share of one core that the generator itself took, for all groups."""


@dataclass
class Tally:
    """What all connections of a group share: seeds, no two alike, when it counts, and what was counted."""

    group: Group
    seeds: Iterator[int]
    begin: float
    end: float
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Loop(Connection):
    """Asks for the next seed once the last one's picture is there, until the round ends."""

    def __init__(self, tally: Tally, done: "asyncio.Future[None]") -> None:
        super().__init__(done)
        self.tally = tally

    def next(self) -> None:
        if time.perf_counter() > self.tally.end:
            self.close()
        else:
            self.send(self.tally.group.ask.request(next(self.tally.seeds)))

    def answered(self, answer: Answer, asked: float) -> None:
        now = time.perf_counter()
        if flaw := self.tally.group.ask.flaw(answer):
            self.tally.errors[flaw] += 1
        elif self.tally.begin <= now <= self.tally.end:
            self.tally.seconds.append(now - asked)
        if self.tally.group.pause:
            asyncio.get_running_loop().call_later(self.tally.group.pause, self.next)
        else:
            self.next()

    def lost(self) -> None:
        self.tally.errors["connection lost"] += 1


async def _load(port: int, groups: list[Group], window: Window, first_seed: int) -> list[Round]:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + window.warmup
    seeds = itertools.count(first_seed)
    tallies = [Tally(group, seeds, begin, begin + window.seconds) for group in groups]
    ends: dict[asyncio.Future[None], Tally] = {}
    for tally in tallies:
        for _ in range(tally.group.concurrency):
            end = loop.create_future()
            ends[end] = tally
            await loop.create_connection(partial(Loop, tally, end), HOST, port)
    cpu, began = time.process_time(), time.perf_counter()
    _, hanging = await asyncio.wait(ends, timeout=window.warmup + window.seconds + PATIENCE)
    busy = (time.process_time() - cpu) / (time.perf_counter() - began)
    for end in hanging:
        ends[end].errors["no answer"] += 1
    return [
        Round(len(tally.seconds) / window.seconds, *percentiles(tally.seconds), dict(tally.errors), busy)
        for tally in tallies
    ]


def run(port: int, window: Window, first_seed: int, *groups: Group) -> list[Round]:
    """Loads the server on `port` with all groups at once; what it did for each of them."""
    task = {
        "port": port,
        "groups": [asdict(group) for group in groups],
        "window": asdict(window),
        "first_seed": first_seed,
    }
    rounds = apart.run("bench.load", task, window.warmup + window.seconds + 2 * PATIENCE)
    return [Round(**done) for done in rounds]


def _main(port: int, groups: list[dict[str, object]], window: dict[str, float], first_seed: int) -> list[Round]:
    asked = [Group(**{**group, "ask": Ask(**group["ask"])}) for group in groups]  # type: ignore[arg-type]
    return uvloop.run(_load(port, asked, Window(**window), first_seed))


if __name__ == "__main__":
    print(json.dumps([asdict(done) for done in _main(**apart.task())]))
