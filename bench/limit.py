"""What the machine could do: the graph and the PNG encoder alone, on every core, with nothing between them.

One single-threaded process per core, so that neither Python's lock nor a queue stands in the way. If device and
encoder overlapped perfectly, a picture would cost a core the sum of both, and that is the limit.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

from PIL import Image

from app import contract
from app.engine import providers

BATCHES = (1, 8, 32)
"""The best of these counts: which one it is depends on graph and machine."""

_together: Barrier


@dataclass(frozen=True)
class Limit:
    """Images per second of all cores: the graph alone, the encoder alone, and one after the other."""

    infer: float
    encode: float

    @property
    def both(self) -> float:
        return 1 / (1 / self.infer + 1 / self.encode)


def measure(folder: Path, seconds: float) -> Limit:
    """Spends about that many seconds on each batch size, and on the encoder."""
    context = get_context("spawn")
    cores = providers.cores()
    with ProcessPoolExecutor(cores, context, _share, (context.Barrier(cores),)) as pool:
        rates = list(pool.map(_core, [folder] * cores, [seconds] * cores))
    *infer, encode = (sum(of_all_cores) for of_all_cores in zip(*rates, strict=True))
    return Limit(max(infer), encode)


def _share(together: Barrier) -> None:
    global _together
    _together = together


def _core(folder: Path, seconds: float) -> list[float]:
    """One core's images per second for each batch size, and for the encoder last."""
    manifest = contract.read(folder)
    graph = manifest.graphs["generator"]
    session = providers.load((folder / graph.file).read_bytes(), providers.device("cpu"))
    image = graph.output("image").name
    inputs = {size: manifest.inputs(0, range(size)) for size in BATCHES}
    (pixels,) = session.run([image], inputs[8])
    pictures = [Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture) for picture in pixels]
    rates = [size * _rate(partial(session.run, [image], inputs[size]), seconds) for size in BATCHES]
    return [*rates, len(pictures) * _rate(partial(_encode, pictures), seconds)]


def _encode(pictures: Sequence[Image.Image]) -> None:
    for picture in pictures:
        picture.save(BytesIO(), "PNG", compress_level=1)


def _rate(act: Callable[[], object], seconds: float) -> float:
    """How often per second `act` can be done, while the other cores do the same."""
    act()
    _together.wait()
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        act()
        done += 1
    return done / elapsed
