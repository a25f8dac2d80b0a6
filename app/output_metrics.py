"""Prometheus collectors of what models' outputs look like: pictures in levels from 0 to 1, sound from 0 to 1, too.

Sums and counts throughout, so that several workers add up and PromQL takes a mean over any time:
`rate(ganymede_output_mean_sum[1h]) / rate(ganymede_output_mean_count[1h])`. Part of `app.metrics`, which makes them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

Measure = Literal["mean", "variance", "saturation_ratio", "diversity", "critic_score"]

TWINS = 0.01
"""Two pictures that are less diverse than this are twins: they differ by a seventh of their contrast."""

DIVERSITIES = (TWINS, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.2)

LOGITS = (-100, -50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class OutputMetrics:
    """The collectors of one graph of a model. `score` is there where the model has a critic of what the graph draws."""

    mean: Summary
    variance: Summary
    saturation: Summary
    diversity: Histogram
    score: Histogram | None
    refer: Callable[[Measure, float], None]
    """Shows what a measure is on the golden samples."""


class OutputCollectors:
    """The collectors of all graphs, by the labels `model` and `graph`, its role in the model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["model", "graph"]
        self._mean = Summary(
            "ganymede_output_mean",
            "Mean of the values of a sampled picture, 0 for black and 1 for white; of sound, half is silence.",
            labels,
            registry=registry,
        )
        self._variance = Summary(
            "ganymede_output_variance",
            "Variance of the values of a sampled picture, which lie between 0 and 1; 0 for a picture of one colour.",
            labels,
            registry=registry,
        )
        self._saturation = Summary(
            "ganymede_output_saturation_ratio",
            "Share of a sampled picture's values that are burnt out in pairs: twice the lesser of those at the least "
            "and those at the largest level, so that a white or black ground does not count.",
            labels,
            registry=registry,
        )
        self._diversity = Histogram(
            "ganymede_output_diversity",
            "Squared distance of two sampled pictures, of one class and of inputs far apart, over twice their "
            "variance: 0 if they are the same, 1 if they have nothing in common.",
            labels,
            buckets=DIVERSITIES,
            registry=registry,
        )
        self._score = Histogram(
            "ganymede_output_critic_score",
            "What the model's own critic says of a sampled picture, the logit of realness.",
            labels,
            buckets=LOGITS,
            registry=registry,
        )
        self._nan = Counter(
            "ganymede_output_nan_total",
            "Values that were NaN or infinite in what a graph computed; such a batch fails.",
            labels,
            registry=registry,
        )
        self._reference = Gauge(
            "ganymede_output_reference",
            "What a measure is on the golden samples, which the exporter drew.",
            [*labels, "measure"],
            registry=registry,
        )

    def graph(self, model: str, graph: str, *, judged: bool) -> OutputMetrics:
        """The collectors of a graph that draws, and that a critic may have `judged`."""

        def refer(measure: Measure, value: float) -> None:
            self._reference.labels(model, graph, measure).set(value)

        return OutputMetrics(
            mean=self._mean.labels(model, graph),
            variance=self._variance.labels(model, graph),
            saturation=self._saturation.labels(model, graph),
            diversity=self._diversity.labels(model, graph),
            score=self._score.labels(model, graph) if judged else None,
            refer=refer,
        )

    def nan(self, model: str, graph: str) -> Counter:
        """The count of values that were not finite, of any graph."""
        return self._nan.labels(model, graph)

    def forget(self, model: str) -> None:
        """Drops all series of a model."""
        every = (self._mean, self._variance, self._saturation, self._diversity, self._score, self._nan, self._reference)
        for collector in every:
            collector.remove_by_labels({"model": model})
