"""`python -m bench.soak`: does the service's memory grow under full load? 1 if by 2 %, or if an answer was wrong.

Memory is that of the first minute, in which pools and buffers come to their size, and that of the end.
"""

import argparse
import itertools
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from app import contract
from bench import copies, load, processes, servers
from bench.__main__ import standard
from bench.load import Group, Window

GROWTH = 0.02
CLIENTS = 32
SETTLED = 60.0
"""Seconds of load after which memory is compared with that of the end."""
SLICE = 20.0
"""Seconds of load between two looks at the memory."""


def main() -> int:
    """Prints the memory after each slice of load, and the verdict; 2 if it can't be measured."""
    parser = argparse.ArgumentParser("python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model folder; default: the standard graph")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="ganymede-soak-") as scratch:
        try:
            folder = given.model or standard(Path(scratch) / "standard")
            return _soak(folder, Path(scratch) / "served", 60 * given.minutes)
        except (contract.ContractError, servers.ServerError) as error:
            print(error, file=sys.stderr)
            return 2


def _soak(folder: Path, models: Path, seconds: float) -> int:
    manifest = contract.read(folder)
    copies.lay_out(folder, models, [manifest.name])
    # A short soak, as a test makes, has its "first minute" at a tenth, and at least two slices after it.
    settled, step = min(SETTLED, seconds / 10), min(SLICE, seconds / 10)
    seeds = itertools.count(10_000, 1_000_000)
    first, errors, done = None, 0, 0
    with servers.running(servers.ganymede(models, manifest.reference)) as [service]:
        began = time.monotonic()
        while first is None or time.monotonic() - began < seconds:
            [one] = load.run(service.port, Window(0, step), next(seeds), Group(service.ask, CLIENTS))
            resident, elapsed = processes.resident(service.pid), time.monotonic() - began
            errors += sum(one.errors.values())
            done += round(one.images_per_second * step)
            print(f"{elapsed / 60:6.2f} min  {one.images_per_second:6,.0f} images/s  {resident:6.1f} MB", flush=True)
            if first is None and elapsed >= settled:
                first = resident
    growth = resident / first - 1
    reached = growth < GROWTH and errors == 0
    print(
        f"{done:,} images, {errors} errors; resident {first:.1f} MB after {settled:.0f} s, {resident:.1f} MB at the "
        f"end: {growth:+.2%}; growth below {GROWTH:.0%} and no error are required: "
        f"**{'reached' if reached else 'missed'}**."
    )
    return 0 if reached else 1


if __name__ == "__main__":
    # One that is ended must end its server too: as an exit, it passes through its `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
