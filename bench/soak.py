"""`python -m bench.soak`: does anything wear out? Mixed traffic near the service's capacity, with clients that vanish.

First the clients ask again at once for some minutes, in which pools and buffers come to their size; the last of them
tells the capacity. Then they ask for four fifths of that, at the same moments and for the same kinds in each minute,
so that one can be held against another, but never for the same picture. Of those minutes the first and the last are
compared: the slowest hundredth of the answers, memory, open files and threads. 1 if one of them grew, or if an answer
was wrong.

In half an hour a machine that is shared gets quicker and slower by itself. So at the end a service that has just begun
is asked for the same, in turn with the one that has served all the time: what wears out is what makes these two differ.
"""

import argparse
import signal
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from app import contract
from app.engine import providers
from bench import mixed, processes, servers
from bench.mixed import Slice

CLIENTS = 32
NEAR = 0.8
"""Share of the capacity that is asked for."""
MINUTE = 60.0
SETTLING = 5
"""Minutes until then: the memory of a process that has just begun grows with the first of each thing that it does."""
TURNS = 3
"""Minutes, at the end, of each of the two services."""
SLOWER = 0.10
GROWTH = 0.02
QUIET = 1.0
"""Seconds without load before the server is looked at: what is on its way comes to its end."""


@dataclass(frozen=True)
class Reading:
    """What the service did in a slice, and what it held after it."""

    traffic: Slice
    megabytes: float
    files: int
    threads: int
    machine: float
    """Milliseconds of one and the same work, on every core at once, after the slice: how quick the machine was."""


def main() -> int:
    """Prints each minute, and the verdict; 2 if it can't be measured."""
    parser = argparse.ArgumentParser("python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of models; default: %(default)s")
    parser.add_argument("--near", type=float, default=NEAR, help="share of the capacity; default: %(default)s")
    given = parser.parse_args()
    try:
        return _soak(given.models, MINUTE * given.minutes, given.near)
    except (contract.ContractError, servers.ServerError) as error:
        print(error, file=sys.stderr)
        return 2


def _soak(models: Path, seconds: float, near: float) -> int:
    generators = [ask for ask in mixed.asks(models) if ask.target.startswith("/generate")]
    if not generators:
        raise servers.ServerError(f"{models} has no model that generates; the soak begins with a picture of one")
    default = generators[0].target.partition("model=")[2].partition("&")[0]
    # A short soak, as a test makes, has a first minute and a last one, too.
    step = min(MINUTE, seconds / 2)
    command = servers.ganymede(models, default)
    with servers.running(command) as [service]:
        rate = near * _settled(service, models, step)
        print(f"asked for from now on: {rate:,.0f} requests/s", flush=True)
        readings = []
        for number in range(round(seconds / step)):
            readings.append(_reading(service, models, step, rate, number))
            print(_told((number + 1) * step / MINUTE, readings[-1]), flush=True)
        with servers.running(command) as [fresh]:
            _settled(fresh, models, step)
            turns = list(_in_turn(service, fresh, models, step, rate))
    return _verdict(readings, turns)


def _settled(service: servers.Server, models: Path, step: float) -> float:
    """The requests a second that it answers at most, once its models are loaded and its pools have their size."""
    while any(model["state"] == "loading" for model in service.json("/models")["models"]):
        time.sleep(0.1)
    for number in range(-SETTLING, 0):
        most = _reading(service, models, step, None, number)
        print(_told((number + 1) * step / MINUTE, most), flush=True)
    print(f"capacity: {most.traffic.requests_per_second:,.0f} requests/s", flush=True)
    return most.traffic.requests_per_second


def _in_turn(
    old: servers.Server, fresh: servers.Server, models: Path, step: float, rate: float
) -> Iterator[tuple[Reading, Reading]]:
    """Minutes of the two services, asked for the same, the one that is first in a pair second in the next."""
    services = {"old": old, "fresh": fresh}
    for number in range(TURNS):
        pair = {}
        for name in sorted(services, reverse=number % 2 == 0):
            pair[name] = _reading(services[name], models, step, rate, number)
            print(f"{name:>5}: {_told((number + 1) * step / MINUTE, pair[name])}", flush=True)
        yield pair["old"], pair["fresh"]


def _reading(service: servers.Server, models: Path, seconds: float, rate: float | None, seed: int) -> Reading:
    traffic = mixed.run(service.port, models, CLIENTS, seconds, rate=rate, seed=seed)
    time.sleep(min(QUIET, seconds))
    held = processes.resident(service.pid)
    return Reading(traffic, held, processes.files(service.pid), processes.threads(service.pid), _machine())


def _machine() -> float:
    """Milliseconds in which each core deflates four megabytes, the median of eleven times."""
    cores, data = providers.cores(), bytes(range(256)) * 16_384
    with ThreadPoolExecutor(cores) as pool:
        return 1000 * median(pool.map(_deflate, 11 * cores * [data]))


def _deflate(data: bytes) -> float:
    began = time.perf_counter()
    zlib.compress(data)  # lets go of the interpreter's lock
    return time.perf_counter() - began


def _told(minutes: float, one: Reading) -> str:
    traffic, errors = one.traffic, sum(one.traffic.errors.values())
    return (
        f"{minutes:6.2f} min  {traffic.requests_per_second:6,.0f} requests/s  p50 {traffic.p50:6.1f} ms  "
        f"p99 {traffic.p99:6.1f} ms  {traffic.vanished:5} vanished  {traffic.refused:3} refused  "
        f"{errors:3} errors  {one.megabytes:6.1f} MB  {one.files:3} files  {one.threads:3} threads  "
        f"machine {one.machine:5.1f} ms"
    )


def _verdict(readings: list[Reading], turns: list[tuple[Reading, Reading]]) -> int:
    first, last = readings[0], readings[-1]
    seen = [*readings, *(one for pair in turns for one in pair)]
    errors = sum(sum(one.traffic.errors.values()) for one in seen)
    for error in sorted({error for one in seen for error in one.traffic.errors}):
        print(f"error: {error}")
    ratios = sorted(old.traffic.p99 / fresh.traffic.p99 for old, fresh in turns)
    worn = median(ratios) - 1
    half = readings[: max(1, len(readings) // 2)]
    slower = last.traffic.p99 / first.traffic.p99 - 1
    growth = last.megabytes / first.megabytes - 1
    bounds = {
        f"p99 {first.traffic.p99:.1f} → {last.traffic.p99:.1f} ms, {slower:+.1%}, at most {SLOWER:+.0%}": slower
        <= SLOWER,
        f"p99 over that of a service that has just begun, asked in turn: {worn:+.1%} "
        f"({ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%}), at most {SLOWER:+.0%}": worn <= SLOWER,
        f"memory {first.megabytes:.1f} → {last.megabytes:.1f} MB, {growth:+.2%}, at most {GROWTH:+.0%}": growth
        <= GROWTH,
        f"open files {first.files} → {last.files}, no more than in the first half": last.files
        <= max(one.files for one in half),
        f"threads {first.threads} → {last.threads}, no more than in the first half": last.threads
        <= max(one.threads for one in half),
        f"{errors} errors, none is allowed": errors == 0,
    }
    for bound, reached in bounds.items():
        print(f"{bound}: **{'reached' if reached else 'missed'}**.")
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    # One that is ended must end its server too: as an exit, it passes through its `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
