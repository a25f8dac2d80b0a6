"""Steps captured once as a CUDA graph and replayed: one launch in the place of thousands.

Small networks leave a GPU waiting for the processor, which needs longer to ask for a kernel than the GPU to run it.
What a step does on the device is therefore recorded, and repeated on the numbers of the next. Only `run` uses this.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from training.config import ConfigError
from training.recipes import Batch, Recipe

Told = dict[str, Tensor]

WARM = 3
"""Steps of a kind before it is captured: they make the optimisers' state and let the libraries choose their kernels."""


def require_capture(recipe: Recipe, device: torch.device, world: int) -> None:
    """ConfigError where steps of the recipe, the device or the number of processes can't be captured."""
    if device.type != "cuda":
        raise ConfigError("--captured needs a GPU: CUDA graphs are what it captures into")
    if not recipe.capturable:
        raise ConfigError("--captured: this recipe's steps can't be captured, they depend on what the processor draws")
    if world > 1:
        raise ConfigError("--captured works in one process; start without torchrun, or leave it out")


class _Recorded(NamedTuple):
    graph: torch.cuda.CUDAGraph
    batch: Batch
    told: Told


class Captured:
    """`update`, a function of a batch on a GPU, captured for each `kind` of step.

    It must read whatever else changes from the step before in tensors that stay where they are. What it draws at random
    follows the generator's seed, in a replay as in the first run. Its answer is overwritten by the next call.
    """

    def __init__(self, update: Callable[[Batch], Told], kind: Callable[[int], Hashable]) -> None:
        self._update, self._kind = update, kind
        self._seen: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, _Recorded] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, batch: Batch) -> Told:
        kind = self._kind(batch.step)
        self._seen[kind] += 1
        if self._seen[kind] <= WARM:
            return self._warm(batch)
        if kind not in self._recorded:
            self._recorded[kind] = self._record(batch)
        graph, kept, told = self._recorded[kind]
        for there, here in zip(_tensors(kept), _tensors(batch), strict=True):
            there.copy_(here)
        graph.replay()
        return told

    def _warm(self, batch: Batch) -> Told:
        """On a stream of its own, as the capture will be: what autograd keeps must not belong to the default one."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            told = self._update(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return told

    def _record(self, batch: Batch) -> _Recorded:
        kept = replace(
            batch,
            real=batch.real.clone(),
            labels=None if batch.labels is None else batch.labels.clone(),
            given=None if batch.given is None else batch.given.clone(),
            progress=batch.progress.clone(),
        )
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            told = self._update(kept)
        return _Recorded(graph, kept, told)


def _tensors(batch: Batch) -> list[Tensor]:
    return [t for t in (batch.real, batch.labels, batch.given, batch.progress) if t is not None]
