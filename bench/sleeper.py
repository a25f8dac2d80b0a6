"""The simulation beside the engine's own threads in real time, on a device that sleeps as long as a batch would take.

    python -m bench.sleeper

Other work on the cores hardly disturbs a device that only sleeps, so this compares how requests queue, and share
batches, also where what a real model takes depends on who else is there.
"""

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from app.engine.admission import Limits
from app.engine.batching import Batch, Batcher
from app.engine.cost import Cost
from app.engine.executor import Executors
from app.engine.health import Health
from app.engine.job import Arrays, Piecewise
from app.engine.rotation import Rotation
from app.errors import Overloaded
from app.metrics import Metrics
from bench import curve, farm
from bench.curve import Curve
from bench.farm import Traffic
from bench.replica import ROWS
from bench.simulate import SHIPPED
from bench.wire import percentiles

TIMES = 20
"""So many times as long as the shipped curve, so that a millisecond of the machine's is little."""
SHARES = (0.5, 0.7, 0.8, 0.9)


def main() -> None:
    """Prints the table."""
    measured = curve.read(str(SHIPPED))
    slow = replace(measured, seconds={size: TIMES * one for size, one in measured.seconds.items()}, beside=0)
    most = farm.capacity(slow)
    print("| load | p50, ms | simulated | ratio | p99, ms | simulated | ratio |\n" + "|---" * 7 + "|")
    for share in SHARES:
        traffic = Traffic(share * most, seconds=40)
        real = in_real_time(slow, traffic)
        # Each with draws of its own: what both have in common is the process, not the moments.
        said = farm.simulate(slow, 1, replace(traffic, seconds=2000))
        rows = [(one, two, two / one) for one, two in zip(real, (said.p50, said.p99), strict=True)]
        print(f"| {share:.0%} | " + " | ".join(f"{a:.0f} | {b:.0f} | {c:.2f}" for a, b, c in rows) + " |", flush=True)


def in_real_time(slow: Curve, traffic: Traffic) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    device = Cost(slow.seconds)

    def run(inputs: Arrays, _: bool) -> Arrays:
        time.sleep(device.seconds(len(inputs["z"])))
        return inputs

    rotation: Rotation[Batch] = Rotation(slow.executors)
    limits = Limits(10, encoders=slow.encoders)
    with ThreadPoolExecutor(slow.encoders) as encode:
        queue = Batcher(
            slow.model,
            run,
            Cost(slow.seconds),
            rotation,
            encode,
            Health(slow.model),
            Metrics().model(slow.model),
            limits,
        )
        executors = Executors(rotation, "sleeping")
        taken = ask(queue, slow, traffic)
        rotation.drain(30)
        executors.close()
    return percentiles(taken)


def ask(queue: Batcher, slow: Curve, traffic: Traffic) -> list[float]:
    """Seconds from when each request was due until its picture was there."""
    taken: list[float] = []
    draw, due = random.Random(traffic.seed), time.monotonic()
    begin = due + traffic.warmup
    finish = Piecewise(lambda *_: time.sleep(slow.encode), lambda pieces: pieces)
    while (due := due + draw.expovariate(traffic.rate)) < begin + traffic.seconds:
        time.sleep(max(0, due - time.monotonic()))

        def done(_: Future[Any], due: float = due) -> None:
            if due >= begin:
                taken.append(time.monotonic() - due)

        try:
            queue.submit({"z": ROWS["z"][: traffic.pictures]}, deadline=None, finish=finish).add_done_callback(done)
        except Overloaded as error:
            raise RuntimeError("below its capacity the queue must not be full") from error
    return taken


if __name__ == "__main__":
    main()
