"""`python -m bench.training`: what the training loop costs over a bare one, and what bfloat16 buys; one run, as ratios.

The bare loop is what one would write in a notebook: the same networks, losses, optimisers and batches, and nothing
else: no averages, no log, no checkpoint, no seeds. 1 if a bound is missed.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from training import config
from training.batches import batch_of
from training.recipes import Batch
from training.run import Run, autocast

LOOP, PRECISION = 0.95, 3.0
"""The loop's speed over the bare one's, and bf16 with channels last over plain fp32: at least so much."""


def main() -> int:
    """Prints pictures a second, and the two ratios."""
    parser = argparse.ArgumentParser("python -m bench.training", description=__doc__)
    parser.add_argument("--recipe", default="pix2pix", help="a recipe whose cost lies in dense convolutions")
    parser.add_argument("--data", required=True, help="as for `ganymede train`")
    parser.add_argument("--steps", type=int, default=10, help="steps in one turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each, in alternation")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given, flags = parser.parse_known_args()
    torch.set_num_threads(given.threads)
    with TemporaryDirectory(prefix="ganymede-bench-") as folder:
        arguments = [given.recipe, "--data", given.data, "--out", str(Path(folder) / "run"), *flags]
        values = config.parse(arguments)
        ours, bare, plain = Run(values), Run(values), Run({**values, "precision": "fp32"})
    for network in plain.networks.values():
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stub lacks it
    contenders: dict[str, Callable[[], object]] = {
        "ganymede train": ours.step,
        "bare loop": lambda: step(bare),
        "bare loop, plain fp32": lambda: step(plain),
    }
    rates = measured(contenders, given.steps, given.turns, ours.batch)
    for name, rate in rates.items():
        print(f"{name:24} {statistics.median(rate):8.1f} examples/s")
    loop = ratio(rates["ganymede train"], rates["bare loop"])
    precision = ratio(rates["bare loop"], rates["bare loop, plain fp32"])
    print(f"loop over bare loop      {loop:8.3f}  (at least {LOOP})")
    print(f"bf16 over fp32           {precision:8.2f}  (at least {PRECISION})")
    return 0 if loop >= LOOP and precision >= PRECISION else 1


def step(run: Run) -> None:
    """One update of every phase, by hand."""
    indices = run.sampler.indices(run.progress.images, run.share)
    drawn = run.examples.draw(indices, np.random.default_rng())
    batch = batch_of(drawn, run.device, step=run.progress.step, progress=run.done)
    if run.settings.precision == "fp32":
        batch = contiguous(batch)
    for phase in run.due:
        for name, network in run.networks.items():
            network.requires_grad_(name in phase.learns)
        with autocast(run.device, run.settings.precision):
            loss = torch.stack(list(run.recipe.terms(phase.name, run.networks, batch).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimisers[phase.name].step()
        run.optimisers[phase.name].zero_grad(set_to_none=True)
    run.progress.step += 1
    run.progress.images += run.batch


def contiguous(batch: Batch) -> Batch:
    """The batch in torch's default memory order."""
    given = None if batch.given is None else batch.given.contiguous()
    return replace(batch, real=batch.real.contiguous(), given=given)


def measured(contenders: dict[str, Callable[[], object]], steps: int, turns: int, batch: int) -> dict[str, list[float]]:
    """Examples a second of each contender in each turn, after one turn that doesn't count."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, once in contenders.items():
            began = time.perf_counter()
            for _ in range(steps):
                once()
            if turn:
                rates[name].append(steps * batch / (time.perf_counter() - began))
    return rates


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios of turns that followed each other."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    sys.exit(main())
