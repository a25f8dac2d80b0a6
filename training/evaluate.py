"""Measures a model folder against real pictures: the exported graph, not the torch module, so what is measured is what
is served. Every number stands beside the same number for real pictures against real ones, its floor.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app import contract
from training import features, measures
from training.data import Pictures
from training.features import Features
from training.sets import EvaluationError, Sets, collect

BATCH = 250


def evaluate(
    folder: Path,
    source: str | Path,
    extractors: Sequence[Path],
    classifier: Path | None = None,
    *,
    samples: int = 10_000,
    seed: int = 0,
    truncation: float = 1,
) -> tuple[contract.Metric, ...]:
    """Distances on the embedding of each extractor and, with a classifier, how often it sees the class asked for.

    `source` is what `data.load` reads; which pictures are compared, `sets.collect` says. Raises `EvaluationError`,
    `ContractError`, `DataError` or `FeaturesError`.
    """
    if not extractors and classifier is None:
        raise EvaluationError("nothing to measure with: give an extractor, a classifier or both")
    # Read before the long part, so that a wrong file is told at once.
    networks = [features.load(path) for path in extractors]
    judge = None if classifier is None else features.load(classifier)
    manifest = contract.read(folder)
    if judge is not None:
        _require_known(judge, manifest)
    sets = collect(folder, manifest, source, samples=samples, seed=seed, truncation=truncation)
    metrics = [metric for network in networks for metric in _distances(network, sets)]
    if judge is not None:
        metrics.append(_accuracy(judge, sets))
    return tuple(metrics)


def table(metrics: Sequence[contract.Metric]) -> str:
    """The metrics for people: a line each, with the value for real pictures, and below it each protocol once."""
    width = max((len(metric.name) for metric in metrics), default=0)
    lines = [f"{'':{width}}  {'drawn':>9}  {'real':>9}"]
    for metric in metrics:
        floor = "" if metric.floor is None else f"{metric.floor:.4g}"
        lines.append(f"{metric.name:{width}}  {metric.value:>9.4g}  {floor:>9}".rstrip())
    return "\n".join([*lines, "", *dict.fromkeys(metric.protocol for metric in metrics)])


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
