"""`python -m bench.simulate`: how many replicas a traffic needs, from what a picture costs one.

With `--validate` the simulation is held against the real service first; with `--measure` the curve is that of this
machine. Prints Markdown.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from app import contract
from bench import arrivals, conditions, curve, farm, servers
from bench.curve import Curve
from bench.farm import Balance, Traffic
from bench.load import Window
from bench.servers import ServerError
from bench.wire import Ask

SHIPPED = Path(__file__).parent / "curves" / "cifar10.json"
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.2)
REPEATED = (0.0, 0.5, 0.8, 0.9, 0.95)
ADDRESSES, EXPONENT = 100_000, 1.0
"""Addresses that are asked for again and again, and how unequally: a guess, to be replaced by what your log shows."""


def main() -> int:
    """Prints the tables; 2 if there is nothing to make them of."""
    given = _arguments()
    try:
        return _run(given)
    except (contract.ContractError, ServerError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    chosen = curve.read(str(given.curve))
    if given.service:
        chosen = curve.of_service(given.service, chosen)
    if given.measure:
        chosen = _measured(given.measure, given.seconds, validate=given.validate)
        if given.write:
            curve.write(chosen, given.write)
    if given.times != 1:
        dearer = {size: seconds * given.times for size, seconds in chosen.seconds.items()}
        chosen = replace(chosen, model=f"{chosen.model}, if it took {given.times:g} times as long", seconds=dearer)
    print(f"{chosen.model}, measured {chosen.date} on {chosen.machine}; simulated {conditions.now().date}\n")
    for line in tables(chosen, given.pictures_per_hour, given.p99, given.balance):
        print(line, flush=True)
    return 0


def tables(chosen: Curve, per_hour: float, p99: float, balance: Balance) -> Iterator[str]:
    """What one replica does, how many so many pictures an hour need, and how many with a cache in front."""
    most = farm.capacity(chosen)
    yield f"A replica draws {most:.0f} pictures a second at most, {3600 * most:,.0f} an hour.\n"
    yield "| load | pictures an hour | p50, ms | p99, ms | refused | queue, s |"
    yield "|---|---|---|---|---|---|"
    for share in SHARES:
        done = farm.simulate(chosen, 1, Traffic(share * most, seconds=60 if share > 1 else 30))
        yield f"| {share:.0%} {_row(done)} |"
    needed, _ = farm.enough(chosen, per_hour / 3600, p99, balance)
    wanted = f"{per_hour:,.0f} pictures an hour, 99 of 100 in {p99:g} ms, balanced by {balance}"
    yield f"\nFor {wanted}, replicas: {needed}.\n"
    yield "| replicas | load | pictures an hour | p50, ms | p99, ms | refused | queue, s |"
    yield "|---|---|---|---|---|---|---|"
    for replicas in sorted({max(1, needed - 1), needed, needed + 1, 2 * needed}):
        done = farm.simulate(chosen, replicas, Traffic(per_hour / 3600, balance=balance))
        yield f"| {replicas} | {per_hour / 3600 / replicas / most:.0%} {_row(done)} |"
    yield f"\nThe same, with a cache before them; of what repeats, {ADDRESSES:,} addresses, Zipf with {EXPONENT:g}.\n"
    yield "| repeated | reach a replica in the first hour | replicas | from then on | replicas |"
    yield "|---|---|---|---|---|"
    for repeated in REPEATED:
        first = farm.missed(round(per_hour), repeated, ADDRESSES, EXPONENT)
        counts = [farm.enough(chosen, share * per_hour / 3600, p99, balance)[0] for share in (first, 1 - repeated)]
        yield f"| {repeated:.0%} | {first:.0%} | {counts[0]} | {1 - repeated:.0%} | {counts[1]} |"


def _row(done: farm.Outcome) -> str:
    refused = (done.refused + done.expired) / done.asked
    return f"| {done.per_hour:,.0f} | {done.p50:.1f} | {done.p99:.1f} | {refused:.1%} | {done.queue:.3f}"


def _measured(folder: Path, seconds: float, *, validate: bool) -> Curve:
    """The curve of a model on this machine; with `validate`, prints what the simulation says beside what is so."""
    manifest = contract.read(folder)
    ask = Ask(f"/generate?model={manifest.reference}&seed={{seed}}", method="GET")
    command = servers.ganymede(folder.parents[1], manifest.reference, "--load", "first-use")
    with servers.running(replace(command, ask=ask)) as [server]:
        window = Window(2, seconds)
        chosen, most = curve.measure(server, folder, ask, window, 1_000)
        if not validate:
            return chosen
        said = farm.capacity(chosen)
        print(f"{most:.0f} pictures a second for 64 clients, {said:.0f} simulated: {said / most:.2f}.\n")
        print(
            "| asked a second | answered | simulated | p50, ms | simulated | p99, ms | simulated | generator late, ms |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for number, share in enumerate((0.5, 0.8)):
            rate = share * most
            act = partial(arrivals.run, server.port, ask, rate, window, 1_000_000 * (number + 1))
            real, meanwhile = curve.watched(server, manifest.reference, act, window)
            if real.errors:
                raise ServerError(f"{server.name} gave no pictures: {real.errors}")
            done = farm.simulate(replace(chosen, seconds=meanwhile), 1, Traffic(rate, seconds=seconds))
            print(
                f"| {rate:.0f} | {real.answered / real.asked:.1%} | {done.answered / done.asked:.1%} | {real.p50:.1f} "
                f"| {done.p50:.1f} | {real.p99:.1f} | {done.p99:.1f} | {real.late:.1f} |"
            )
        print()
    return chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.simulate", description=__doc__)
    parser.add_argument("--curve", type=Path, default=SHIPPED, help="a file that --write wrote")
    parser.add_argument("--service", metavar="URL", help="take the curve from a model's address at a running service")
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="measure the curve of this model folder here")
    parser.add_argument(
        "--validate", action="store_true", help="with --measure: hold the simulation against the service"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --measure: keep the curve")
    parser.add_argument("--seconds", type=float, default=10, help="of each load, with --measure")
    parser.add_argument("--times", type=float, default=1, help="as if a batch took so many times as long")
    parser.add_argument("--pictures-per-hour", type=float, default=1_000_000)
    parser.add_argument("--p99", type=float, default=250, help="milliseconds that 99 of 100 answers may take")
    parser.add_argument("--balance", choices=("random", "two"), default="random", help="as Kubernetes does, or Ray")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
