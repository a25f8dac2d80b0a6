"""Pictures drawn from noise: how far they are from real ones, and whether a class looks like itself.

Every number stands beside the same number for real pictures against real ones, its floor.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from app import contract
from training import measures
from training.data import Pictures
from training.evaluation.request import EvaluationError, Request
from training.evaluation.sets import Sets, collect, first_stage
from training.features import Features

BATCH = 250


def measure(request: Request) -> tuple[contract.Metric, ...]:
    """Distances on the embedding of each extractor and, with a classifier, how often it sees the class asked for.

    The data are what `data.load` reads; which pictures are compared, `sets.collect` says. A model with a first stage
    stands beside that stage, enlarged.
    """
    if not request.features and request.classifier is None:
        raise EvaluationError("nothing to measure with: give an extractor, a classifier or both")
    if request.classifier is not None:
        _require_known(request.classifier, request.manifest)
    sets = collect(request)
    metrics = [metric for network in request.features for metric in _distances(network, sets)]
    if request.classifier is not None:
        metrics.append(_accuracy(request.classifier, sets))
    if "stage1" not in request.manifest.graphs:
        return tuple(metrics)
    small = sets._replace(drawn=first_stage(request, sets))
    before = {metric.name: metric.value for network in request.features for metric in _distances(network, small)}
    if request.classifier is not None:
        before["class accuracy by " + request.classifier.reference] = _accuracy(request.classifier, small).value
    enlarged = "stage 1, enlarged"
    return tuple(
        metric.model_copy(update={"others": {enlarged: before[metric.name]}}) if metric.name in before else metric
        for metric in metrics
    )


def _distances(network: Features, sets: Sets) -> list[contract.Metric]:
    """Every distance of the drawn pictures to the reference on one embedding."""
    drawn, reference, other = (_through(network.embed, pictures) for pictures in sets)
    on = f"on {network.reference}"
    protocol = (
        f"{len(drawn):,} {sets.drawn.source} against {len(reference):,} of {sets.reference.source}; "
        f"real: {len(other):,} of {sets.other.source}; "
        f"{on} at {network.seen(sets.drawn.images.shape[1])} px, scaled to mean square 1; k = {measures.K}; "
        f"kernel over {measures.SUBSETS} subsets of {min(measures.SUBSET, len(drawn)):,}"
    )
    real = measures.distances(reference, other)
    fake = measures.distances(reference, drawn)
    metrics = [_metric(f"{name} {on}", fake[name], real[name], protocol) for name in fake]
    if fake := _class_coverage(reference, drawn, sets.reference, sets.drawn):
        real = _class_coverage(reference, other, sets.reference, sets.other)
        lowest = min(fake, key=fake.__getitem__)
        which = f"within each class alone, lowest of {len(fake)}: {lowest}"
        floor = min(real.values(), default=None)
        metrics.append(_metric(f"lowest class coverage {on}", fake[lowest], floor, f"{protocol}; {which}"))
    return metrics


def _class_coverage(reference: Tensor, others: Tensor, of: Pictures, by: Pictures) -> dict[str, float]:
    """The coverage within each class, by class name: a class that has collapsed shows, whatever the others do.

    Nothing without labels; classes of K pictures or fewer are left out.
    """
    coverage = {}
    for label, name in enumerate(of.classes):
        inside, covering = reference[of.rows(label)], others[by.rows(label)]
        if len(inside) > measures.K and len(covering) > measures.K:
            coverage[name] = measures.neighbours(inside, covering)["coverage"]
    return coverage


def _accuracy(judge: Features, sets: Sets) -> contract.Metric:
    """How often the classifier sees the class that was asked for; each class weighs the same."""
    classes = sets.drawn.classes
    fake, real = (_recall(judge, pictures, classes) for pictures in (sets.drawn, sets.reference))
    lowest = min(fake, key=fake.__getitem__)
    protocol = (
        f"mean over {len(classes)} classes of {len(sets.drawn):,} {sets.drawn.source}; "
        f"lowest: {lowest}, {fake[lowest]:.3g}; by {judge.reference}"
    )
    floor = None
    if real:
        protocol += f"; real: {len(sets.reference):,} of {sets.reference.source}"
        floor = float(np.mean(list(real.values())))
    return _metric(f"class accuracy by {judge.reference}", float(np.mean(list(fake.values()))), floor, protocol)


def _recall(judge: Features, pictures: Pictures, classes: Sequence[str]) -> dict[str, float]:
    """The share of each class's pictures that the classifier sees as that class; nothing for unlabelled pictures."""
    if pictures.labels is None:
        return {}
    seen = _through(judge.classify, pictures).argmax(1)
    return {
        name: float((seen[rows] == judge.classes.index(name)).float().mean())
        for label, name in enumerate(classes)
        if len(rows := pictures.rows(label))
    }


def _require_known(judge: Features, manifest: contract.Manifest) -> None:
    """`EvaluationError` unless the classifier knows every class of the model by name."""
    if not manifest.classes:
        raise EvaluationError(f"{manifest.reference} has no classes to recognise: leave the classifier out")
    unknown = [name for name in manifest.classes if name not in judge.classes]
    if unknown:
        knows = ", ".join(judge.classes) or "no class by name"
        raise EvaluationError(
            f"{judge.reference} knows {knows}, and {manifest.reference} draws {', '.join(unknown)}: "
            "give a classifier of these classes, or leave it out"
        )


@torch.inference_mode()
def _through(network: Callable[[Tensor], Tensor], pictures: Pictures) -> Tensor:
    """The network's output for all pictures, float32 [n, d], on the CPU and without autocast: one figure everywhere."""
    outputs = []
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(pictures.images[start : start + BATCH]).permute(0, 3, 1, 2)
        outputs.append(network(batch / 127.5 - 1))
    return torch.cat(outputs)


def _metric(name: str, value: float, floor: float | None, protocol: str) -> contract.Metric:
    """A metric of four digits: further ones are noise."""
    rounded = None if floor is None else float(f"{floor:.4g}")
    return contract.Metric(name=name, value=float(f"{value:.4g}"), floor=rounded, protocol=protocol)
