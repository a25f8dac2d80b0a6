"""`python -m bench.rivals`: an overloaded service while a few clients ask another model, again and again.

They never have much in the queue, and yet take their turns: whoever is promised an answer in time must be told of both.
"""

import argparse
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import copies, dcgan, load, overload, servers
from bench.load import Group, Window
from bench.protocol import COLD
from bench.wire import Ask


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.rivals", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4], help="of the other model")
    given = parser.parse_args()
    window, seeds = Window(1, given.seconds), itertools.count(0, 1_000_000)
    with TemporaryDirectory(prefix="ganymede-bench-") as scratch, ThreadPoolExecutor() as pool:
        standard, models = dcgan.build(Path(scratch) / "standard"), Path(scratch) / "served"
        copies.lay_out(standard, models, (dcgan.NAME, COLD))
        rival = Ask(f"/generate?model={COLD}&seed={{seed}}")
        with servers.running(servers.ganymede(models, dcgan.NAME)) as [ours]:
            print(f"{overload.CLIENTS} clients with {overload.LIMIT:g} s each, beside others:\n")
            print("| others | in time/s | late/s | p99 ms | theirs/s | their p50 ms |\n|--:|--:|--:|--:|--:|--:|")
            for others, _ in itertools.product(given.clients, range(given.rounds)):
                beside = pool.submit(load.run, ours.port, window, next(seeds), Group(rival, others))
                done = overload.run(ours.port, window, next(seeds))
                [theirs] = beside.result()
                print(
                    f"| {others} | {done.images_per_second:.0f} | {done.late / window.seconds:.0f} | {done.p99:.0f} "
                    f"| {theirs.images_per_second:.0f} | {theirs.p50:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
