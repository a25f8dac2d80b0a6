"""What the machine could do: draw, graph and encoder alone, on every core, with nothing between them.

One single-threaded process per core, so that neither Python's lock nor a queue stands in the way. If all of it
overlapped perfectly, a picture would cost a core the sum, and that is the limit. Next to it the raw chain: one picture
after the other on an otherwise idle machine, which no answer over HTTP can be quicker than.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Any

from PIL import Image

from app import contract
from app.contract import Manifest, Pixels
from app.engine import providers
from app.media import images
from app.media.provenance import Recipe

BATCHES = (1, 8, 32)
"""The best of these counts: which one it is depends on graph and machine."""

_together: Barrier


@dataclass(frozen=True)
class Limit:
    """Images per second of all cores for each step alone, and milliseconds of the raw chain.

    `pillow` is its encoder at level 1, `encode` the encoder in use, with the recipe that it writes into a picture.
    """

    draw: float
    infer: float
    pillow: float
    encode: float
    chain: float

    @property
    def with_pillow(self) -> float:
        """Draw, graph and Pillow's encoder, perfectly overlapped."""
        return 1 / (1 / self.draw + 1 / self.infer + 1 / self.pillow)

    @property
    def in_use(self) -> float:
        """Draw, graph and the encoder in use, perfectly overlapped."""
        return 1 / (1 / self.draw + 1 / self.infer + 1 / self.encode)


def measure(folder: Path, seconds: float) -> Limit:
    """Spends about that many seconds on each batch size, each encoder, the draw, and each way to run the chain."""
    context = get_context("spawn")
    cores = providers.cores()
    with ProcessPoolExecutor(cores, context, _share, (context.Barrier(cores),)) as pool:
        rates = list(pool.map(_core, [folder] * cores, [seconds] * cores))
    *infer, draw, pillow, encode = (sum(of_all_cores) for of_all_cores in zip(*rates, strict=True))
    with ProcessPoolExecutor(1, context) as pool:
        chain = pool.submit(_chain, folder, cores, seconds).result()
    return Limit(draw, max(infer), pillow, encode, chain)


def _share(together: Barrier) -> None:
    global _together
    _together = together


def _core(folder: Path, seconds: float) -> list[float]:
    """One core's images per second for each batch size, the draw, Pillow's encoder and the one in use."""
    manifest, session, image = _session(folder)
    inputs = {size: manifest.inputs(0, range(size)) for size in BATCHES}
    (pixels,) = session.run([image], inputs[8])
    acts: list[tuple[int, Callable[[], object]]] = [
        *((size, partial(session.run, [image], inputs[size])) for size in BATCHES),
        (1, partial(manifest.inputs, 0, range(1))),
        (len(pixels), partial(_pillow, pixels)),
        (len(pixels), partial(_in_use, manifest, pixels)),
    ]
    return [pictures * _rate(act, seconds) for pictures, act in acts]


def _chain(folder: Path, cores: int, seconds: float) -> float:
    """Median milliseconds of draw, run and encode for one picture, on one thread or on all: the quicker of the two."""
    medians = []
    for threads in {1, cores}:
        manifest, session, image = _session(folder, threads)
        took: list[float] = []
        end = time.perf_counter() + seconds
        for seed in itertools.count():
            began = time.perf_counter()
            (pixels,) = session.run([image], manifest.inputs(seed, range(1)))
            images.encode(pixels[0], "png", _recipe(manifest, seed))
            took.append(time.perf_counter() - began)
            if time.perf_counter() > end:
                break
        medians.append(median(took))
    return 1000 * min(medians)


def _session(folder: Path, threads: int = 1) -> tuple[Manifest, Any, str]:
    """The model of `folder` on the session that the service would use, and the name of the output that is an image."""
    manifest = contract.read(folder)
    graph = manifest.graphs["generator"]
    session = providers.load((folder / graph.file).read_bytes(), threads)
    return manifest, session, graph.output("image").name


def _recipe(manifest: Manifest, seed: int) -> Recipe:
    return Recipe(model=manifest.name, version=manifest.version, digest="0" * 64, seed=seed)


def _pillow(pictures: Pixels) -> None:
    for picture in pictures:
        flat = picture[..., 0] if picture.shape[-1] == 1 else picture
        Image.fromarray(flat).save(BytesIO(), "PNG", compress_level=1)


def _in_use(manifest: Manifest, pictures: Sequence[Pixels]) -> None:
    for seed, picture in enumerate(pictures):
        images.encode(picture, "png", _recipe(manifest, seed))


def _rate(act: Callable[[], object], seconds: float) -> float:
    """How often per second `act` can be done, while the other cores do the same."""
    act()
    _together.wait()
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        act()
        done += 1
    return done / elapsed


def milliseconds(run: Callable[[], object], seconds: float) -> float:
    """The median of the runs of some seconds, ten at least, after three that don't count."""
    for _ in range(3):
        run()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 10 or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return 1000 * median(taken)
