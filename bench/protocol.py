"""The order of things: which server is loaded when, how hard, for how long. Returns what was measured, judges nothing.

The machine's speed changes by the minute, so nothing is compared across minutes: in each round every server has its
turn, next to the machine's limit, and a comparison is a ratio within a round.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from app import contract
from bench import limit, load, servers, vanish
from bench.limit import Limit
from bench.load import Round
from bench.servers import Server

OURS, PLAIN = "ganymede", "plain FastAPI"
SAME_SEEDS = range(5)


@dataclass(frozen=True)
class Plan:
    """How much to measure. Seconds are those of one server in one round."""

    concurrencies: Sequence[int] = (1, 32, 400)
    rounds: int = 5
    seconds: float = 4.0
    warmup: float = 1.0


@dataclass
class Measured:
    """What came out: for each round the limit and what each server did, by concurrency and name, in milliseconds the
    waits after clients had vanished.
    """

    limits: list[Limit] = field(default_factory=list)
    rounds: dict[tuple[int, str], list[Round]] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=dict)


def measure(folder: Path, plan: Plan, say: Callable[[str], None]) -> Measured:
    """Runs the whole comparison on the model of `folder`, both servers up all the time and one of them loaded.

    Raises `ServerError` if one does not start, or they draw different pictures for the same seed.
    """
    measured = Measured()
    seeds = itertools.count(10_000, 1_000_000)
    manifest = contract.read(folder)
    with servers.running(servers.ganymede(folder, manifest), servers.plain(folder)) as (ours, plain):
        compare(ours, plain)
        for number in range(plan.rounds):
            # Each goes first in half of the rounds: the second one may find a warmer, or a hotter, machine.
            order = (ours, plain) if number % 2 == 0 else (plain, ours)
            say(f"round {number + 1} of {plan.rounds}")
            measured.limits.append(limit.measure(folder, plan.seconds / 8))
            for concurrency, server in itertools.product(plan.concurrencies, order):
                done = load.run(server.port, concurrency, plan.warmup, plan.seconds, next(seeds))
                measured.rounds.setdefault((concurrency, server.name), []).append(done)
            for server in order:
                measured.waits.setdefault(server.name, []).append(vanish.wait_after(server, next(seeds)))
    return measured


def compare(one: Server, other: Server) -> None:
    """`ServerError` unless both draw the same pixels for the same seeds."""
    for seed in SAME_SEEDS:
        first, second = (np.asarray(Image.open(BytesIO(server.picture(seed)))) for server in (one, other))
        if not np.array_equal(first, second):
            raise servers.ServerError(f"seed {seed} gives other pixels at {one.name} than at {other.name}")
