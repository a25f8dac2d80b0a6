"""`python -m bench.neighbours`: an overloaded service while other processes take its cores, and after they left.

Whoever is late refuses more, and refusals make it later: what must not happen is that it answers nobody any more.
"""

import argparse
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from app.engine import providers
from bench import dcgan, load, overload, servers
from bench.load import Group, Window


@contextmanager
def spinning(processes: int) -> Iterator[None]:
    """So many processes that do nothing, as fast as they can."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.neighbours", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--each-core", type=int, default=3, help="other processes that spin, for each core")
    given = parser.parse_args()
    window, seeds = Window(1, given.seconds), itertools.count(0, 1_000_000)
    with TemporaryDirectory(prefix="ganymede-bench-") as scratch:
        model = dcgan.build(Path(scratch)).parent.name
        with servers.running(servers.ganymede(Path(scratch), model)) as [ours]:
            [peak] = load.run(ours.port, window, next(seeds), Group(ours.ask, 128))
            rate = f"{peak.images_per_second:.0f} images/s"
            print(f"128 clients: {rate}. {overload.CLIENTS} clients with {overload.LIMIT:g} s each:\n")
            print("| | in time/s | late/s | refused/s | told, median s |\n|---|--:|--:|--:|--:|")
            for when, others in (("alone", 0), ("beside others", given.each_core * providers.cores()), ("after", 0)):
                with spinning(others):
                    done = overload.run(ours.port, window, next(seeds))
                late, refused = done.late / window.seconds, done.refused / window.seconds
                told = median(done.told) if done.told else 0
                print(
                    f"| {when} | {done.images_per_second:.0f} | {late:.0f} | {refused:.0f} | {told:.2f} |", flush=True
                )


if __name__ == "__main__":
    main()
