"""Before a model takes traffic: every batch size run, its pictures compared with the golden samples, and measured."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract import ContractError, Exporter, Manifest, Values
from app.engine import memory
from app.engine.cost import Cost
from app.engine.cuda import GpuSession
from app.engine.job import Arrays
from app.engine.providers import RUNTIME, Device
from app.engine.session import Session
from app.engine.trial import TooLargeError, Trial

log = logging.getLogger(__name__)

OnExecutor = Callable[[int, Callable[[], float]], float]
"""Calls a function on the thread of the executor with that number, and returns what it returns."""

SECONDS = 1.0
"""Time after which a CPU tries no larger size: there batches gain little, and models should be up soon."""

REPEATS = 5
"""Runs of a size; the quickest is its cost, since whatever made the others slower was not the batch."""

# Another vector width, or a GPU, sums in another order, which moves a value over a rounding edge now and then.
LEVELS = 1
SHARE = 0.001
TOLERANCE = 1e-3


def warm(session: Session, manifest: Manifest, role: str, device: Device, trial: Trial | None = None) -> Cost:
    """The cost curve of a graph on the CPU whose outputs are right; `ContractError` with figures if they are not.

    The golden samples are drawn alone, then in batches of every size. Alone, they must be the exporter's: exactly,
    where runtime and processor are, else as far as rounding allows. The service promises that no picture depends on
    the batch that it rode in. So a size that changes a picture is left out, with all larger ones; so are sizes that
    come up after `SECONDS`. What is left out is not used. Of a graph that draws noise of its own only the shapes are
    compared. Each size is run in the bounded memory of the `trial` before, and one that has no room there is left out,
    too.
    """
    samples = of(manifest, role, device)
    every = np.arange(samples.count)
    began, sizes, alone = _useful(session, samples, manifest.reference, trial)
    measured = _measured(session, samples, sizes, began)
    if session.wide and not samples.alike(_draw(session.run_wide, samples.inputs, every, 1)[samples.output], alone):
        log.warning("%s draws other pictures on several threads than on one: not used.", manifest.reference)
        session.narrow()
    return Cost(measured)


# What the first run of each size takes stays until the model goes. Measured are runs as traffic has them, afterwards.
@memory.apart()
def _useful(
    session: Session, samples: "Samples", reference: str, trial: Trial | None
) -> tuple[float, list[int], NDArray[Any]]:
    """When the sizes began to be tried, less the trial's time; those that change no picture; the pictures alone."""
    every = np.arange(samples.count)
    alone = _draw(session.run, samples.inputs, every, 1)[samples.output]
    samples.compare(alone, every, 1)
    sizes: list[int] = []
    began = time.perf_counter()
    for size in session.sizes:
        if trial is not None:
            before = time.perf_counter()
            if not _has_room(trial, samples.batch(size), reference, size):
                break
            began += time.perf_counter() - before
        rows = samples.rows(size)
        if not samples.alike(_draw(session.run, samples.inputs, rows, size)[samples.output], alone[rows]):
            if size == 1:
                raise ContractError("the graph draws noise of its own, and the manifest doesn't say that it is random")
            log.warning("%s draws other pictures in batches of %d than alone: not used.", reference, size)
            break
        sizes.append(size)
        if time.perf_counter() - began > SECONDS:
            break
    return began, sizes, alone


def _has_room(trial: Trial, batch: Arrays, reference: str, size: int) -> bool:
    """Whether a batch of that size has room in memory; `TooLargeError` if not even a single sample has."""
    try:
        trial.take(batch)
    except TooLargeError as error:
        if size == 1:
            raise
        log.warning("%s: %s: not used.", reference, error)
        return False
    return True


def _measured(session: Session, samples: "Samples", sizes: Sequence[int], began: float) -> dict[int, float]:
    """Seconds of a batch of each size, which are measured again and again until `SECONDS` are over."""
    measured = dict.fromkeys(sizes, float("inf"))
    # Every size once, and that again: what else the cores had to do for a while must not bend the curve at one size.
    for _ in range(REPEATS):
        for size in sizes:
            measured[size] = min(measured[size], _seconds(session.run, samples.batch(size), 1))
        if time.perf_counter() - began > SECONDS:
            break
    return measured


def warm_lanes(session: GpuSession, manifest: Manifest, role: str, device: Device, on: OnExecutor) -> Cost:
    """The cost curve of a graph on GPUs whose outputs are right; `ContractError` with figures if they are not.

    Every lane is readied, and draws the golden samples, in batches of every size, on the thread of its executor: `on`
    calls a function there. Between two sizes that thread may serve other models. Kernels differ by size, and with them
    the rounding: where runtime and processor are the exporter's, batches of 1 must be exact.
    """
    samples = of(manifest, role, device)
    measured = dict.fromkeys(session.sizes, float("inf"))

    def prove(lane: int, size: int) -> float:
        session.prepare(lane, samples.batch(size))
        rows = samples.rows(size)
        samples.compare(_draw(session.run, samples.inputs, rows, size)[samples.output], rows, size)
        return _seconds(session.run, samples.batch(size))

    for lane in range(session.lanes):
        for size in session.sizes:
            measured[size] = min(measured[size], on(lane, partial(prove, lane, size)))
    return Cost(measured, fixed=True, streams=device.cuda.streams)


@dataclass(frozen=True)
class Samples:
    """Inputs of a graph by name, of the golden seeds, and the values [g, …] that the output of that name should have.

    They must come out exactly where `exact`, as far as rounding allows elsewhere, and in batches; of a graph that is
    `random` only their shapes must. They are known of the generator alone: of the other graphs only the promise is
    tried that a batch changes nothing.
    """

    inputs: Arrays
    golden: Values | None
    output: str
    exact: bool
    random: bool = False

    @property
    def count(self) -> int:
        return len(next(iter(self.inputs.values())))

    def rows(self, size: int) -> NDArray[np.intp]:
        """Whole batches only, and in them every sample at least once."""
        return np.arange(-(-self.count // size) * size) % self.count

    def each(self) -> Iterator[Arrays]:
        """The inputs of each sample, alone."""
        return ({name: value[row : row + 1] for name, value in self.inputs.items()} for row in range(self.count))

    def batch(self, size: int) -> Arrays:
        """The inputs of one batch of that size."""
        return {name: value[self.rows(size)[:size]] for name, value in self.inputs.items()}

    def compare(self, images: NDArray[np.generic], rows: NDArray[np.intp], size: int) -> None:
        """`ContractError` if these are not the pictures of those rows, drawn in batches of `size`."""
        if self.golden is None:
            return
        how = "alone" if size == 1 else f"in batches of {size}"
        expected = self.golden[rows]
        if not (self.random and images.shape == expected.shape):
            _compare(images, expected, self.exact and size == 1, how)

    def alike(self, images: NDArray[np.generic], others: NDArray[np.generic]) -> bool:
        """Whether two runs drew the same pictures, as far as the graph can."""
        return images.shape == others.shape if self.random else np.array_equal(images, others)


def of(manifest: Manifest, role: str, device: Device) -> Samples:
    """The samples that a graph of a model is tried with on a device."""
    drawn = [manifest.inputs(golden.seed, range(1), golden.label, role=role) for golden in manifest.golden]
    inputs = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    exact = manifest.exporter == Exporter(runtime=RUNTIME, processor=device.processor)
    graph = manifest.graphs[role]
    golden = _golden(manifest) if role == "generator" else None
    return Samples(inputs, golden, graph.outputs[0].name, exact, graph.random)


def _golden(manifest: Manifest) -> Values:
    """The golden values [g, …]; `ContractError` unless all have the shape and the type that the manifest gives."""
    output = manifest.graphs["generator"].outputs[0]
    for golden in manifest.golden:
        if golden.shape != output.sample or golden.dtype != output.dtype:
            raise ContractError(
                f"golden sample of seed {golden.seed} has shape {list(golden.shape)}, the graph's {output.name} "
                f"{list(output.sample)}"
            )
    return np.stack([golden.array() for golden in manifest.golden])


def _draw(run: Callable[[Arrays], Arrays], inputs: Arrays, rows: NDArray[np.intp], size: int) -> dict[str, Any]:
    """The outputs for those rows of the inputs, computed in batches of `size`."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    outputs = [run({name: value[batch] for name, value in inputs.items()}) for batch in batches]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def _compare(values: NDArray[np.generic], expected: Values, exact: bool, how: str) -> None:
    """`ContractError` unless the values are those expected, exactly or as far as rounding allows."""
    if values.shape != expected.shape:
        came, due = list(values.shape[1:]), list(expected.shape[1:])
        raise ContractError(f"the golden samples, drawn {how}, have shape {came}, not {due} as the manifest says")
    whole = expected.dtype == np.uint8
    difference = np.abs(values.astype(np.float64) - expected.astype(np.float64))
    wrong, worst = np.count_nonzero(difference), float(difference.max())
    close = worst <= LEVELS and wrong <= SHARE * difference.size if whole else worst <= TOLERANCE
    if wrong == 0 or (not exact and close):
        return
    if exact:
        allowed = "none may, since runtime and processor are the exporter's"
    elif whole:
        allowed = f"{SHARE:.1%} may, by {LEVELS}, where runtime, processor or batch are not the exporter's"
    else:
        allowed = f"they may by {TOLERANCE:g}, where runtime, processor or batch are not the exporter's"
    by = f"{worst:.0f} grey levels" if whole else f"{worst:.3g}"
    raise ContractError(
        f"the golden samples, drawn {how}, are not the exporter's: {wrong} of {difference.size} values differ, "
        f"by up to {by}; {allowed}"
    )


def _seconds(run: Callable[[Arrays], Arrays], batch: Arrays, repeats: int = REPEATS) -> float:
    """Seconds for a batch: the quickest of some runs."""
    quickest = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        run(batch)
        quickest = min(quickest, time.perf_counter() - began)
    return quickest
