"""The order of things: which server is loaded when, how hard, for how long. Returns what was measured, judges nothing.

The machine's speed changes by the minute, so nothing is compared across minutes: in each round every server has its
turn, next to the machine's limit, and a comparison is a ratio within a round.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from app import contract
from bench import company, copies, footprint, limit, load, overload, servers, vanish
from bench.company import MANY, Fairness, Mixed
from bench.footprint import Footprint
from bench.limit import Limit
from bench.load import Group, Round, Window
from bench.overload import Overload
from bench.servers import Command, Server
from bench.vanish import Vanished

OURS, PLAIN = "ganymede", "plain FastAPI"
SAME_SEEDS = range(5)
COLD = "cold"
"""The name of the second model of the service: a copy of the one that is measured."""
BUSY = 128
"""Concurrency at which the peak rate is measured once more, right before the overload."""

Part = Literal["load", "overload", "vanish", "fairness", "mixed", "memory"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Plan:
    """How much to measure. Seconds are those of one server in one round."""

    concurrencies: Sequence[int] = (1, 8, 32, 128, 400)
    rounds: int = 5
    seconds: float = 4.0
    warmup: float = 1.0
    idle: float = 5.0
    """Seconds in which the idle service is watched."""
    parts: Sequence[Part] = PARTS

    @property
    def window(self) -> Window:
        return Window(self.warmup, self.seconds)


@dataclass
class Measured:
    """What came out, an entry for each round: the limit; by concurrency and name what each server did; what followed
    after clients had vanished, by name; and what the service did in company and under overload, beside its peak rate
    in the same round. The footprint is taken once.
    """

    limits: list[Limit] = field(default_factory=list)
    rounds: dict[tuple[int, str], list[Round]] = field(default_factory=dict)
    vanished: dict[str, list[Vanished]] = field(default_factory=dict)
    overloads: list[Overload] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    fairness: list[Fairness] = field(default_factory=list)
    mixed: list[Mixed] = field(default_factory=list)
    footprint: Footprint | None = None


def measure(folder: Path, scratch: Path, plan: Plan, peers: Sequence[Command], say: Callable[[str], None]) -> Measured:
    """Runs the whole comparison on the model of `folder`: all servers up all the time, and one of them loaded.

    `scratch` is an empty folder for copies of the model. Raises `ServerError` if a server does not start, or two of
    them draw different pictures for the same seed.
    """
    measured = Measured()
    seeds = itertools.count(10_000, 1_000_000)
    name = contract.read(folder).name
    models = scratch / "served"
    hot, cold = (contract.read(copy).reference for copy in copies.lay_out(folder, models, (name, COLD)))
    commands = (servers.ganymede(models, hot, "--max-samples", str(MANY)), servers.plain(folder), *peers)
    with servers.running(*commands) as (ours, *others):
        for other in others:
            compare(ours, other)
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            # Each has each place in turn: whoever comes later may find a warmer, or a hotter, machine.
            everyone = [ours, *others]
            turn = number % len(everyone)
            _compete(measured, folder, plan, everyone[turn:] + everyone[:turn], seeds)
            _alone(measured, plan, ours, hot, cold, seeds)
    if "memory" in plan.parts:
        say("memory")
        measured.footprint = footprint.measure(folder, scratch, plan.window, plan.idle, next(seeds))
    return measured


def _compete(
    measured: Measured, folder: Path, plan: Plan, order: Sequence[Server], seeds: "itertools.count[int]"
) -> None:
    """What all servers do in a round, and the machine's limit."""
    if "load" in plan.parts:
        measured.limits.append(limit.measure(folder, plan.seconds / 8))
        for concurrency, server in itertools.product(plan.concurrencies, order):
            [done] = load.run(server.port, plan.window, next(seeds), Group(server.ask, concurrency))
            measured.rounds.setdefault((concurrency, server.name), []).append(done)
    if "vanish" in plan.parts:
        for server in order:
            left = vanish.measure(server, next(seeds), counts=server.name == OURS)
            measured.vanished.setdefault(server.name, []).append(left)


def _alone(measured: Measured, plan: Plan, ours: Server, hot: str, cold: str, seeds: "itertools.count[int]") -> None:
    """What only the service is asked to do in a round."""
    if "overload" in plan.parts:
        [busy] = load.run(ours.port, plan.window, next(seeds), Group(ours.ask, BUSY))
        rounds = [rounds[-1] for (_, name), rounds in measured.rounds.items() if name == OURS]
        measured.peaks.append(max(done.images_per_second for done in [busy, *rounds]))
        measured.overloads.append(overload.run(ours.port, plan.window, next(seeds)))
    if "fairness" in plan.parts:
        measured.fairness.append(company.fairness(ours, hot, plan.window, next(seeds)))
    if "mixed" in plan.parts:
        measured.mixed.append(company.mixed(ours, hot, cold, plan.window, next(seeds)))


def compare(one: Server, other: Server) -> None:
    """`ServerError` unless both draw the same pixels for the same seeds."""
    for seed in SAME_SEEDS:
        first, second = (np.asarray(Image.open(BytesIO(server.picture(seed)))) for server in (one, other))
        if not np.array_equal(first, second):
            raise servers.ServerError(f"seed {seed} gives other pixels at {one.name} than at {other.name}")
