"""Many pictures into one array: a thread pool, a count of the broken ones, a progress line. Pillow drops the GIL."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np

from training.data.decode import decode
from training.data.layout import Layout
from training.data.pictures import DataError, Labels, Pictures, Pixels, allocate

log = logging.getLogger("ganymede.data")

CHUNK = 1024
"""Pictures in flight: enough to keep every core busy, little enough to hold in memory beside the result."""
SILENT = 5
"""Seconds between two lines of progress, so that a short load says nothing."""
NAMED = 20
"""How many broken files an error lists."""


def gather(
    names: Sequence[str], draw: Callable[[int], Pixels], *, size: int, channels: int, max_broken: float, source: str
) -> tuple[Pixels, Labels]:
    """`draw(i)` for every i in order: uint8 [n, size, size, channels], and which i they are.

    A picture that fails is named in a warning and left out; `DataError` as soon as more than the share `max_broken`
    of all have failed, or when none is left.
    """
    images = allocate(len(names), size, channels)
    kept: list[int] = []
    broken: list[str] = []
    told = time.monotonic()

    def attempt(index: int) -> Pixels | Exception:
        try:
            return draw(index)
        except Exception as error:  # a broken file makes Pillow raise nearly anything
            return error

    with ThreadPoolExecutor(_cores()) as pool:
        for start in range(0, len(names), CHUNK):
            chunk = range(start, min(start + CHUNK, len(names)))
            for index, image in zip(chunk, pool.map(attempt, chunk), strict=True):
                if isinstance(image, Exception):
                    log.warning("%s: skipped %s: %s", source, names[index], image)
                    broken.append(f"{names[index]} ({image})")
                else:
                    images[len(kept)] = image
                    kept.append(index)
            if len(broken) > max_broken * len(names):
                raise DataError(_refusal(source, broken, len(names), max_broken))
            if time.monotonic() - told > SILENT:
                told = time.monotonic()
                log.info("%s: %s of %s pictures read", source, f"{chunk.stop:,}", f"{len(names):,}")
    if not kept:
        raise DataError(_refusal(source, broken, len(names), max_broken))
    return images[: len(kept)], np.array(kept, np.int64)


def decode_all(
    layout: Layout,
    read: Callable[[PurePosixPath], bytes],
    *,
    size: int,
    channels: int,
    max_broken: float,
    source: str,
) -> Pictures:
    """Every picture of a layout, from the bytes that `read` gives; errors as in `gather`."""
    images, kept = gather(
        [str(path) for path in layout.paths],
        lambda index: decode(read(layout.paths[index]), size, channels),
        size=size,
        channels=channels,
        max_broken=max_broken,
        source=source,
    )
    labels = None if layout.labels is None else layout.labels[kept]
    return Pictures(images, labels, layout.classes, source)


def _refusal(source: str, broken: list[str], total: int, max_broken: float) -> str:
    more = f", and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    return (
        f"{source}: {len(broken)} of {total} pictures can't be read, more than the {max_broken:.1%} that may be: "
        f"{', '.join(broken[:NAMED])}{more}. Remove or replace them, or allow a larger share"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
