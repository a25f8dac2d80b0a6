"""Pictures translated one by one: how close each is to the real one, and all of them to real ones.

Closeness rewards blur, distance does not: the two are read together.
"""

from functools import partial
from typing import cast, get_args

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from app import contract
from training import measures
from training.batches import batch_of
from training.data import Sampler, pairs
from training.evaluation.request import EvaluationError, Request
from training.evaluation.sets import FEWEST
from training.recipes import Batch


@torch.inference_mode()
def measure(request: Request) -> tuple[contract.Metric, ...]:
    """Mean error and structural similarity on the pairs of the test split, and the kernel distance of the drawn to the
    real pictures on each of `features`; real: as many pictures of the training split.

    Each stands beside the picture that was given, untouched. Raises `EvaluationError` or `DataError`.
    """
    test, train = _pairs(request)
    drawn = request.graph()(test.condition())
    assert isinstance(drawn, Tensor)
    count, side = len(drawn), drawn.shape[-1]
    on = f"{count:,} pairs of the test split at {side} px"
    close = "grey levels of 255, mean over pixels and colours"
    alike = "Gaussian window of 11 px, mean over pictures and colours"
    metrics = [
        _metric("L1", _error(drawn, test.real), _error(test.condition(), test.real), f"{on}; {close}"),
        _metric("SSIM", _similarity(drawn, test.real), _similarity(test.condition(), test.real), f"{on}; {alike}"),
    ]
    for network in request.features:
        real, *others = (network.embed(pictures) for pictures in (test.real, drawn, test.condition(), train.real))
        distance, untouched, floor = (measures.distances(real, other)["kernel distance"] for other in others)
        protocol = (
            f"{on}; real: {count:,} of the training split; on {network.reference} at {network.seen(side)} px, "
            f"scaled to mean square 1; kernel over subsets of {min(measures.SUBSET, count):,}"
        )
        metrics.append(_metric(f"kernel distance on {network.reference}", distance, untouched, protocol, floor))
    return tuple(metrics)


def _pairs(request: Request) -> tuple[Batch, Batch]:
    """Equally many pairs of the test and of the training split, at the size of the model's training."""
    manifest = request.manifest
    given, sample = manifest.settings.get("given"), manifest.graphs["generator"].output("image").sample
    if given not in get_args(pairs.Side):
        raise EvaluationError(
            f"{manifest.reference} doesn't say which side of a pair it is given: only models that were trained here do"
        )
    load = partial(pairs.load, request.data, given=cast("pairs.Side", given), size=min(sample[:2]), channels=sample[2])
    test, train = load(split="test"), load(split="train")
    count = min(request.samples, len(test), len(train))
    if count < FEWEST:
        raise EvaluationError(
            f"there are {count} pairs of {test.source} and {train.source} to compare, at least {FEWEST} are needed: "
            "add pairs, or ask for more samples"
        )
    first, second = (
        batch_of(examples.draw(Sampler(len(examples), seed=0).indices(0, count))) for examples in (test, train)
    )
    return first, second


def _error(drawn: Tensor, real: Tensor) -> float:
    """The mean absolute difference of pictures in [-1, 1], in grey levels."""
    return float((drawn - real).abs().mean() * 127.5)


def _similarity(drawn: Tensor, real: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of pictures in [-1, 1]; 1 is equal."""
    # It compares means by their product, which only tells alike from unlike where none is negative.
    drawn, real = ((pictures + 1) / 2 for pictures in (drawn, real))
    similarity = structural_similarity_index_measure(drawn, real, data_range=1.0)
    assert isinstance(similarity, Tensor)
    return float(similarity)


def _metric(name: str, value: float, untouched: float, protocol: str, floor: float | None = None) -> contract.Metric:
    """A metric of four digits: further ones are noise."""
    rounded = None if floor is None else float(f"{floor:.4g}")
    others = {"untouched": float(f"{untouched:.4g}")}
    return contract.Metric(name=name, value=float(f"{value:.4g}"), floor=rounded, others=others, protocol=protocol)
