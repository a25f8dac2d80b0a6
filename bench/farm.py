"""Replicas behind a balancer, in virtual time: requests come as a Poisson process, and each is accounted for."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Literal

import numpy as np

from bench.curve import Curve
from bench.replica import Replica, virtual_time
from bench.wire import percentiles

Balance = Literal["random", "two"]
"""Whom a request goes to: any replica, as with Kubernetes' Services, or the one of two with fewer open requests, as
with Ray Serve."""


IDLE, IDLE_REQUESTS = 0.01, 1000
"""Of its capacity, what a replica is asked for that is as good as idle; and how often, to know how long that takes."""


@dataclass(frozen=True)
class Traffic:
    """So many requests a second, each for so many pictures, over so many seconds after a warm-up that isn't counted."""

    rate: float
    seconds: float = 30
    warmup: float = 5
    pictures: int = 1
    balance: Balance = "random"
    seed: int = 1


@dataclass(frozen=True)
class Limits:
    """Those of the service: `queue_seconds` of work may wait, `request_timeout` seconds for an answer."""

    queue_seconds: float = 10
    request_timeout: float = 30


@dataclass(frozen=True)
class Outcome:
    """What became of the requests that came after the warm-up: `asked` are those that were `answered`, `refused` at the
    door or `expired` in the queue. Milliseconds; `queue` is the mean of the queue's gauge, in seconds.
    """

    asked: int
    answered: int
    refused: int
    expired: int
    per_hour: float
    """Pictures that were answered."""
    p50: float
    p99: float
    queue: float


@dataclass
class Count:
    """What is counted as it happens."""

    asked: int = 0
    refused: int = 0
    expired: int = 0
    seconds: list[float] = field(default_factory=list)
    queues: list[float] = field(default_factory=list)
    in_time: int = 0
    """Answered before the traffic ended: the rest would make a queue that is worked off later look like speed."""


def simulate(curve: Curve, replicas: int, traffic: Traffic, limits: Limits | None = None) -> Outcome:
    """What that many replicas do with that traffic."""
    limits = limits or Limits()
    draw, count = random.Random(traffic.seed), Count()
    end = traffic.warmup + traffic.seconds
    with virtual_time() as clock:
        farm = [Replica(clock, curve, limits.queue_seconds, limits.request_timeout) for _ in range(replicas)]

        def arrive() -> None:
            if (due := clock.now + draw.expovariate(traffic.rate)) < end:
                clock.at(due, arrive)
            counts = clock.now >= traffic.warmup
            replica = _chosen(farm, traffic.balance, draw)
            if counts:
                count.asked += 1
                count.queues.append(replica.queue_seconds)
            if not replica.ask(traffic.pictures, partial(answered, clock.now, counts)):
                count.refused += counts

        def answered(asked: float, counts: bool, whole: bool) -> None:
            # Those of the warm-up, too: what leaves in a window is its rate, whenever it came.
            count.in_time += whole and traffic.warmup <= clock.now < end
            if counts and whole:
                count.seconds.append(clock.now - asked + curve.beside)
            count.expired += counts and not whole

        clock.at(draw.expovariate(traffic.rate), arrive)
        clock.run()
    return Outcome(
        count.asked,
        len(count.seconds),
        count.refused,
        count.expired,
        3600 * traffic.pictures * count.in_time / traffic.seconds,
        *percentiles(count.seconds),
        fmean(count.queues or [0.0]),
    )


def enough(curve: Curve, rate: float, p99: float, balance: Balance = "random") -> tuple[int, Outcome]:
    """The fewest replicas that refuse nobody at that rate and answer 99 of 100 in that many milliseconds; ValueError if
    one that has next to nothing to do takes longer.
    """
    most = capacity(curve)
    least = simulate(curve, 1, Traffic(IDLE * most, seconds=IDLE_REQUESTS / (IDLE * most))).p99
    if least > p99:
        raise ValueError(f"99 of 100 in {p99:g} ms: no replica is as quick; one that is idle takes {least:.3g} ms")
    replicas = max(1, int(rate / most))
    while True:
        done = simulate(curve, replicas, Traffic(rate, balance=balance))
        if done.answered == done.asked and done.p99 <= p99:
            return replicas, done
        replicas += 1


def capacity(curve: Curve) -> float:
    """Pictures per second of a replica that always has enough to do."""
    most = curve.executors * max(size / seconds for size, seconds in curve.seconds.items())
    return simulate(curve, 1, Traffic(1.5 * most, seconds=10)).per_hour / 3600


def missed(requests: int, repeated: float, addresses: int, exponent: float, seed: int = 1) -> float:
    """The share of so many requests that a cache which forgets nothing has not seen before, from its first one on.

    That share of them is `repeated`: for one of so many addresses, the k-th of which is asked for in proportion to
    k to the power of minus `exponent` (Zipf). All others draw a seed of their own.
    """
    draw = np.random.default_rng(seed)
    popularity = np.arange(1, addresses + 1, dtype=np.float64) ** -exponent
    asked = draw.choice(addresses, round(requests * repeated), p=popularity / popularity.sum())
    return 1 - (len(asked) - len(np.unique(asked))) / requests


def _chosen(farm: Sequence[Replica], balance: Balance, draw: random.Random) -> Replica:
    if balance == "random" or len(farm) == 1:
        return draw.choice(farm)
    return min(draw.sample(farm, 2), key=lambda replica: replica.open)
