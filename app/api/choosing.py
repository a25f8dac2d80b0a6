"""`best_of`: more samples are drawn than are asked for, and the model's critic chooses which are sent.

Two jobs, one after the other: the generator's, and the critic's, whose result is made of the pictures that it likes
best. Realness and match are logits, so their sum is one score for both questions (Miyato & Koyama 2018, eq. 3).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from app.api.drawing import Drawing
from app.api.jobs import carried_out
from app.contract import SCORES, Graph
from app.engine.job import Arrays, Finish, Timing
from app.errors import InvalidParameter
from app.media.images import Pixels
from app.metrics import Lane

T = TypeVar("T")


Work = Callable[[Drawing, str], Finish[T]]
"""What is made of a drawing's outputs, of which the picture has that name."""


class Choice(Generic[T]):
    """What a critic's job makes of its outputs: `work` on the best of the pictures that were drawn.

    `pool` has all samples that were drawn, `pixels` uint8 [n · best_of, h, w, c] their pictures. `best` has those that
    were chosen, once the job is done; `timing` is that of the job before.
    """

    def __init__(self, pool: Drawing, pixels: Pixels, timing: Timing, work: Work[T]) -> None:
        self.best = pool
        self.timing = timing
        self._pool = pool
        self._pixels = pixels
        self._work = work

    def inputs(self) -> Arrays:
        """What the critic is given: every picture, and its class if it asks for one."""
        critic = self._pool.manifest.graphs["critic"]
        inputs: dict[str, NDArray[np.generic]] = {}
        for tensor in critic.inputs:
            asked = [sample.label for sample in self._pool.samples if sample.label is not None]
            inputs[tensor.name] = tensor.labels(asked) if tensor.meaning == "label" else self._pixels
        return inputs

    def __call__(self, outputs: Arrays) -> T:
        given = scores(self._pool.manifest.graphs["critic"], outputs)
        best = ranked(given)[: self._pool.n]
        samples = (replace(self._pool.samples[row], scores=given[row]) for row in best)
        self.best = replace(self._pool, samples=tuple(samples))
        image = self._pool.graph.output("image").name
        return self._work(self.best, image)({image: self._pixels[best]})


async def drawn(
    request: Request, pool: Drawing, inputs: Arrays, work: Work[T], *, deadline: float, lane: Lane
) -> Choice[T]:
    """The choice among the samples of these inputs, once they are drawn; raises as `carried_out` does."""
    image = pool.graph.output("image").name
    job = await carried_out(request, pool.live, inputs, lambda outputs: outputs[image], deadline=deadline, lane=lane)
    return Choice(pool, job.result(), job.timing, work)


def require(drawing: Drawing, most: int) -> None:
    """`InvalidParameter` unless the model's critic can choose for this drawing, of at most so many samples in all."""
    reference, graphs = drawing.manifest.reference, drawing.manifest.graphs
    if "critic" not in graphs:
        raise _invalid(f"{reference} has no critic that could choose; leave best_of out")
    if len(drawing.indices) > most:
        drawn = f"{drawing.best_of} × {drawing.n} = {len(drawing.indices)} samples"
        raise _invalid(f"{drawn} would be drawn, and {most} may be; lower best_of or n")
    if drawing.role != "generator":
        raise _invalid(f"the critic of {reference} judges pictures of its last stage; leave stage or best_of out")
    if isinstance(drawing.label, Mapping) and graphs["critic"].input("label") is not None:
        raise _invalid(f"the critic of {reference} judges by one class, not by a mixture; leave best_of out")


def scores(critic: Graph, outputs: Arrays) -> list[dict[str, float]]:
    """What a critic says of each picture, by name, to six digits."""
    names = [name for name in SCORES if name in [tensor.name for tensor in critic.outputs]]
    columns = [outputs[name].tolist() for name in names]
    rows = zip(*columns, strict=True)
    return [{name: float(f"{value:.6g}") for name, value in zip(names, row, strict=True)} for row in rows]


def ranked(given: list[dict[str, float]]) -> list[int]:
    """The rows of scores, the best first; of equals the first stays first."""
    return sorted(range(len(given)), key=lambda row: -sum(given[row].values()))


def _invalid(message: str) -> InvalidParameter:
    return InvalidParameter.of("best_of", message)
