"""Pictures in another style: how near they came to its domain, and how much of their content they kept.

Either alone is easy: the untouched picture keeps everything, and any painting is in the domain. The two are read
together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from app import contract
from training import content, measures
from training.batches import batch_of
from training.data import Sampler, domains
from training.data.domains import Domains
from training.evaluation.request import EvaluationError, Request
from training.evaluation.sets import FEWEST
from training.features import Features
from training.served import Served

CONTENT = (
    "mean feature distance between a picture and its translation, place by place on the third stage, over that between "
    "different pictures"
)


class Domain(NamedTuple):
    """Pictures [n, c, h, w] in [-1, 1] of one domain: those that training never saw, and more."""

    name: str
    test: Tensor
    train: Tensor


@torch.inference_mode()
def measure(request: Request) -> tuple[contract.Metric, ...]:
    """For each style, on each of `features`: the kernel distance to the domain's held-out pictures, the share of the
    untouched pictures' distance that is closed, and how far the content moved; with a way back, the L1 of the round.

    Raises `EvaluationError` or `DataError`.
    """
    source, target = _domains(request)
    there = request.graph()
    if "inverse" not in request.manifest.graphs:
        return _way(there, source, target, request.features)
    back = request.graph("inverse")
    ways = _way(there, source, target, request.features) + _way(back, target, source, request.features)
    rounds = _round(there, back, source, target), _round(back, there, target, source)
    return ways + rounds


def _way(graph: Served, start: Domain, goal: Domain, features: Sequence[Features]) -> tuple[contract.Metric, ...]:
    """The numbers of one translation."""
    drawn = graph(start.test)
    assert isinstance(drawn, Tensor)
    count, side = len(drawn), drawn.shape[-1]
    metrics = []
    for network in features:
        on = f"{start.name} → {goal.name} on {network.reference}"
        real, *others = (network.embed(x) for x in (goal.test, drawn, start.test, goal.train))
        scale = real.square().mean().rsqrt()
        distance, untouched, floor = (measures.kernel(real * scale, other * scale) for other in others)
        protocol = (
            f"{count:,} held-out pictures of {start.name} and {len(real):,} of {goal.name} at {side} px; real: "
            f"{len(others[-1]):,} of {goal.name} from training; at {network.seen(side)} px, scaled to mean square 1; "
            f"kernel over {measures.SUBSETS} subsets of {min(measures.SUBSET, count, len(real)):,}"
        )
        metrics += [
            _metric(f"kernel distance, {on}", distance, protocol, floor, {"untouched": untouched}),
            _metric(f"distance closed, {on}", 1 - distance / untouched, f"1 − model / untouched; {protocol}"),
            _metric(
                f"content moved, {on}",
                content.moved(start.test, drawn, network),
                f"{count:,} held-out pictures of {start.name} at {side} px; {CONTENT}",
                others={f"another {start.name}": 1.0},
            ),
        ]
    return tuple(metrics)


def _round(there: Served, back: Served, start: Domain, over: Domain) -> contract.Metric:
    """How much of a picture a translation and its way back lose, beside how much the translation alone changes."""
    once = there(start.test)
    assert isinstance(once, Tensor)
    twice = back(once)
    lost, changed = (float((x - start.test).abs().mean() * 127.5) for x in (twice, once))
    return _metric(
        f"cycle L1, {start.name} → {over.name} → {start.name}",
        lost,
        f"{len(start.test):,} held-out pictures of {start.name}; grey levels of 255, mean over pixels and colours; "
        f"between the two graphs the picture is rounded to 8 bits",
        others={"without the way back": changed},
    )


def _domains(request: Request) -> tuple[Domain, Domain]:
    """Both domains at the size of the model's training."""
    manifest = request.manifest
    names = [manifest.settings.get(key) for key in ("source", "target")]
    if not all(isinstance(name, str) for name in names):
        raise EvaluationError(
            f"{manifest.reference} doesn't say between which domains it translates: only models trained here do"
        )
    source, target = map(str, names)
    height, _, channels = manifest.graphs["generator"].output("image").sample
    test, train = (
        domains.load(request.data, source=source, target=target, size=height, channels=channels, split=split)
        for split in ("test", "train")
    )
    most = request.samples
    return (
        Domain(source, _pictures(test, most), _pictures(train, most)),
        Domain(target, _pictures(test.reversed(), most), _pictures(train.reversed(), most)),
    )


def _pictures(examples: Domains, most: int) -> Tensor:
    """Pictures of the domain that is left, at most so many of them; `EvaluationError` for too few."""
    count = min(most, len(examples))
    if count < FEWEST:
        raise EvaluationError(
            f"there are {count} pictures of {examples.given.source} to compare, at least {FEWEST} are needed: add "
            "pictures, or ask for more samples"
        )
    indices = np.sort(Sampler(len(examples), seed=0).indices(0, count))
    return batch_of(examples.draw(indices)).condition()


def _metric(
    name: str, value: float, protocol: str, floor: float | None = None, others: dict[str, float] | None = None
) -> contract.Metric:
    """A metric of four digits: further ones are noise."""
    rounded = None if floor is None else float(f"{floor:.4g}")
    beside = {key: float(f"{other:.4g}") for key, other in (others or {}).items()}
    return contract.Metric(name=name, value=float(f"{value:.4g}"), floor=rounded, others=beside, protocol=protocol)
