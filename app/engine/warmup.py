"""Before a model takes traffic: every batch size run, its pictures compared with the golden samples, and measured."""

import logging
import time

import numpy as np
from numpy.typing import NDArray

from app.contract import ContractError, Exporter, Manifest, Pixels
from app.engine.cost import Cost
from app.engine.job import Arrays
from app.engine.providers import RUNTIME, Device
from app.engine.session import Session

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Time after which a CPU tries no larger size: there batches gain little, and models should be up soon."""

REPEATS = 5
"""Runs of a size; the quickest is its cost, since whatever made the others slower was not the batch."""

# Another vector width, or a GPU, sums in another order, which moves a value over a rounding edge now and then.
LEVELS = 1
SHARE = 0.001


def warm(session: Session, manifest: Manifest, device: Device) -> Cost:
    """The cost curve of a session whose pictures are right; `ContractError` with figures if they are not.

    The golden samples are drawn alone, then in batches of every size. Alone, they must be the exporter's: exactly,
    where runtime and processor are, else as far as rounding allows. In batches, a GPU may round them otherwise. A CPU
    may not: the service promises that no picture depends on the batch that it rode in. So there a size that changes a
    picture is left out, with all larger ones; so are sizes that come up after `SECONDS`. What is left out is not used.
    """
    image = manifest.graphs["generator"].output("image").name
    drawn = [manifest.inputs(golden.seed, range(1), golden.label) for golden in manifest.golden]
    inputs = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    golden = _golden(manifest)
    exact = manifest.exporter == Exporter(runtime=RUNTIME, processor=device.processor)
    alone = _draw(session, inputs, np.arange(len(golden)), 1)[image]
    _compare(alone, golden, exact, "alone")
    measured: dict[int, float] = {}
    began = time.perf_counter()
    for size in session.sizes:
        # Whole batches only, and in them every golden sample at least once.
        rows = np.arange(-(-len(golden) // size) * size) % len(golden)
        images = _draw(session, inputs, rows, size)[image]
        if session.fixed:
            _compare(images, golden[rows], False, f"in batches of {size}")
        elif not np.array_equal(images, alone[rows]):
            log.warning("%s draws other pictures in batches of %d than alone: not used.", manifest.reference, size)
            break
        measured[size] = _seconds(session, {name: value[rows[:size]] for name, value in inputs.items()})
        if not session.fixed and time.perf_counter() - began > SECONDS:
            break
    return Cost(measured, fixed=session.fixed)


def _golden(manifest: Manifest) -> Pixels:
    """The golden pictures, uint8 [g, h, w, c]; `ContractError` unless all have the shape that the manifest gives."""
    shape = manifest.graphs["generator"].output("image").shape[1:]
    for golden in manifest.golden:
        if golden.shape != shape:
            raise ContractError(
                f"golden sample of seed {golden.seed} has shape {list(golden.shape)}, the graph's image {list(shape)}"
            )
    return np.stack([golden.array() for golden in manifest.golden])


def _draw(session: Session, inputs: Arrays, rows: NDArray[np.intp], size: int) -> dict[str, NDArray[np.generic]]:
    """The outputs for those rows of the inputs, computed in batches of `size`."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    outputs = [session.run({name: value[batch] for name, value in inputs.items()}) for batch in batches]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def _compare(images: NDArray[np.generic], expected: Pixels, exact: bool, how: str) -> None:
    """`ContractError` unless the pictures are those expected, exactly or as far as rounding allows."""
    if images.shape != expected.shape:
        came, due = list(images.shape[1:]), list(expected.shape[1:])
        raise ContractError(f"the golden samples, drawn {how}, have shape {came}, not {due} as the manifest says")
    difference = np.abs(images.astype(np.int16) - expected)
    wrong, worst = np.count_nonzero(difference), int(difference.max())
    if wrong == 0 or (not exact and worst <= LEVELS and wrong <= SHARE * difference.size):
        return
    if exact:
        allowed = "none may, since runtime and processor are the exporter's"
    else:
        allowed = f"{SHARE:.1%} may, by {LEVELS}, where runtime, processor or batch are not the exporter's"
    raise ContractError(
        f"the golden samples, drawn {how}, are not the exporter's: {wrong} of {difference.size} values differ, "
        f"by up to {worst} grey levels; {allowed}"
    )


def _seconds(session: Session, batch: Arrays) -> float:
    """Seconds for a batch: the quickest of some runs."""
    quickest = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        session.run(batch)
        quickest = min(quickest, time.perf_counter() - began)
    return quickest
