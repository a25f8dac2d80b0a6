"""Measures a model folder against real data: the exported graph, not the torch module, so what is measured is served.

One task is one file of this folder, with a function `measure(request)`; a new task is a new file.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from app import contract
from training.evaluation.request import EvaluationError, Request

__all__ = ["EvaluationError", "Request", "compared", "evaluate", "table"]


def evaluate(request: Request) -> tuple[contract.Metric, ...]:
    """The numbers of every task that the model has.

    Raises `EvaluationError`, `ContractError`, `DataError` or `FeaturesError`.
    """
    measured: tuple[contract.Metric, ...] = ()
    for task in request.manifest.tasks:
        module = importlib.import_module(f"{__name__}.{task}")
        measured += cast("tuple[contract.Metric, ...]", module.measure(request))
    return measured


def compared(request: Request, beside: Mapping[str, Path]) -> tuple[contract.Metric, ...]:
    """The numbers of the model, each with the same number of other model folders beside it, by name."""
    metrics = evaluate(request)
    for name, folder in beside.items():
        theirs = {m.name: m.value for m in evaluate(replace(request, folder=folder, manifest=contract.read(folder)))}
        metrics = tuple(
            m.model_copy(update={"others": {**m.others, name: theirs[m.name]}}) if m.name in theirs else m
            for m in metrics
        )
    return metrics


def table(metrics: Sequence[contract.Metric]) -> str:
    """The metrics for people: a line each, with what it stands beside, and below it each protocol once."""
    width = max((len(metric.name) for metric in metrics), default=0)
    lines = [f"{'':{width}}  {'model':>9}  {'real':>9}"]
    for metric in metrics:
        floor = "" if metric.floor is None else f"{metric.floor:.4g}"
        others = "  ".join(f"{name} {value:.4g}" for name, value in metric.others.items())
        lines.append(f"{metric.name:{width}}  {metric.value:>9.4g}  {floor:>9}  {others}".rstrip())
    return "\n".join([*lines, "", *dict.fromkeys(metric.protocol for metric in metrics)])
