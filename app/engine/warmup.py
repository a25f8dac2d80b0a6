"""Before a model takes traffic: every batch size run once, compared with the golden samples, and measured."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.contract import ContractError, Exporter, Manifest, Pixels
from app.engine.cost import Cost
from app.engine.job import Arrays
from app.engine.providers import RUNTIME, Device
from app.engine.session import Session

SECONDS = 1.0
"""Time after which a CPU tries no larger size: there batches gain little, and models should be up soon."""

REPEATS = 5
"""Runs of a size; the quickest is its cost, since whatever made the others slower was not the batch."""

# Another vector width, or a GPU, sums in another order, which moves a value by a rounding edge now and then.
LEVELS = 1
SHARE = 0.001


def warm(session: Session, manifest: Manifest, device: Device) -> Cost:
    """The cost curve of a session whose pictures are right; `ContractError` with figures if they are not.

    Each golden sample is drawn alone, and again in batches of every size. On a CPU, sizes that would take much longer
    than `SECONDS` are left out: batches never get that large.
    """
    image = manifest.graphs["generator"].output("image").name
    drawn = [manifest.inputs(golden.seed, range(1), golden.label) for golden in manifest.golden]
    inputs = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    expected = _golden(manifest)
    exact = manifest.exporter == Exporter(runtime=RUNTIME, processor=device.processor)
    _compare(np.concatenate([session.run(one)[image] for one in drawn]), expected, exact, "alone")
    measured: dict[int, float] = {}
    began = time.perf_counter()
    for size in session.sizes:
        rows = np.arange(size) % len(drawn)
        batch = {name: value[rows] for name, value in inputs.items()}
        _compare(session.run(batch)[image], expected[rows], exact, f"in a batch of {size}")
        measured[size] = min(_seconds(session.run, batch) for _ in range(REPEATS))
        if not session.fixed and time.perf_counter() - began > SECONDS:
            break
    return Cost(measured, fixed=session.fixed)


def _golden(manifest: Manifest) -> Pixels:
    """The golden pictures, uint8 [g, h, w, c]; `ContractError` unless all have the shape that the image output has."""
    shape = manifest.graphs["generator"].output("image").shape[1:]
    for golden in manifest.golden:
        if golden.shape != shape:
            raise ContractError(
                f"golden sample of seed {golden.seed} has shape {list(golden.shape)}, the graph's image {list(shape)}"
            )
    return np.stack([golden.array() for golden in manifest.golden])


def _compare(images: NDArray[np.generic], expected: Pixels, exact: bool, where: str) -> None:
    if images.shape != expected.shape or images.dtype != expected.dtype:
        raise ContractError(
            f"the golden samples, drawn {where}, come out as {images.dtype} {list(images.shape)} "
            f"where {expected.dtype} {list(expected.shape)} was expected"
        )
    difference = np.abs(images.astype(np.int16) - expected)
    wrong, worst = np.count_nonzero(difference), int(difference.max())
    if wrong == 0 or (not exact and worst <= LEVELS and wrong <= SHARE * difference.size):
        return
    allowed = (
        "none may, since processor and runtime are the exporter's"
        if exact
        else f"{SHARE:.1%} may, by {LEVELS}, since processor or runtime are not the exporter's"
    )
    raise ContractError(
        f"the golden samples, drawn {where}, are not the exporter's: {wrong} of {difference.size} values differ, "
        f"by up to {worst} grey levels; {allowed}"
    )


def _seconds(run: Callable[[Arrays], object], batch: Arrays) -> float:
    began = time.perf_counter()
    run(batch)
    return time.perf_counter() - began
